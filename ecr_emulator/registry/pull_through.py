"""The pull-through cache: pulls of what a repository lacks and an upstream registry has.

Both doors pull through here. What is there is answered by one look at the database, as if
there was no cache; only after a miss is a rule looked for. Sources: user guide "Sync an upstream
registry with an Amazon ECR private registry" (the first pull creates repository and image; a
tag is compared with the upstream's at most once in 24 hours; what is cached is served when the
upstream cannot be asked).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.store import BlobStore, StorageFull
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_children, image_tags, images, repositories
from ecr_emulator.digests import is_digest
from ecr_emulator.registry.creation_templates import PULL_THROUGH_CACHE, create_from_template
from ecr_emulator.registry.errors import (
    ImageAlreadyExists,
    ImageNotFound,
    ImageTagAlreadyExists,
    InvalidParameter,
    RepositoryNotFound,
    ServerFailure,
)
from ecr_emulator.registry.image_push import ImagePush
from ecr_emulator.registry.image_reads import ImageFailure, ImageReads
from ecr_emulator.registry.images import Image, ImageId, StoredManifest, find_image, is_tag
from ecr_emulator.registry.manifests import parse_manifest
from ecr_emulator.registry.partial_images import note_partial, whole_images
from ecr_emulator.registry.pull_through_errors import (
    ACCESS_DENIED,
    REASONS,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    UpstreamImageFailure,
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
    UpstreamBusy,
    UpstreamDenied,
    UpstreamError,
    UpstreamMissing,
)

logger = logging.getLogger(__name__)

#: How long a cached tag is good without asking the upstream (user guide).
TAG_AGE = timedelta(hours=24)
#: How long after an upstream could not be asked it is asked again (our own: the guide says
#: nothing, and a client must not wait for it on each pull).
RETRY_AFTER = timedelta(seconds=60)

#: Refuses, by an exception of the door's own, unless the caller may do an action of ECR's on
#: the repository: ``BatchImportUpstreamImage``, ``CreateRepository``.
Permit = Callable[[str], None]

_CHECKED_AT = (
    select(image_tags.c.tag, image_tags.c.upstream_checked_at)
    .join(repositories, repositories.c.id == image_tags.c.repository_id)
    .where(
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
        repositories.c.name == bindparam("name"),
        image_tags.c.tag.in_(bindparam("tags", expanding=True)),
        image_tags.c.upstream_checked_at <= bindparam("before"),
    )
)


class PullThrough:
    """Pulls of images through the cache."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        images: ImageReads,
        pushes: ImagePush,
        sources: UpstreamSources,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._images = images
        self._pushes = pushes
        self._sources = sources
        self._clock = clock

    def manifest(
        self, key: RegistryKey, name: str, image_id: ImageId, permit: Permit
    ) -> StoredManifest:
        """Return the manifest that a digest or a tag (one of them) names, cached if need be.

        :raises RepositoryNotFound, ImageNotFound: neither the registry nor an upstream has it.
        :raises UpstreamImageFailure: the upstream does not give it.
        """
        try:
            stored = self._images.manifest(key, name, image_id)
        except (RepositoryNotFound, ImageNotFound):
            if not self._import(key, name, image_id, permit):
                raise
            return self._images.manifest(key, name, image_id)
        if image_id.tag is None or stored.checked_at is None:
            return stored
        if self._clock.now() - stored.checked_at < TAG_AGE:
            return stored
        self._refresh(key, name, image_id.tag, stored.checked_at)
        return self._images.manifest(key, name, image_id)

    def batch_get(
        self,
        key: RegistryKey,
        name: str,
        image_ids: Sequence[ImageId],
        permit: Permit,
        *,
        caller_arn: str,
    ) -> tuple[list[tuple[ImageId, StoredManifest]], list[ImageFailure]]:
        """Return manifests as :meth:`ImageReads.batch_get` does, cached if need be.

        What an upstream does not give is a failure of that image.

        :raises RepositoryNotFound: neither the registry nor an upstream has it.
        :raises UpstreamImageFailure: the credentials for the upstream cannot be had.
        """
        self._refresh_all(key, name, [item.tag for item in image_ids if item.digest is None])
        refused: RepositoryNotFound | None = None
        try:
            found, failures = self._images.batch_get(key, name, image_ids, caller_arn=caller_arn)
            missing = [item.image_id for item in failures if item.code == "ImageNotFound"]
        except RepositoryNotFound as error:
            found, failures, refused = [], [], error
            missing = list(dict.fromkeys(image_ids))
        upstream_failures: dict[ImageId, ImageFailure] = {}
        imported = []
        for image_id in missing:
            try:
                if self._import(key, name, image_id, permit):
                    imported.append(image_id)
            except UpstreamImageFailure as error:
                if error.failure_code is None:
                    raise
                upstream_failures[image_id] = ImageFailure(
                    image_id, error.failure_code, REASONS[error.failure_code]
                )
        if imported:
            more, left = self._images.batch_get(key, name, imported, caller_arn=caller_arn)
            found = found + more
            gone = {item.image_id for item in left}
            settled = set(imported) - gone
            if refused is not None:
                rest = [item for item in missing if item not in settled]
                _, failures = self._images.batch_get(key, name, rest, caller_arn=caller_arn)
                refused = None
            failures = [item for item in failures if item.image_id not in settled]
        if refused is not None:
            if not upstream_failures:
                raise refused
            failures = [
                ImageFailure(item, "ImageNotFound", "Requested image not found") for item in missing
            ]
        return found, [upstream_failures.get(item.image_id, item) for item in failures]

    # -- fetching ---------------------------------------------------------------------------

    def _import(self, key: RegistryKey, name: str, image_id: ImageId, permit: Permit) -> bool:
        """Cache an image that is not there; say whether it is there now.

        :raises UpstreamImageFailure: the upstream does not give it.
        """
        reference = _reference(image_id)
        source = None if reference is None else self._sources.covering(key, name)
        if reference is None or source is None:
            return False
        state = self._state(key, name, image_id)
        if state.has_image:
            # It is archived, which is what the caller is told.
            return False
        permit("BatchImportUpstreamImage")
        if not state.has_repository:
            permit("CreateRepository")
        turn = turn_id("image", key.account, key.region, name, reference)
        try:
            with my_turn(self._blobs, turn, ANSWER_SECONDS * 2):
                if self._state(key, name, image_id).has_image:
                    return True
                pulled = self._upstream(key, source).manifest(reference)
                self._store(key, name, pulled, image_id.tag)
        except UpstreamMissing:
            return False
        except UpstreamError as error:
            raise _image_failure(error) from None
        except TurnNeverCame:
            raise UpstreamImageFailure(UNAVAILABLE) from None
        except StorageFull as error:
            raise ServerFailure(f"The registry's storage cannot take more: {error}") from None
        return True

    def _upstream(self, key: RegistryKey, source: Source) -> UpstreamRepository:
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

    def _store(self, key: RegistryKey, name: str, pulled: PulledManifest, tag: str | None) -> None:
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
                repository = create_from_template(connection, key, name, PULL_THROUGH_CACHE, now)
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
                self._announce(connection, repository, pushed.image.digest)
            if tag is not None:
                _mark_checked(connection, repository, tag, now)

    def _announce(self, connection: Connection, repository: Repository, digest: str) -> None:
        for image, tag in whole_images(connection, repository, digest):
            self._pushes.announce(connection, repository, image, tag)

    def announce_whole(self, connection: Connection, repository: Repository, digest: str) -> None:
        """Set going what waited for the layer *digest* to come (see :mod:`.partial_images`)."""
        self._announce(connection, repository, digest)

    # -- cached tags ------------------------------------------------------------------------

    def _refresh_all(self, key: RegistryKey, name: str, tags: Sequence[str | None]) -> None:
        known = [tag for tag in tags if tag is not None]
        if not known:
            return
        parameters = {
            "account": key.account,
            "region": key.region,
            "name": name,
            "tags": known,
            "before": self._clock.now() - TAG_AGE,
        }
        for row in self._database.reader().execute(_CHECKED_AT, parameters).all():
            self._refresh(key, name, row.tag, row.upstream_checked_at)

    def _refresh(self, key: RegistryKey, name: str, tag: str, checked_at: datetime) -> None:
        """Compare a cached tag with the upstream's, and follow it if that has moved.

        One caller does so; the others have what is cached meanwhile. No permission is asked
        for: it is ECR that keeps its cache (likeliest).
        """
        source = self._sources.covering(key, name)
        if source is None:
            # The rule is gone; what it cached stays as it is.
            return
        now = self._clock.now()
        with self._database.write() as connection:
            repository = find_repository(connection, key, name)
            cached = find_image(connection, repository, ImageId(tag=tag))
            claimed = connection.execute(
                update(image_tags)
                .where(
                    image_tags.c.repository_id == repository.id,
                    image_tags.c.tag == tag,
                    image_tags.c.upstream_checked_at == checked_at,
                )
                # Should the upstream not answer, or this process end: once more, before long.
                .values(upstream_checked_at=now - TAG_AGE + RETRY_AFTER)
            )
        if cached is None or claimed.rowcount != 1:
            return
        try:
            upstream = self._upstream(key, source)
            if upstream.digest(tag) != cached.digest:
                self._store(key, name, upstream.manifest(tag), tag)
        except UpstreamMissing:
            # It is gone there; what is cached is served on.
            pass
        except (UpstreamError, UpstreamImageFailure, RepositoryNotFound) as error:
            logger.warning("%s:%s is served as cached: %s", name, tag, type(error).__name__)
            return
        with self._database.write() as connection:
            _mark_checked(connection, repository, tag, now)


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


def _image_failure(error: UpstreamError) -> UpstreamImageFailure:
    if isinstance(error, UpstreamDenied):
        return UpstreamImageFailure(ACCESS_DENIED)
    return UpstreamImageFailure(
        TOO_MANY_REQUESTS if isinstance(error, UpstreamBusy) else UNAVAILABLE
    )


def _mark_checked(connection: Connection, repository: Repository, tag: str, now: datetime) -> None:
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
