"""Layers: a repository's links to blobs, and who may read them through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from sqlalchemy import Connection, bindparam, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.store import BlobMissing, BlobStore
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import blobs, image_layers, images, layers, repositories
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.digests import looks_like_digest
from ecr_emulator.registry.account_settings import BLOB_MOUNTING, AccountSettings
from ecr_emulator.registry.creation_templates import repository_for_push
from ecr_emulator.registry.errors import (
    LayerInaccessible,
    LayersNotFound,
    RegistryError,
    RepositoryNotFound,
    ServerFailure,
)
from ecr_emulator.registry.images import ACTIVE
from ecr_emulator.registry.repository import Repository, find_repository

AVAILABLE = "AVAILABLE"
#: All images that name the layer are archived.
LAYER_ARCHIVED = "ARCHIVED"
UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob that a repository links to; the size is in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class LayerAvailability:
    """What BatchCheckLayerAvailability says of one digest that has a digest's form."""

    digest: str
    availability: str
    size: int | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class LayerFailure:
    """Why BatchCheckLayerAvailability cannot say anything of a digest."""

    digest: str
    code: str
    reason: str


_FIND = (
    select(blobs.c.digest, blobs.c.size)
    .join(layers, layers.c.digest == blobs.c.digest)
    .join(repositories, repositories.c.id == layers.c.repository_id)
    .where(
        layers.c.digest == bindparam("digest"),
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
        repositories.c.name == bindparam("name"),
    )
)
_USE = (
    select(image_layers.c.media_type, images.c.status)
    .join(images, images.c.id == image_layers.c.image_id)
    .where(
        images.c.repository_id == bindparam("repository_id"),
        image_layers.c.digest == bindparam("digest"),
    )
    .limit(1)
)
_ACTIVE_USE = _USE.where(images.c.status == ACTIVE)


class Layers:
    """The layers of every repository."""

    def __init__(
        self, database: Database, blob_store: BlobStore, settings: AccountSettings, clock: Clock
    ) -> None:
        self._database = database
        self._blobs = blob_store
        self._settings = settings
        self._clock = clock

    def get(self, key: RegistryKey, name: str, digest: str) -> Layer:
        """Return a layer of the repository *name*, whether or not an image names it yet.

        :raises RepositoryNotFound, LayersNotFound: there is none.
        """
        connection = self._database.reader()
        parameters = {
            "digest": digest,
            "account": key.account,
            "region": key.region,
            "name": name,
        }
        row = connection.execute(_FIND, parameters).one_or_none()
        if row is None:
            find_repository(connection, key, name)
            raise LayersNotFound.for_download(digest, name, key.account)
        return Layer(row[0], row[1])

    def open(self, layer: Layer) -> BinaryIO:
        """Open a layer's bytes for reading; the file can seek.

        :raises ServerFailure: the store has lost them.
        """
        try:
            return self._blobs.open(layer.digest)
        except BlobMissing:
            raise ServerFailure(
                f"The bytes of the layer with digest '{layer.digest}' are missing from the "
                "registry's storage"
            ) from None

    def check_downloadable(self, key: RegistryKey, name: str, digest: str) -> Layer:
        """Return a layer that an image of the repository names (GetDownloadUrlForLayer).

        :raises RepositoryNotFound, LayersNotFound: the repository does not have it.
        :raises LayerInaccessible: no image names it that is not archived.
        """
        layer = self.get(key, name, digest)
        connection = self._database.reader()
        repository = find_repository(connection, key, name)
        use = _use(connection, repository, digest)
        if use is None or not use.is_active:
            raise LayerInaccessible(digest, name, key.account)
        return layer

    def check_availability(
        self, key: RegistryKey, name: str, digests: Sequence[str]
    ) -> tuple[list[LayerAvailability], list[LayerFailure]]:
        """Say of each of *digests* whether the repository has it (BatchCheckLayerAvailability).

        :raises RepositoryNotFound: there is no such repository.
        """
        found: list[LayerAvailability] = []
        failures: list[LayerFailure] = []
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            for digest in dict.fromkeys(digests):
                failure = _failure(digest)
                if failure is not None:
                    failures.append(failure)
                else:
                    found.append(_availability(connection, repository, digest))
        return found, failures

    def mount(self, key: RegistryKey, name: str, digest: str, from_name: str) -> bool:
        """Link a layer of the repository *from_name* into *name*; say whether that was done.

        As ECR: only while the registry's BLOB_MOUNTING setting is ENABLED and both
        repositories are encrypted alike (user guide, "Blob mounting").

        A template may create the repository *name* for it, also when nothing is linked.

        :raises RepositoryNotFound: the repository *name* does not exist.
        :raises KmsFailure: the encryption key of the template cannot be used.
        """
        with self._database.write() as connection:
            target = repository_for_push(connection, key, name, self._clock.now())
            if self._settings.get_in(connection, key, BLOB_MOUNTING) != "ENABLED":
                return False
            try:
                source = find_repository(connection, key, from_name)
            except RepositoryNotFound:
                return False
            alike = (source.encryption_type, source.kms_key) == (
                target.encryption_type,
                target.kms_key,
            )
            size = _size(connection, source, digest) if alike else None
            if size is None:
                return False
            link_blob(connection, target.id, Layer(digest, size), self._clock.now())
        return True

    def delete(self, key: RegistryKey, name: str, digest: str) -> None:
        """Remove a layer that no image of the repository names.

        :raises RepositoryNotFound, LayersNotFound: there is none.
        :raises LayerInUse: an image names it.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if _size(connection, repository, digest) is None:
                raise LayersNotFound.for_download(digest, name, key.account)
            if _use(connection, repository, digest) is not None:
                raise LayerInUse(digest)
            connection.execute(
                delete(layers).where(
                    layers.c.repository_id == repository.id, layers.c.digest == digest
                )
            )


class LayerInUse(RegistryError):
    """An image names the layer, so it cannot be deleted (ECR has no call that would)."""

    code = "InvalidParameterException"

    def __init__(self, digest: str) -> None:
        super().__init__(f"The layer with digest '{digest}' is referenced by an image")


def link_blob(connection: Connection, repository_id: int, layer: Layer, now: datetime) -> bool:
    """Record that a blob is stored and that a repository links to it.

    :returns: whether the link is new.
    """
    insert_once(connection, blobs, digest=layer.digest, size=layer.size, stored_at=now)
    return insert_once(
        connection, layers, repository_id=repository_id, digest=layer.digest, linked_at=now
    )


def _failure(digest: str) -> LayerFailure | None:
    # Codes: API reference LayerFailure; reasons: likeliest.
    if not digest:
        return LayerFailure(digest, "MissingLayerDigest", "The layer digest is missing")
    if not looks_like_digest(digest):
        reason = (
            "Invalid request parameters: layer digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
        return LayerFailure(digest, "InvalidLayerDigest", reason)
    return None


def _availability(connection: Connection, repository: Repository, digest: str) -> LayerAvailability:
    size = _size(connection, repository, digest)
    if size is None:
        return LayerAvailability(digest, UNAVAILABLE)
    use = _use(connection, repository, digest)
    if use is None:
        return LayerAvailability(digest, AVAILABLE, size)
    availability = AVAILABLE if use.is_active else LAYER_ARCHIVED
    return LayerAvailability(digest, availability, size, use.media_type)


def _size(connection: Connection, repository: Repository, digest: str) -> int | None:
    query = (
        select(blobs.c.size)
        .join(layers, layers.c.digest == blobs.c.digest)
        .where(layers.c.repository_id == repository.id, layers.c.digest == digest)
    )
    size: int | None = connection.execute(query).scalar()
    return size


@dataclass(frozen=True, slots=True)
class _Use:
    """What the images of a repository make of a layer."""

    media_type: str
    is_active: bool


def _use(connection: Connection, repository: Repository, digest: str) -> _Use | None:
    """Return how the images use a layer; ``None`` when none names it."""
    parameters = {"repository_id": repository.id, "digest": digest}
    # Any image, and only if that one is archived another: many may share a layer.
    row = connection.execute(_USE, parameters).one_or_none()
    if row is None:
        return None
    if row.status != ACTIVE:
        row = connection.execute(_ACTIVE_USE, parameters).one_or_none() or row
    return _Use(row.media_type, row.status == ACTIVE)
