"""Layers: a repository's links to blobs, and who may read them through it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, cast

from sqlalchemy import bindparam, delete, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.sealing import SealedFile
from ecr_emulator.blobs.store import BlobDamaged, BlobMissing
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import layers, repositories
from ecr_emulator.digests import looks_like_digest
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.account_settings import BLOB_MOUNTING, AccountSettings
from ecr_emulator.registry.creation_templates import repository_for_push
from ecr_emulator.registry.errors import (
    LayerInaccessible,
    LayersNotFound,
    RegistryError,
    RepositoryNotFound,
    ServerFailure,
)
from ecr_emulator.registry.layer_links import (
    Layer,
    Link,
    Use,
    find_link,
    find_link_in,
    link_blob,
    use_of,
)
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.repository_blobs import RepositoryBlobs
from ecr_emulator.registry.sealed_layer import SealedLayer, damaged
from ecr_emulator.storage_failure import StorageFailure

#: Who is told that a layer is there may go on to push an image that names it. So a layer that is
#: older than this, when somebody asks for it, counts as new: it is kept for the collector's grace
#: from then on. (A day's grace leaves half a day at least.)
PROMISE_AGE = timedelta(hours=12)

AVAILABLE = "AVAILABLE"
#: All images that name the layer are archived.
LAYER_ARCHIVED = "ARCHIVED"
UNAVAILABLE = "UNAVAILABLE"


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


#: Up to so many bytes a layer is small.
SMALL = 64 * 1024
#: In how many repositories a mount that names none looks for one that the caller may read.
_MOST_SOURCES = 20
_HOLDERS = (
    select(repositories.c.name)
    .join(layers, layers.c.repository_id == repositories.c.id)
    .where(
        layers.c.digest == bindparam("digest"),
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
    )
    .order_by(repositories.c.id)
    .limit(_MOST_SOURCES)
)


class Layers:
    """The layers of every repository."""

    def __init__(
        self,
        database: Database,
        blobs: RepositoryBlobs,
        settings: AccountSettings,
        quotas: ServiceQuotas,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._settings = settings
        self._quotas = quotas
        self._clock = clock

    def get(self, key: RegistryKey, name: str, digest: str) -> Layer:
        """Return a layer of the repository *name*, whether or not an image names it yet.

        :raises RepositoryNotFound, LayersNotFound: there is none.
        """
        return self._layer(digest, self._find(key, name, digest))

    def promise(self, key: RegistryKey, name: str, digest: str) -> Layer:
        """Return a layer of the repository *name* to somebody who may push an image with it.

        It is not collected before they can have done so (:data:`PROMISE_AGE`). A layer whose
        bytes the store has lost is none: they are uploaded again then.

        :raises RepositoryNotFound, LayersNotFound: there is none.
        """
        link = self._find(key, name, digest)
        layer = self._layer(digest, link)
        if not self._is_stored(layer):
            raise LayersNotFound.for_download(digest, name, key.account)
        self._keep(link.repository_id, [(digest, link.linked_at)])
        return layer

    def _find(self, key: RegistryKey, name: str, digest: str) -> Link:
        link = find_link_in(self._database, key, name, digest)
        if link is None:
            find_repository(self._database.reader(), key, name)
            raise LayersNotFound.for_download(digest, name, key.account)
        return link

    def _layer(self, digest: str, link: Link) -> Layer:
        return Layer(digest, link.size, self._blobs.key_id(link.kms_key))

    def _is_stored(self, layer: Layer) -> bool:
        """Say whether the store has the layer's bytes, as far as their number tells."""
        return self._blobs.size(layer.key_id, layer.digest) == layer.size

    def _keep(self, repository_id: int, linked: Iterable[tuple[str, datetime]]) -> None:
        """Make those layers of a repository new that are old, given when they were linked."""
        now = self._clock.now()
        old = [digest for digest, linked_at in linked if now - linked_at > PROMISE_AGE]
        if old:
            # Where nothing can be written, nothing is collected or pushed either.
            with suppress(StorageFailure), self._database.write() as connection:
                connection.execute(
                    update(layers)
                    .where(layers.c.repository_id == repository_id, layers.c.digest.in_(old))
                    .values(linked_at=now)
                )

    def open(self, key: RegistryKey, name: str, layer: Layer) -> BinaryIO:
        """Open the bytes of a layer of the repository *name* for reading; the file can seek.

        :raises RepositoryNotFound, LayersNotFound: it went since it was found.
        :raises ServerFailure: the store has lost them, or some of them; of sealed ones also from
            reading: they are damaged.
        :raises KmsFailure: the key that seals them cannot be used.
        """
        try:
            file = self._blobs.open(layer.key_id, layer.digest)
        except BlobMissing:
            self._find(key, name, layer.digest)
            raise _lost(layer.digest) from None
        except BlobDamaged as error:
            raise damaged(layer.digest, error) from None
        if file.seek(0, os.SEEK_END) != layer.size:
            file.close()
            raise _lost(layer.digest)
        if isinstance(file, SealedFile):
            return cast(BinaryIO, SealedLayer(file, layer.digest))
        return file

    def read_small(self, key: RegistryKey, name: str, layer: Layer) -> bytes:
        """Return the bytes of a layer of up to :data:`SMALL` bytes; raises as :meth:`open`.

        Plain ones are remembered until the next commit to the database: most are the
        configurations of images that are pulled again and again.
        """

        def read() -> bytes:
            with self.open(key, name, layer) as file:
                file.seek(0)
                return file.read(layer.size)

        if layer.key_id is not None:
            return read()
        return self._database.remember(("layer", layer.digest), read, len)

    def check_downloadable(self, key: RegistryKey, name: str, digest: str) -> Layer:
        """Return a layer that an image of the repository names (GetDownloadUrlForLayer).

        :raises RepositoryNotFound, LayersNotFound: the repository does not have it.
        :raises LayerInaccessible: no image names it that is not archived.
        :raises ServerFailure: the store has lost its bytes.
        """
        layer = self.get(key, name, digest)
        connection = self._database.reader()
        repository = find_repository(connection, key, name)
        use = use_of(connection, repository, digest)
        if use is None or not use.is_active:
            raise LayerInaccessible(digest, name, key.account)
        if not self._is_stored(layer):
            raise _lost(digest)
        return layer

    def check_availability(
        self, key: RegistryKey, name: str, digests: Sequence[str]
    ) -> tuple[list[LayerAvailability], list[LayerFailure]]:
        """Say of each of *digests* whether the repository has it (BatchCheckLayerAvailability).

        :raises RepositoryNotFound: there is no such repository.
        """
        found: list[LayerAvailability] = []
        failures: list[LayerFailure] = []
        linked: list[tuple[str, datetime]] = []
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            for digest in dict.fromkeys(digests):
                failure = _failure(digest)
                if failure is not None:
                    failures.append(failure)
                    continue
                link = find_link(connection, repository, digest)
                if link is None or not self._is_stored(self._layer(digest, link)):
                    found.append(LayerAvailability(digest, UNAVAILABLE))
                    continue
                use = use_of(connection, repository, digest)
                found.append(_availability(digest, link.size, use))
                linked.append((digest, link.linked_at))
        self._keep(repository.id, linked)
        return found, failures

    def mountable_from(self, key: RegistryKey, digest: str) -> list[str]:
        """Return the names of some repositories that a layer could be mounted from, oldest first.

        None while the registry does not mount. Whether the caller may read any of them, and
        whether it is encrypted alike, is still to be asked.
        """
        with self._database.read() as connection:
            if self._settings.get_in(connection, key, BLOB_MOUNTING) != "ENABLED":
                return []
            parameters = {"digest": digest, "account": key.account, "region": key.region}
            return list(connection.execute(_HOLDERS, parameters).scalars())

    def mount(
        self, key: RegistryKey, name: str, digest: str, from_name: str, permit: Permit | None
    ) -> bool:
        """Link a layer of the repository *from_name* into *name*; say whether that was done.

        As ECR: only while the registry's BLOB_MOUNTING setting is ENABLED and both
        repositories are encrypted alike (user guide, "Blob mounting").

        A template may create the repository *name* for it, also when nothing is linked.

        :param permit: asked before that.
        :raises RepositoryNotFound: the repository *name* does not exist.
        :raises KmsFailure: the encryption key of the template cannot be used.
        """
        with self._database.write() as connection:
            target = repository_for_push(
                connection, key, name, self._clock.now(), permit, self._quotas
            )
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
            link = find_link(connection, source, digest) if alike else None
            if link is None or not self._is_stored(self._layer(digest, link)):
                return False
            link_blob(connection, target.id, self._layer(digest, link), self._clock.now())
        return True

    def delete(self, key: RegistryKey, name: str, digest: str) -> None:
        """Remove a layer that no image of the repository names.

        :raises RepositoryNotFound, LayersNotFound: there is none.
        :raises LayerInUse: an image names it.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if find_link(connection, repository, digest) is None:
                raise LayersNotFound.for_download(digest, name, key.account)
            if use_of(connection, repository, digest) is not None:
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


def _lost(digest: str) -> ServerFailure:
    return ServerFailure(
        f"The bytes of the layer with digest '{digest}' are missing from the registry's storage"
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


def _availability(digest: str, size: int, use: Use | None) -> LayerAvailability:
    if use is None:
        return LayerAvailability(digest, AVAILABLE, size)
    availability = AVAILABLE if use.is_active else LAYER_ARCHIVED
    return LayerAvailability(digest, availability, size, use.media_type)
