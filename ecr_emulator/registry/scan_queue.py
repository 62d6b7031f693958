"""What starts scans: pushes, calls, and enhanced scanning of images that are there already.

A scan is a row that says so and a job, written in one transaction; the work is
:mod:`.scan_work`'s.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from ecr_emulator import media_types
from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.scanning_tables import image_scans
from ecr_emulator.db.schema import image_layers
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.registry.described_images import DescribedImage
from ecr_emulator.registry.images import ACTIVE as IMAGE_IS_ACTIVE
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.pushes import Push
from ecr_emulator.registry.scanning_rules import BASIC, ENHANCED, MANUAL

#: The kind of job.
SCAN_IMAGE = "scan-image"

IN_PROGRESS = "IN_PROGRESS"
PENDING = "PENDING"
COMPLETE = "COMPLETE"
LIMIT_EXCEEDED = "LIMIT_EXCEEDED"

#: Observed.
_PENDING_DESCRIPTION = "Pending start of the image scan."
#: Likeliest.
_LIMIT_DESCRIPTION = "The scan quota per registry has been exceeded."

#: User guide "Scan images for OS vulnerabilities": once in 24 hours an image, and 100,000 a
#: registry, scans on push included.
BETWEEN_SCANS = timedelta(hours=24)
SCANS_PER_REGISTRY = 100_000
#: User guide "Scan images for OS and programming language package vulnerabilities": how long
#: after its push an image is eligible.
ELIGIBLE_FOR = timedelta(days=14)

_SCANNED_CONFIGS = frozenset({media_types.DOCKER_CONFIG, media_types.OCI_CONFIG})
#: What a layer's media type begins with when it is a part of a file system.
_FILE_SYSTEM_LAYERS = (
    "application/vnd.docker.image.rootfs.",
    "application/vnd.oci.image.layer.",
)


class ScanQueue:
    """Starts scans, by the registries' configurations or because someone asked.

    :param scans_per_registry: how many basic scans a registry may start in 24 hours.
    """

    def __init__(
        self, jobs: JobQueue, clock: Clock, *, scans_per_registry: int = SCANS_PER_REGISTRY
    ) -> None:
        self._jobs = jobs
        self._clock = clock
        self._scans_per_registry = scans_per_registry

    def image_pushed(self, connection: Connection, push: Push) -> None:
        """Start the scan that a push calls for, if any."""
        repository, image, configuration = push.repository, push.image, push.rules.scanning
        if repository.key.is_public:
            return
        frequency, _ = configuration.frequency_of(
            repository.name, scan_on_push=repository.scan_on_push
        )
        if frequency == MANUAL or unscannable_type(connection, image) is not None:
            return
        now = self._clock.now()
        scanned_at = last_start(connection, image, configuration.scan_type)
        if configuration.scan_type == ENHANCED:
            self._enhanced_push(connection, repository.key, image, scanned_at, now)
        elif scanned_at is None or now - scanned_at >= BETWEEN_SCANS:
            if self.is_registry_exhausted(connection, repository.key, now):
                begin_scan(
                    connection,
                    repository.key,
                    image,
                    BASIC,
                    now,
                    status=LIMIT_EXCEEDED,
                    description=_LIMIT_DESCRIPTION,
                )
            else:
                self.start(connection, repository.key, image, BASIC, now)

    def _enhanced_push(
        self,
        connection: Connection,
        key: RegistryKey,
        image: Image,
        scanned_at: datetime | None,
        now: datetime,
    ) -> None:
        if scanned_at is None or now - scanned_at >= ELIGIBLE_FOR:
            self.start(connection, key, image, ENHANCED, now)
            return
        # It is being looked at as it is: the push only makes that last longer.
        connection.execute(
            update(image_scans)
            .where(image_scans.c.image_id == image.id, image_scans.c.scan_type == ENHANCED)
            .values(started_at=now)
        )

    def start(
        self,
        connection: Connection,
        key: RegistryKey,
        image: Image,
        scan_type: str,
        started_at: datetime,
    ) -> None:
        """Note that a scan of an image has started, and queue the work."""
        enhanced = scan_type == ENHANCED
        number = begin_scan(
            connection,
            key,
            image,
            scan_type,
            started_at,
            status=PENDING if enhanced else IN_PROGRESS,
            description=_PENDING_DESCRIPTION if enhanced else None,
        )
        self.queue_work(connection, image.id, image.digest, scan_type, number)

    def queue_work(
        self, connection: Connection, image_id: int, digest: str, scan_type: str, number: int
    ) -> None:
        """Queue the work of the image's scan *number*; it may be done again and again."""
        self._jobs.add(
            connection,
            SCAN_IMAGE,
            {"image_id": image_id, "digest": digest, "scan_type": scan_type, "number": number},
        )

    def is_registry_exhausted(
        self, connection: Connection, key: RegistryKey, now: datetime
    ) -> bool:
        """Say whether a registry has started as many scans in 24 hours as it may."""
        started = (
            select(image_scans.c.started_at)
            .where(
                image_scans.c.account == key.account,
                image_scans.c.region == key.region,
                image_scans.c.started_at > now - BETWEEN_SCANS,
                image_scans.c.scan_type == BASIC,
            )
            .order_by(image_scans.c.started_at)
            .limit(1)
            .offset(self._scans_per_registry - 1)
        )
        return connection.execute(started).first() is not None


def last_start(connection: Connection, image: Image, scan_type: str) -> datetime | None:
    """Return when the last scan of an image by one type of scanning was started."""
    query = select(image_scans.c.started_at).where(
        image_scans.c.image_id == image.id, image_scans.c.scan_type == scan_type
    )
    started_at: datetime | None = connection.execute(query).scalar()
    return started_at


def unscannable_type(connection: Connection, image: Image) -> str | None:
    """Return the media type for which an image cannot be scanned, or ``None`` if it can.

    It can when it is an image with a container's configuration and with layers that are parts
    of a file system: indexes, charts, signatures and attestations are none.
    """
    if image.media_type not in media_types.IMAGE_TYPES:
        return image.media_type
    if image.artifact_media_type not in _SCANNED_CONFIGS:
        return image.artifact_media_type or image.media_type
    query = select(image_layers.c.media_type).where(image_layers.c.image_id == image.id)
    of_layers: set[str] = set(connection.execute(query).scalars()) - _SCANNED_CONFIGS
    if not of_layers or any(item.startswith(_FILE_SYSTEM_LAYERS) for item in of_layers):
        return None
    return min(of_layers)


def is_archived(image: Image | DescribedImage) -> bool:
    """Say whether an image is archived, or not yet back from the archive."""
    return image.status != IMAGE_IS_ACTIVE


def begin_scan(
    connection: Connection,
    key: RegistryKey,
    image: Image,
    scan_type: str,
    started_at: datetime,
    *,
    status: str,
    description: str | None,
) -> int:
    """Write down that a scan starts; what the one before it found stays. Return its number.

    :param started_at: what quotas and eligibility are counted from.
    """
    query = select(image_scans.c.number).where(
        image_scans.c.image_id == image.id, image_scans.c.scan_type == scan_type
    )
    number: int = (connection.execute(query).scalar() or 0) + 1
    put_row(
        connection,
        image_scans,
        image_id=image.id,
        scan_type=scan_type,
        account=key.account,
        region=key.region,
        number=number,
        started_at=started_at,
        status=status,
        description=description,
    )
    return number
