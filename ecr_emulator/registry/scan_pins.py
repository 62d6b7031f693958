"""Pinned findings: what a test wants to be found in an image, whatever is in it.

They are given in the API's own shape and are for one image of one repository. They may be
given before the image is pushed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.scanning_tables import pinned_findings
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.scan_queue import begin_scan
from ecr_emulator.registry.scan_results import ScanHook, ScanResult, write_result
from ecr_emulator.registry.scanning_rules import BASIC, ENHANCED

#: The member of ``ImageScanFindings`` that holds each type of scanning's findings.
FINDINGS = "findings"
ENHANCED_FINDINGS = "enhancedFindings"
_MEMBERS = {BASIC: FINDINGS, ENHANCED: ENHANCED_FINDINGS}


class ScanPins:
    """The pinned findings of every registry.

    :param on_end: told of the scan that a pin comes to.
    """

    def __init__(self, database: Database, clock: Clock, on_end: ScanHook) -> None:
        self._database = database
        self._clock = clock
        self._on_end = on_end

    def put(self, key: RegistryKey, name: str, digest: str, findings: Mapping[str, Any]) -> bool:
        """Let every scan of an image find *findings*; scan it now if it is there.

        :param findings: lists of findings by :data:`FINDINGS` and :data:`ENHANCED_FINDINGS`,
            in the API's shape with times as text.
        :returns: whether the image is there.
        """
        with self._database.write() as connection:
            put_row(
                connection,
                pinned_findings,
                account=key.account,
                region=key.region,
                repository_name=name,
                digest=digest,
                document=dict(findings),
            )
            return self._scan(connection, key, name, digest)

    def remove(self, key: RegistryKey, name: str, digest: str) -> bool:
        """Let the scans of an image find what there is again; say whether there was a pin.

        What was found stays until the next scan.
        """
        with self._database.write() as connection:
            result = connection.execute(
                delete(pinned_findings).where(
                    pinned_findings.c.account == key.account,
                    pinned_findings.c.region == key.region,
                    pinned_findings.c.repository_name == name,
                    pinned_findings.c.digest == digest,
                )
            )
        return result.rowcount == 1

    def _scan(self, connection: Connection, key: RegistryKey, name: str, digest: str) -> bool:
        try:
            repository = find_repository(connection, key, name)
        except RepositoryNotFound:
            return False
        image = find_image(connection, repository, ImageId(digest=digest))
        if image is None:
            return False
        now = self._clock.now()
        for scan_type in _MEMBERS:
            result = pinned_result(connection, repository, image, scan_type)
            if result is not None:
                begin_scan(
                    connection,
                    key,
                    image,
                    scan_type,
                    now,
                    status=result.status,
                    description=result.description,
                )
                is_first = write_result(connection, image.id, scan_type, result, now)
                self._on_end(connection, repository, image, scan_type, result, is_first)
        return True


def pinned_result(
    connection: Connection, repository: Repository, image: Image, scan_type: str
) -> ScanResult | None:
    """Return what a scan of *image* is to come to, or ``None`` if nobody said."""
    query = select(pinned_findings.c.document).where(
        pinned_findings.c.account == repository.key.account,
        pinned_findings.c.region == repository.key.region,
        pinned_findings.c.repository_name == repository.name,
        pinned_findings.c.digest == image.digest,
    )
    document: Mapping[str, Any] | None = connection.execute(query).scalar()
    member = _MEMBERS[scan_type]
    if document is None or member not in document:
        return None
    return ScanResult(findings=tuple(document[member]))
