"""Copying an image, and all it names, to the repository of the same name elsewhere.

Blobs are kept once for all registries, so a copy is links to blobs, the manifest and the
tag. What is there already stays: a copy may be made any number of times. Each image of an
index is copied in a transaction of its own, before the index, so that a large one does not
hold up other writers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, select

from ecr_emulator import media_types
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import (
    image_children,
    image_layers,
    image_tags,
    images,
    layers,
    manifests,
    repositories,
)
from ecr_emulator.db.upsert import insert_once, put_row
from ecr_emulator.registry.creation_templates import REPLICATION, create_from_template
from ecr_emulator.registry.errors import ImageNotFound, RegistryError, RepositoryNotFound
from ecr_emulator.registry.image_push import store_image
from ecr_emulator.registry.images import ImageId, find_image
from ecr_emulator.registry.manifests import Manifest, parse_manifest
from ecr_emulator.registry.replication_access import (
    CREATE_REPOSITORY,
    REPLICATE_IMAGE,
    decide_replication,
)
from ecr_emulator.registry.replication_errors import ReplicationDenied
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.resource_tags import tags_of
from ecr_emulator.registry.scan_queue import ScanQueue

COMPLETE = "COMPLETE"
FAILED = "FAILED"

_AT_SOURCE = (
    repositories.c.account == bindparam("account"),
    repositories.c.region == bindparam("region"),
    repositories.c.name == bindparam("name"),
    images.c.digest == bindparam("digest"),
)
_SOURCE_ID = (
    select(images.c.id)
    .join(repositories, repositories.c.id == images.c.repository_id)
    .where(*_AT_SOURCE)
)
_SOURCE_MANIFEST = (
    select(images.c.media_type, manifests.c.body)
    .join(repositories, repositories.c.id == images.c.repository_id)
    .join(manifests, manifests.c.image_id == images.c.id)
    .where(*_AT_SOURCE)
)


#: The layers that an image names and its repository has: a cached one may lack some yet.
_LAYERS_AT_SOURCE = (
    select(image_layers.c.digest)
    .join(images, images.c.id == image_layers.c.image_id)
    .join(
        layers,
        and_(
            layers.c.repository_id == images.c.repository_id,
            layers.c.digest == image_layers.c.digest,
        ),
    )
)

#: The failure code of a replication that broke off for a reason nobody foresaw (likeliest: the
#: API reference documents no values).
INTERNAL_FAILURE = "InternalFailure"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the replication of one image ended.

    :ivar failure_code: why it failed; ``None`` when it did not.
    :ivar child_failure_codes: why images that an index lists failed, each reason once;
        ``None`` for what is no index.
    """

    failure_code: str | None = None
    child_failure_codes: tuple[str, ...] | None = None

    @property
    def status(self) -> str:
        """The status as the API names it."""
        return COMPLETE if self.failure_code is None else FAILED


#: Gets the outcome, in the transaction that made it so.
Conclude = Callable[[Connection, Outcome], None]


class ImageCopier:
    """Copies images between the registries of this installation."""

    def __init__(self, database: Database, scans: ScanQueue, clock: Clock) -> None:
        self._database = database
        self._scans = scans
        self._clock = clock

    def copy(self, route: Route, digest: str, tag: str | None, conclude: Conclude) -> None:
        """Copy the image *digest* along *route*, and give it *tag* there.

        A tag that names another image there moves, unless it is immutable: then the image
        arrives without it (user guide, "Private image replication"). A refusal is an
        outcome, and not an exception.

        :param conclude: called once.
        """
        child_codes: tuple[str, ...] | None = None
        try:
            original = self._read(route, digest)
            if original.manifest.is_index:
                child_codes = self._copy_children(route, digest)
            with self._database.write() as connection:
                self._arrive(connection, route, digest, original, tag)
                conclude(connection, Outcome(None, child_codes))
        except RegistryError as error:
            with self._database.write() as connection:
                conclude(connection, Outcome(failure_code(error), child_codes))

    def _copy_children(self, route: Route, digest: str) -> tuple[str, ...]:
        """Copy what the index *digest* lists; return why any of it failed, each reason once."""
        codes = (self._copy_child(route, child) for child in self._children_first(route, digest))
        return tuple(dict.fromkeys(code for code in codes if code is not None))

    def _copy_child(self, route: Route, digest: str) -> str | None:
        """Copy an image that an index lists; return why it failed, if it did."""
        if self._is_there(route, digest):
            return None
        try:
            original = self._read(route, digest)
            with self._database.write() as connection:
                self._arrive(connection, route, digest, original, None)
        except RegistryError as error:
            return failure_code(error)
        return None

    def _children_first(self, route: Route, root: str) -> list[str]:
        """Return all that the index *root* lists, and what those list, listed before lister."""
        ordered: dict[str, None] = {}
        visited: set[str] = set()
        pending = [(root, False)]
        with self._database.read() as connection:
            try:
                repository = find_repository(connection, route.source, route.repository_name)
            except RepositoryNotFound:
                return []
            while pending:
                digest, is_after_its_children = pending.pop()
                if is_after_its_children:
                    ordered[digest] = None
                elif digest not in visited:
                    visited.add(digest)
                    pending.append((digest, True))
                    listed = _children(connection, repository, digest)
                    pending.extend((child, False) for child in listed)
        del ordered[root]
        return list(ordered)

    def _is_there(self, route: Route, digest: str) -> bool:
        connection = self._database.reader()
        try:
            repository = find_repository(connection, route.destination, route.repository_name)
        except RepositoryNotFound:
            return False
        return find_image(connection, repository, ImageId(digest=digest)) is not None

    def _read(self, route: Route, digest: str) -> _Original:
        """Read the manifest of an image at the source, before any lock is taken."""
        connection = self._database.reader()
        row = connection.execute(_SOURCE_MANIFEST, _parameters(route, digest)).one_or_none()
        if row is None:
            raise _not_found(connection, route, digest)
        return _Original(row.body, parse_manifest(row.body, row.media_type))

    def _arrive(
        self,
        connection: Connection,
        route: Route,
        digest: str,
        original: _Original,
        tag: str | None,
    ) -> None:
        now = self._clock.now()
        # Once more, and first: the source may have lost it since, and its blobs with it.
        original_id = source_image_id(connection, route, digest)
        if original_id is None:
            raise _not_found(connection, route, digest)
        repository = self._destination(connection, route)
        image = find_image(connection, repository, ImageId(digest=digest))
        if image is None:
            query = _LAYERS_AT_SOURCE.where(image_layers.c.image_id == original_id)
            for layer in connection.execute(query).scalars().all():
                insert_once(
                    connection, layers, repository_id=repository.id, digest=layer, linked_at=now
                )
            image = store_image(
                connection, repository, original.manifest, digest, original.body, now
            )
            # Likeliest: what arrives is scanned as what is pushed.
            self._scans.image_pushed(connection, repository, image)
        if tag is None:
            return
        tagged = find_image(connection, repository, ImageId(tag=tag))
        if tagged is not None and (
            tagged.id == image.id or repository.tag_mutability.is_immutable(tag)
        ):
            return
        put_row(
            connection,
            image_tags,
            repository_id=repository.id,
            tag=tag,
            image_id=image.id,
            tagged_at=now,
        )

    def _destination(self, connection: Connection, route: Route) -> Repository:
        """Return the repository at the destination, made if need be and allowed.

        :raises ReplicationDenied: the destination does not let the source.
        """
        key, name = route.destination, route.repository_name
        try:
            repository = find_repository(connection, key, name, for_update=True)
        except RepositoryNotFound:
            check_allowed(connection, self._clock, route, REPLICATE_IMAGE, None)
            check_allowed(connection, self._clock, route, CREATE_REPOSITORY, None)
            return create_from_template(connection, key, name, REPLICATION, self._clock.now())
        check_allowed(connection, self._clock, route, REPLICATE_IMAGE, repository)
        return repository


@dataclass(frozen=True, slots=True)
class _Original:
    """A manifest at the source: its bytes and what they say."""

    body: bytes
    manifest: Manifest


def check_allowed(
    connection: Connection, clock: Clock, route: Route, action: str, repository: Repository | None
) -> None:
    """Check that the destination lets the source do *action*.

    :param repository: the one at the destination, if it exists.
    :raises ReplicationDenied: it does not.
    """
    decision = decide_replication(
        connection,
        route.source,
        route.destination,
        route.repository_name,
        action,
        repository_tags={} if repository is None else tags_of(connection, repository.id),
        now=clock.now(),
    )
    if not decision.allowed:
        raise ReplicationDenied(decision.reason)


def failure_code(error: RegistryError) -> str:
    """Return the code under which a refused replication is reported.

    The API documents no values. These are the names of the exceptions that the refused step
    answers, as CloudTrail shows them (user guide, "Private registry permissions").
    """
    return error.code.removesuffix("Exception")


def _children(connection: Connection, repository: Repository, digest: str) -> list[str]:
    query = (
        select(image_children.c.digest)
        .join(images, images.c.id == image_children.c.image_id)
        .where(
            images.c.repository_id == repository.id,
            images.c.digest == digest,
            images.c.media_type.in_(media_types.INDEX_TYPES),
        )
    )
    return list(connection.execute(query).scalars())


def source_image_id(connection: Connection, route: Route, digest: str) -> int | None:
    """Return the row id of an image at the source, or ``None`` if it is not there."""
    row_id: int | None = connection.execute(_SOURCE_ID, _parameters(route, digest)).scalar()
    return row_id


def _parameters(route: Route, digest: str) -> dict[str, str]:
    return {
        "account": route.source.account,
        "region": route.source.region,
        "name": route.repository_name,
        "digest": digest,
    }


def _not_found(connection: Connection, route: Route, digest: str) -> RegistryError:
    try:
        find_repository(connection, route.source, route.repository_name)
    except RepositoryNotFound as error:
        return error
    return ImageNotFound(digest, None, route.repository_name, route.source.account)
