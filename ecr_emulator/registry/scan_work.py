"""The work behind scans: what the jobs that :class:`.ScanQueue` and others queue do.

The packages of an image are read and looked up outside of any transaction; only what came of
it is written in one, if the scan is still the image's last.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Connection, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.scanning_tables import image_scans
from ecr_emulator.db.schema import images, repositories
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.images import ACTIVE, Image
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.scan_pins import pinned_result
from ecr_emulator.registry.scan_queue import (
    COMPLETE,
    ELIGIBLE_FOR,
    SCAN_IMAGE,
    ScanQueue,
    last_start,
    unscannable_type,
)
from ecr_emulator.registry.scan_results import FAILED, ScanHook, ScanResult, write_result
from ecr_emulator.registry.scanning_configurations import ENROL_IMAGES, scanning_configuration
from ecr_emulator.registry.scanning_rules import CONTINUOUS_SCAN, ENHANCED, MANUAL

#: The kind of job that looks up again what is scanned continuously.
RESCAN_IMAGES = "rescan-images"

#: Images that one transaction enrols or scans again.
_BATCH = 200


class Examiner(Protocol):
    """Whoever looks into an image."""

    def examine(self, repository: Repository, image: Image, scan_type: str) -> ScanResult:
        """Return what a scan of *image* comes to."""


class ScanWork:
    """Scans images.

    :param on_end: told of each scan that ended, in the transaction that writes it down.
    """

    def __init__(
        self,
        database: Database,
        queue: ScanQueue,
        examiner: Examiner,
        clock: Clock,
        on_end: ScanHook,
    ) -> None:
        self._database = database
        self._queue = queue
        self._examiner = examiner
        self._clock = clock
        self._on_end = on_end

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does each kind of job."""
        return {
            SCAN_IMAGE: self.scan_image,
            ENROL_IMAGES: self.enrol_images,
            RESCAN_IMAGES: self.rescan_images,
        }

    def last_words(self) -> dict[str, JobFunction]:
        """Return what ends a scan whose job is given up."""
        return {SCAN_IMAGE: self.give_up}

    def give_up(self, payload: dict[str, Any]) -> None:
        """Write down that a scan failed for a reason that is the emulator's own."""
        result = ScanResult(FAILED, "The scan failed: see the emulator's log.")
        with self._database.write() as connection:
            if _is_last(connection, payload):
                self._end(connection, payload, *_image(connection, payload["image_id"]), result)

    def scan_image(self, payload: dict[str, Any]) -> None:
        """Scan an image and write down what that came to."""
        image_id, scan_type = payload["image_id"], payload["scan_type"]
        with self._database.read() as connection:
            if not _is_last(connection, payload):
                return
            image, repository = _image(connection, image_id)
            result = pinned_result(connection, repository, image, scan_type)
        if result is None:
            result = self._examiner.examine(repository, image, scan_type)
        with self._database.write() as connection:
            if _is_last(connection, payload):
                self._end(connection, payload, image, repository, result)

    def _end(
        self,
        connection: Connection,
        payload: dict[str, Any],
        image: Image,
        repository: Repository,
        result: ScanResult,
    ) -> None:
        scan_type, now = payload["scan_type"], self._clock.now()
        is_first = write_result(connection, image.id, scan_type, result, now)
        self._on_end(connection, repository, image, scan_type, result, is_first)

    def enrol_images(self, payload: dict[str, Any]) -> None:
        """Begin enhanced scanning of a registry's images that were pushed not long ago."""
        key = RegistryKey(payload["account"], payload["region"])
        after = payload.get("after", 0)
        while after is not None:
            with self._database.write() as connection:
                after = self._enrol_batch(connection, key, after)

    def _enrol_batch(self, connection: Connection, key: RegistryKey, after: int) -> int | None:
        configuration = scanning_configuration(connection, key)
        if configuration.scan_type != ENHANCED:
            return None
        query = (
            select(images, repositories.c.name, repositories.c.scan_on_push)
            .join(repositories, repositories.c.id == images.c.repository_id)
            .where(
                repositories.c.account == key.account,
                repositories.c.region == key.region,
                images.c.id > after,
                images.c.pushed_at > self._clock.now() - ELIGIBLE_FOR,
                images.c.status == ACTIVE,
            )
            .order_by(images.c.id)
            .limit(_BATCH)
        )
        rows = connection.execute(query).all()
        for row in rows:
            image = Image.from_row(row)
            frequency, _ = configuration.frequency_of(row.name, scan_on_push=row.scan_on_push)
            if (
                frequency != MANUAL
                and last_start(connection, image, ENHANCED) is None
                and unscannable_type(connection, image) is None
            ):
                self._queue.start(connection, key, image, ENHANCED, image.pushed_at)
        return rows[-1].id if len(rows) == _BATCH else None

    def rescan_images(self, payload: dict[str, Any]) -> None:
        """Look again into every image that is scanned continuously: there is new to be found."""
        after = payload.get("after", 0)
        while after is not None:
            with self._database.write() as connection:
                after = self._rescan_batch(connection, after)

    def _rescan_batch(self, connection: Connection, after: int) -> int | None:
        query = (
            select(
                image_scans.c.image_id,
                image_scans.c.account,
                image_scans.c.region,
                image_scans.c.number,
                images.c.digest,
                repositories.c.name,
                repositories.c.scan_on_push,
            )
            .join(images, images.c.id == image_scans.c.image_id)
            .join(repositories, repositories.c.id == images.c.repository_id)
            .where(
                image_scans.c.scan_type == ENHANCED,
                image_scans.c.status == COMPLETE,
                image_scans.c.started_at > self._clock.now() - ELIGIBLE_FOR,
                image_scans.c.image_id > after,
                images.c.status == ACTIVE,
            )
            .order_by(image_scans.c.image_id)
            .limit(_BATCH)
        )
        rows = connection.execute(query).all()
        for row in rows:
            configuration = scanning_configuration(connection, RegistryKey(row.account, row.region))
            frequency, _ = configuration.frequency_of(row.name, scan_on_push=row.scan_on_push)
            if configuration.scan_type == ENHANCED and frequency == CONTINUOUS_SCAN:
                self._queue.queue_work(connection, row.image_id, row.digest, ENHANCED, row.number)
        return rows[-1].image_id if len(rows) == _BATCH else None


def _is_last(connection: Connection, payload: dict[str, Any]) -> bool:
    """Say whether the job is for the image's last scan, and the image is still there."""
    query = (
        select(image_scans.c.number)
        .join(images, images.c.id == image_scans.c.image_id)
        .where(
            image_scans.c.image_id == payload["image_id"],
            image_scans.c.scan_type == payload["scan_type"],
            images.c.digest == payload["digest"],
        )
    )
    return connection.execute(query).scalar() == int(payload["number"])


def _image(connection: Connection, image_id: int) -> tuple[Image, Repository]:
    image = Image.from_row(connection.execute(select(images).where(images.c.id == image_id)).one())
    query = select(repositories).where(repositories.c.id == image.repository_id)
    return image, Repository.from_row(connection.execute(query).one())
