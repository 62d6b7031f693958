"""What a scan comes to, and how that is written down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from ecr_emulator.db.scanning_tables import image_scans, scan_findings
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.scan_queue import COMPLETE
from ecr_emulator.registry.scanning_rules import BASIC

FAILED = "FAILED"
UNSUPPORTED_IMAGE = "UNSUPPORTED_IMAGE"
IMAGE_SIZE_EXCEEDED = "IMAGE_SIZE_EXCEEDED"

#: Observed.
COMPLETE_DESCRIPTION = "The scan was completed successfully."
UNSUPPORTED_DESCRIPTION = (
    "UnsupportedImageError: The operating system and/or package manager are not supported."
)


#: Told of an image's scan by a type of scanning that ended, in the transaction of the result, and
#: whether it is the first that was completed.
ScanHook = Callable[[Connection, Repository, Image, str, "ScanResult", bool], None]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """How a scan ended.

    :ivar findings: in the API's shape, with times as text; in the order of the answers.
    :ivar source_updated_at: how recent the vulnerability database is, if there is one.
    :ivar note: what a caller must know besides.
    """

    status: str = COMPLETE
    description: str = COMPLETE_DESCRIPTION
    findings: tuple[Mapping[str, Any], ...] = ()
    source_updated_at: datetime | None = None
    note: str | None = None

    @property
    def severity_counts(self) -> dict[str, int]:
        """How many findings there are of each severity that there are any of."""
        return count_severities(self.findings)


def count_severities(findings: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many of *findings* have each severity; one without is ``UNDEFINED``."""
    counts = Counter(finding.get("severity") or "UNDEFINED" for finding in findings)
    return dict(sorted(counts.items()))


def unsupported(scan_type: str) -> ScanResult:
    """Return the result for an image of which no package can be read.

    That enhanced scanning has a status of its own for it is the service model's; that the
    description is the same is likeliest.
    """
    status = FAILED if scan_type == BASIC else UNSUPPORTED_IMAGE
    return ScanResult(status, UNSUPPORTED_DESCRIPTION)


def write_result(
    connection: Connection, image_id: int, scan_type: str, result: ScanResult, now: datetime
) -> bool:
    """Write down how the last scan of an image ended; what the one before found goes.

    A scan that failed leaves the findings of the last one that was completed.

    :returns: whether it is the first that was completed.
    """
    of_scan = (image_scans.c.image_id == image_id, image_scans.c.scan_type == scan_type)
    before = connection.execute(select(image_scans.c.completed_at).where(*of_scan)).scalar()
    values: dict[str, Any] = {"status": result.status, "description": result.description}
    if result.status == COMPLETE:
        values.update(
            note=result.note,
            completed_at=now,
            source_updated_at=result.source_updated_at,
            severity_counts=result.severity_counts,
        )
        first_observed = _first_observed(connection, image_id, scan_type)
        connection.execute(
            delete(scan_findings).where(
                scan_findings.c.image_id == image_id, scan_findings.c.scan_type == scan_type
            )
        )
        if result.findings:
            connection.execute(
                insert(scan_findings),
                [
                    {
                        "image_id": image_id,
                        "scan_type": scan_type,
                        "position": position,
                        "finding": {
                            **finding,
                            **first_observed.get(finding.get("findingArn") or "", {}),
                        },
                    }
                    for position, finding in enumerate(result.findings, start=1)
                ],
            )
    connection.execute(update(image_scans).where(*of_scan).values(**values))
    return before is None and result.status == COMPLETE


def _first_observed(
    connection: Connection, image_id: int, scan_type: str
) -> dict[str, dict[str, str]]:
    """Return since when the enhanced findings that there are were observed, by their ARNs."""
    if scan_type == BASIC:
        return {}
    query = select(scan_findings.c.finding).where(
        scan_findings.c.image_id == image_id, scan_findings.c.scan_type == scan_type
    )
    return {
        finding["findingArn"]: {"firstObservedAt": finding["firstObservedAt"]}
        for finding in connection.execute(query).scalars()
        if finding.get("findingArn") and finding.get("firstObservedAt")
    }
