"""Looking into an image: its packages read and looked up in the vulnerability database."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, BinaryIO

from sqlalchemy import select

from ecr_emulator.blobs.store import BlobDamaged, BlobMissing
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import layers, manifests, repositories
from ecr_emulator.digests import is_digest
from ecr_emulator.media_types import FOREIGN_LAYER_TYPES
from ecr_emulator.registry.errors import KmsFailure
from ecr_emulator.registry.images import Image, tags_of_images
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.repository_blobs import RepositoryBlobs
from ecr_emulator.registry.scan_findings import ScannedImage, basic_findings, enhanced_findings
from ecr_emulator.registry.scan_results import (
    FAILED,
    IMAGE_SIZE_EXCEEDED,
    ScanResult,
    unsupported,
)
from ecr_emulator.registry.scanning_rules import ENHANCED
from ecr_emulator.registry.vulnerability_database import VulnerabilityDatabase
from ecr_emulator.scanning.distributions import system_ecosystems
from ecr_emulator.scanning.ecosystems import is_supported
from ecr_emulator.scanning.layers import Layer, read_inventory
from ecr_emulator.scanning.limits import LayerError, Limits, TooLarge
from ecr_emulator.scanning.matching import find_matches, looked_up_ecosystems
from ecr_emulator.scanning.packages import Inventory
from ecr_emulator.scanning.readers import READERS, SYSTEM_READERS

logger = logging.getLogger(__name__)

#: What a scan says of itself when there was nothing to look packages up in, or not all.
NO_DATABASE = (
    "No vulnerability database is loaded, so nothing was looked up; load one with "
    "ecr-emulator vulndb import."
)
NO_LIBRARIES = "Nothing was looked up: that takes ecr-emulator[scan] to be installed."
NOT_COVERED = "The vulnerability database has nothing about {}."

_MAX_CONFIG = 4 * 1024**2


class ImageExaminer:
    """Looks into images.

    :param limits: what a scan of one image may cost.
    """

    def __init__(
        self,
        database: Database,
        blobs: RepositoryBlobs,
        known: VulnerabilityDatabase,
        clock: Clock,
        limits: Limits | None = None,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._known = known
        self._clock = clock
        self._limits = limits or Limits()

    def examine(self, repository: Repository, image: Image, scan_type: str) -> ScanResult:
        """Return what a scan of an image comes to."""
        manifest, tags = self._manifest_and_tags(image)
        try:
            inventory = self._inventory(image, manifest, with_languages=scan_type == ENHANCED)
        except TooLarge as error:
            return ScanResult(IMAGE_SIZE_EXCEEDED, str(error))
        except LayerError as error:
            logger.info("the scan of %s failed: %s", image.digest, error)
            return ScanResult(FAILED, str(error))
        if not _is_supported(inventory, scan_type):
            return unsupported(scan_type)
        config = self._config(image, manifest)
        scanned = ScannedImage(
            repository,
            image,
            tags,
            _short_text(config.get("architecture")),
            _short_text(config.get("author")),
        )
        return self._look_up(inventory, scanned, scan_type)

    def inventory(self, image: Image) -> Inventory:
        """Return all that is installed in an image.

        :raises LayerError: a layer cannot be read, or there is more than a scan reads.
        """
        manifest, _ = self._manifest_and_tags(image)
        return self._inventory(image, manifest, with_languages=True)

    def _look_up(self, inventory: Inventory, scanned: ScannedImage, scan_type: str) -> ScanResult:
        with_languages = scan_type == ENHANCED
        covered = self._known.ecosystems()
        if not covered:
            return ScanResult(note=NO_DATABASE)
        try:
            matches = find_matches(inventory, self._known, with_languages=with_languages)
        except ImportError:
            return ScanResult(note=NO_LIBRARIES)
        findings = (
            enhanced_findings(matches, scanned, inventory.distribution, self._clock.now())
            if with_languages
            else basic_findings(matches)
        )
        wanted = looked_up_ecosystems(inventory, with_languages=with_languages)
        updated = [covered[name] for names in wanted for name in names if name in covered]
        return ScanResult(
            findings=findings,
            source_updated_at=max(updated, default=None),
            note=_note(inventory, wanted, covered),
        )

    def _inventory(
        self, image: Image, manifest: dict[str, Any], *, with_languages: bool
    ) -> Inventory:
        opened = [
            Layer(digest, partial(self._open_layer, image, digest))
            for digest in _layer_digests(manifest)
        ]
        readers = READERS if with_languages else SYSTEM_READERS
        try:
            return read_inventory(opened, readers, self._limits)
        except BlobDamaged:
            raise LayerError("A layer of the image is damaged.") from None

    def _open_layer(self, image: Image, digest: str) -> BinaryIO:
        try:
            return self._open(image, digest)
        except BlobMissing:
            raise LayerError("A layer of the image is missing from the registry.") from None
        except KmsFailure as error:
            raise LayerError(f"A layer of the image cannot be decrypted: {error}") from None

    def _open(self, image: Image, digest: str) -> BinaryIO:
        """Open a blob of the image's repository: the store may have it for another's alone.

        :raises BlobMissing: the repository does not have it, as when the image is not wholly
            cached yet.
        :raises BlobDamaged: it is not what was stored.
        :raises KmsFailure: the key that seals it cannot be used.
        """
        link = (
            select(repositories.c.kms_key)
            .join(layers, layers.c.repository_id == repositories.c.id)
            .where(repositories.c.id == image.repository_id, layers.c.digest == digest)
        )
        row = self._database.reader().execute(link).first()
        if row is None:
            raise BlobMissing(digest)
        return self._blobs.open(self._blobs.key_id(row.kms_key), digest)

    def _manifest_and_tags(self, image: Image) -> tuple[dict[str, Any], tuple[str, ...]]:
        with self._database.read() as connection:
            query = select(manifests.c.body).where(manifests.c.image_id == image.id)
            body = connection.execute(query).scalar()
            tags = tags_of_images(connection, [image.id]).get(image.id, [])
        # The image may be gone by now: then nobody asks for what its scan came to.
        return _object(body or b"{}"), tuple(tags)

    def _config(self, image: Image, manifest: dict[str, Any]) -> dict[str, Any]:
        digest = (manifest.get("config") or {}).get("digest", "")
        if not is_digest(digest):
            return {}
        try:
            with self._open(image, digest) as stream:
                return _object(stream.read(_MAX_CONFIG))
        except (BlobMissing, BlobDamaged, KmsFailure):
            return {}


def _is_supported(inventory: Inventory, scan_type: str) -> bool:
    """Say whether anything can be read out of an image.

    A basic scan is of the operating system's packages alone; for an enhanced scan those of
    any language do.
    """
    if is_supported(inventory.distribution) and inventory.has_system_packages:
        return True
    return scan_type == ENHANCED and bool(inventory.packages)


def _note(
    inventory: Inventory, wanted: Sequence[Sequence[str]], covered: Collection[str]
) -> str | None:
    """Return what was not looked up, in a sentence, or ``None`` if everything was."""
    missing = [names[0] for names in wanted if not any(name in covered for name in names)]
    system = inventory.distribution
    if system is not None and not system_ecosystems(system):
        missing.append(f"{system.id} {system.version}".strip())
    return NOT_COVERED.format(", ".join(sorted(missing))) if missing else None


def _layer_digests(manifest: dict[str, Any]) -> list[str]:
    """Return the layers, the lowest first; those that no registry holds are left out."""
    layers = manifest.get("layers")
    return [
        layer["digest"]
        for layer in (layers if isinstance(layers, list) else ())
        if layer["mediaType"] not in FOREIGN_LAYER_TYPES or not layer.get("urls")
    ]


def _object(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _short_text(value: Any) -> str:
    return value[:100] if isinstance(value, str) else ""
