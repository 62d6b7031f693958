"""Fetching images from an upstream registry into the repositories that cache it."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.store import BlobStore, StorageFull
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_children, image_tags, images
from ecr_emulator.digests import is_digest
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.creation_templates import (
    PULL_THROUGH_CACHE,
    check_creation,
    create_from_template,
)
from ecr_emulator.registry.errors import (
    ImageAlreadyExists,
    ImageTagAlreadyExists,
    InvalidParameter,
    RepositoryNotFound,
    ServerFailure,
)
from ecr_emulator.registry.image_push import ImagePush
from ecr_emulator.registry.images import Image, ImageId, find_image, is_tag
from ecr_emulator.registry.manifests import parse_manifest
from ecr_emulator.registry.partial_images import note_partial, whole_images
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.pull_through_errors import (
    UNAVAILABLE,
    UpstreamImageFailure,
    upstream_failure_code,
)
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.upstream_sources import (
    SecretMissing,
    Source,
    UpstreamRepository,
    UpstreamSources,
)
from ecr_emulator.registry.upstream_turns import TurnNeverCame, my_turn, turn_id
from ecr_emulator.upstreams.client import (
    ANSWER_SECONDS,
    PulledManifest,
    UpstreamError,
    UpstreamMissing,
)

logger = logging.getLogger(__name__)


class OnSync(Protocol):
    """Told of each image that was fetched, or could not be."""

    def __call__(
        self,
        connection: Connection,
        key: RegistryKey,
        repository_name: str,
        *,
        prefix: str,
        upstream_url: str,
        tag: str | None,
        digest: str | None,
        failure: tuple[str, str] | None = None,
    ) -> None:
        """Tell it (see :meth:`RegistryEvents.pulled_through`)."""


class ImageImports:
    """Fetches images.

    :param on_sync: told in the transaction that stores an image, or in one of its own.
    """

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        pushes: ImagePush,
        sources: UpstreamSources,
        quotas: ServiceQuotas,
        clock: Clock,
        on_sync: OnSync,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._pushes = pushes
        self._sources = sources
        self._quotas = quotas
        self._clock = clock
        self._on_sync = on_sync

    def import_image(self, key: RegistryKey, name: str, image_id: ImageId, permit: Permit) -> bool:
        """Cache an image that is not there; say whether it is there now.

        :raises UpstreamImageFailure: the upstream does not give it.
        """
        reference = _reference(image_id)
        source = None if reference is None else self._sources.covering(key, name)
        if reference is None or source is None:
            return False
        state = self._state(key, name, image_id)
        if state.has_image:
            # Somebody else has cached it since. Or it is archived, which the caller reads then.
            return True
        permit("BatchImportUpstreamImage")
        if not state.has_repository:
            check_creation(self._database.reader(), key, name, PULL_THROUGH_CACHE, permit)
        turn = turn_id("image", key.account, key.region, name, reference)
        try:
            with my_turn(self._blobs, turn, ANSWER_SECONDS * 2):
                if self._state(key, name, image_id).has_image:
                    return True
                self.fetch(key, name, source, image_id)
        except UpstreamMissing:
            return False
        except TurnNeverCame:
            raise UpstreamImageFailure(UNAVAILABLE) from None
        except StorageFull as error:
            raise ServerFailure(f"The registry's storage cannot take more: {error}") from None
        return True

    def fetch(self, key: RegistryKey, name: str, source: Source, image_id: ImageId) -> None:
        """Fetch an image, and tell how that went.

        :raises UpstreamMissing: the upstream does not have it.
        :raises UpstreamImageFailure: it does not give it.
        """
        reference = image_id.digest or image_id.tag or ""
        try:
            pulled = self.upstream(key, source).manifest(reference)
            self._store(key, name, source, pulled, image_id.tag)
        except UpstreamMissing:
            raise
        except (UpstreamError, UpstreamImageFailure) as error:
            failure = _image_failure(error)
            code = failure.failure_code or failure.code.removesuffix("Exception")
            with self._database.write() as connection:
                told = (code, failure.message)
                self._tell(connection, key, name, source, image_id, failure=told)
            raise failure from None

    def upstream(self, key: RegistryKey, source: Source) -> UpstreamRepository:
        """Return the repository at the upstream.

        :raises UpstreamImageFailure: the credentials for it cannot be had.
        """
        try:
            return self._sources.repository(key, source)
        except SecretMissing:
            raise UpstreamImageFailure(None) from None

    def _state(self, key: RegistryKey, name: str, image_id: ImageId) -> _State:
        connection = self._database.reader()
        try:
            repository = find_repository(connection, key, name)
        except RepositoryNotFound:
            return _State(False, False)
        return _State(True, find_image(connection, repository, image_id) is not None)

    def _store(
        self,
        key: RegistryKey,
        name: str,
        source: Source,
        pulled: PulledManifest,
        tag: str | None,
    ) -> None:
        try:
            manifest = parse_manifest(pulled.body, pulled.media_type)
        except InvalidParameter:
            logger.warning("the upstream of %s answered what is no manifest", name)
            raise UpstreamImageFailure(UNAVAILABLE) from None
        now = self._clock.now()
        with self._database.write() as connection:
            try:
                repository = find_repository(connection, key, name, for_update=True)
            except RepositoryNotFound:
                repository = create_from_template(
                    connection, key, name, PULL_THROUGH_CACHE, now, self._quotas
                )
            try:
                pushed = self._pushes.put_in(
                    connection,
                    repository,
                    manifest,
                    pulled.digest,
                    pulled.body,
                    tag=tag,
                    partial=True,
                )
            except ImageAlreadyExists:
                pass
            except ImageTagAlreadyExists:
                # The tag stays with what it was first cached as.
                pass
            else:
                _raise_size_of_indexes(connection, repository, pushed.image)
                note_partial(connection, pushed.image, tag)
                self.announce_whole(connection, repository, pushed.image.digest)
            if tag is not None:
                mark_checked(connection, repository, tag, now)
            self._tell(connection, key, name, source, ImageId(pulled.digest, tag))

    def _tell(
        self,
        connection: Connection,
        key: RegistryKey,
        name: str,
        source: Source,
        image_id: ImageId,
        *,
        failure: tuple[str, str] | None = None,
    ) -> None:
        """Tell that an image of *source* was fetched, or why it could not be."""
        self._on_sync(
            connection,
            key,
            name,
            prefix=source.rule.prefix,
            upstream_url=source.rule.upstream_url,
            tag=image_id.tag,
            digest=image_id.digest,
            failure=failure,
        )

    def announce_whole(self, connection: Connection, repository: Repository, digest: str) -> None:
        """Set going what waited for *digest* to come (see :mod:`.partial_images`).

        :param digest: of a layer or an image.
        """
        for image, tag in whole_images(connection, repository, digest):
            self._pushes.announce(connection, repository, image, tag)


class _State:
    """What the registry has of what is pulled."""

    def __init__(self, has_repository: bool, has_image: bool) -> None:
        self.has_repository = has_repository
        self.has_image = has_image


def _reference(image_id: ImageId) -> str | None:
    """Return the tag or digest to ask an upstream for; ``None`` when it can have neither."""
    if image_id.digest is not None:
        valid = image_id.tag is None and is_digest(image_id.digest)
        return image_id.digest if valid else None
    return image_id.tag if image_id.tag is not None and is_tag(image_id.tag) else None


def _image_failure(error: UpstreamError | UpstreamImageFailure) -> UpstreamImageFailure:
    if isinstance(error, UpstreamImageFailure):
        return error
    return UpstreamImageFailure(upstream_failure_code(error))


def mark_checked(connection: Connection, repository: Repository, tag: str, now: datetime) -> None:
    connection.execute(
        update(image_tags)
        .where(image_tags.c.repository_id == repository.id, image_tags.c.tag == tag)
        .values(upstream_checked_at=now)
    )


def _raise_size_of_indexes(connection: Connection, repository: Repository, child: Image) -> None:
    """Make the indexes that list *child* as large as it is: theirs is the largest child's."""
    listing = select(image_children.c.image_id).where(image_children.c.digest == child.digest)
    connection.execute(
        update(images)
        .where(
            images.c.repository_id == repository.id,
            images.c.id.in_(listing),
            images.c.size < child.size,
        )
        .values(size=child.size)
    )
