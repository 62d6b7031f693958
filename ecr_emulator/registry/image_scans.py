"""Scans of images: started by a call, and told of (StartImageScan, DescribeImageScanFindings).

What is written down of a scan is what its work came to; what a caller is told also depends on
the time, on the image's storage class and on how the registry scans today.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.scanning_tables import image_scans, scan_findings
from ecr_emulator.registry.described_images import DescribedImage
from ecr_emulator.registry.errors import ImageNotFound, ValidationFailure
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.scan_queue import (
    BETWEEN_SCANS,
    COMPLETE,
    ELIGIBLE_FOR,
    IN_PROGRESS,
    ScanQueue,
    is_archived,
    last_start,
    unscannable_type,
)
from ecr_emulator.registry.scanning_configurations import scanning_configuration
from ecr_emulator.registry.scanning_errors import (
    ImageArchived,
    RegistryScanQuotaExceeded,
    ScanNotFound,
    ScanQuotaExceeded,
    UnsupportedImageType,
)
from ecr_emulator.registry.scanning_rules import (
    BASIC,
    CONTINUOUS_SCAN,
    ENHANCED,
    MANUAL,
    ScanningConfiguration,
)


@dataclass(frozen=True, slots=True)
class ScanStatus:
    """Where a scan stands (API reference ``ImageScanStatus``)."""

    status: str
    description: str | None = None


#: Observed.
_CONTINUOUS = ScanStatus("ACTIVE", "Continuous scan is selected for image.")
#: The words of Amazon Inspector's own status of that name; that ECR repeats them is likeliest.
_EXPIRED = ScanStatus(
    "SCAN_ELIGIBILITY_EXPIRED", "The configured scan duration has lapsed for this image."
)
#: Likeliest.
_ARCHIVED = ScanStatus("IMAGE_ARCHIVED", "The image is archived and cannot be scanned.")


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """What the last completed scan of an image came to.

    :ivar source_updated_at: how recent the vulnerability database was, if there was one.
    """

    completed_at: datetime
    source_updated_at: datetime | None
    severity_counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ScanReport:
    """A scan of an image as a caller is told of it.

    :ivar digest: the image's.
    :ivar summary: of the last scan that was completed; ``None`` when there is none to show.
    """

    digest: str
    scan_type: str
    status: ScanStatus
    summary: ScanSummary | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in the API's shape (times as text), and its place among the scan's findings."""

    position: int
    document: dict[str, Any]


class ImageScans:
    """The scans of every registry's images."""

    def __init__(self, database: Database, queue: ScanQueue, clock: Clock) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock

    def start(self, key: RegistryKey, name: str, image_id: ImageId) -> ScanReport:
        """Start a basic scan of an image.

        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        :raises ValidationFailure: the registry has enhanced scanning.
        :raises UnsupportedImageType, ImageArchived: the image cannot be scanned.
        :raises LimitExceeded: it was scanned within the last 24 hours, or the registry has
            started as many scans in that time as it may.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            image = find_image_or_raise(connection, repository, image_id)
            if scanning_configuration(connection, key).scan_type == ENHANCED:
                # Observed.
                raise ValidationFailure("This feature is disabled")
            media_type = unscannable_type(connection, image)
            if media_type is not None:
                raise UnsupportedImageType(media_type)
            if is_archived(image):
                raise ImageArchived
            now = self._clock.now()
            scanned_at = last_start(connection, image, BASIC)
            if scanned_at is not None and now - scanned_at < BETWEEN_SCANS:
                raise ScanQuotaExceeded
            if self._queue.is_registry_exhausted(connection, key, now):
                raise RegistryScanQuotaExceeded
            self._queue.start(connection, key, image, BASIC, now)
        return ScanReport(image.digest, BASIC, ScanStatus(IN_PROGRESS))

    def report(
        self, key: RegistryKey, name: str, image_id: ImageId, *, after: int, limit: int
    ) -> tuple[ScanReport, list[Finding]]:
        """Return the last scan of an image and up to *limit* of what it found.

        :param after: the position of the last finding of the page before; 0 for the first.
        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        :raises ScanNotFound: it was not scanned by the registry's type of scanning.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            image = find_image_or_raise(connection, repository, image_id)
            configuration = scanning_configuration(connection, key)
            query = select(image_scans).where(
                image_scans.c.image_id == image.id,
                image_scans.c.scan_type == configuration.scan_type,
            )
            row = connection.execute(query).one_or_none()
            if row is None:
                if self._is_too_old(connection, configuration, repository, image):
                    return ScanReport(image.digest, ENHANCED, _EXPIRED), []
                raise ScanNotFound(image_id.digest, image_id.tag, name, key.account)
            report = _report(row, image, configuration, repository, self._clock.now())
            if report.summary is None:
                return report, []
            findings = connection.execute(
                select(scan_findings.c.position, scan_findings.c.finding)
                .where(
                    scan_findings.c.image_id == image.id,
                    scan_findings.c.scan_type == configuration.scan_type,
                    scan_findings.c.position > after,
                )
                .order_by(scan_findings.c.position)
                .limit(limit)
            )
            return report, [Finding(position, document) for position, document in findings]

    def reports(
        self, key: RegistryKey, name: str, images: Sequence[DescribedImage]
    ) -> dict[int, ScanReport]:
        """Return the last scans of those of *images* that were scanned, by the images' row ids.

        :raises RepositoryNotFound: there is no such repository.
        """
        by_id = {image.id: image for image in images if image.was_scanned}
        # Most images never were: nothing is looked at for those.
        if not by_id:
            return {}
        connection = self._database.reader()
        configuration = scanning_configuration(connection, key)
        query = select(image_scans).where(
            image_scans.c.image_id.in_(by_id),
            image_scans.c.scan_type == configuration.scan_type,
        )
        rows = connection.execute(query).all()
        repository = find_repository(connection, key, name)
        now = self._clock.now()
        return {
            row.image_id: _report(row, by_id[row.image_id], configuration, repository, now)
            for row in rows
        }

    def _is_too_old(
        self,
        connection: Connection,
        configuration: ScanningConfiguration,
        repository: Repository,
        image: Image,
    ) -> bool:
        """Say whether enhanced scanning passed an image over because of its age."""
        return (
            configuration.scan_type == ENHANCED
            and _frequency(configuration, repository) != MANUAL
            and self._clock.now() - image.pushed_at >= ELIGIBLE_FOR
            and unscannable_type(connection, image) is None
        )


def find_image_or_raise(connection: Connection, repository: Repository, image_id: ImageId) -> Image:
    """Return the image that *image_id* names.

    :raises ImageNotFound: there is none, or nothing is named.
    """
    # Without digest and tag it would be any image.
    image = find_image(connection, repository, image_id) if image_id != ImageId() else None
    if image is None:
        raise ImageNotFound(image_id.digest, image_id.tag, repository.name, repository.key.account)
    return image


def _frequency(configuration: ScanningConfiguration, repository: Repository) -> str:
    return configuration.frequency_of(repository.name, scan_on_push=repository.scan_on_push)[0]


def _report(
    row: Row[Any],
    image: Image | DescribedImage,
    configuration: ScanningConfiguration,
    repository: Repository,
    now: datetime,
) -> ScanReport:
    """Return what is told today of the scan in *row*.

    Inspector closes an image's findings when it stops to monitor it, so none are told then.
    """
    if is_archived(image):
        return ScanReport(image.digest, row.scan_type, _ARCHIVED)
    status, description = row.status, row.description
    if (
        row.scan_type == ENHANCED
        and row.status == COMPLETE
        and _frequency(configuration, repository) == CONTINUOUS_SCAN
    ):
        if now - row.started_at >= ELIGIBLE_FOR:
            return ScanReport(image.digest, ENHANCED, _EXPIRED)
        status, description = _CONTINUOUS.status, _CONTINUOUS.description
    summary = (
        None
        if row.completed_at is None
        else ScanSummary(row.completed_at, row.source_updated_at, row.severity_counts or {})
    )
    if row.note is not None and status in (COMPLETE, _CONTINUOUS.status):
        description = f"{description} {row.note}"
    return ScanReport(image.digest, row.scan_type, ScanStatus(status, description), summary)
