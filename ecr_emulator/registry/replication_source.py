"""Images where they are replicated from."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, and_, bindparam, select

from ecr_emulator import media_types
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import (
    image_children,
    image_layers,
    images,
    layers,
    manifests,
    repositories,
)
from ecr_emulator.registry.errors import ImageNotFound, RegistryError, RepositoryNotFound
from ecr_emulator.registry.images import ImageId, find_image
from ecr_emulator.registry.manifests import Manifest, parse_manifest
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.repository import Repository, find_repository

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
    .where(images.c.id == bindparam("image_id"))
)


@dataclass(frozen=True, slots=True)
class Original:
    """An image at the source."""

    digest: str
    body: bytes
    manifest: Manifest


class ReplicationSource:
    """Reads the images that are replicated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, route: Route, digest: str) -> Original:
        """Return an image, read before any lock is taken.

        :raises RepositoryNotFound, ImageNotFound: it is not there.
        """
        connection = self._database.reader()
        row = connection.execute(_SOURCE_MANIFEST, _parameters(route, digest)).one_or_none()
        if row is None:
            raise _not_found(connection, route, digest)
        return Original(digest, row.body, parse_manifest(row.body, row.media_type))

    def children_first(self, route: Route, root: str) -> list[str]:
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

    def is_back(self, route: Route, item: ImageId) -> bool:
        """Say whether what was deleted is there again."""
        connection = self._database.reader()
        try:
            repository = find_repository(connection, route.source, route.repository_name)
        except RepositoryNotFound:
            return False
        wanted = ImageId(tag=item.tag) if item.tag is not None else item
        return find_image(connection, repository, wanted) is not None


def source_image_id(connection: Connection, route: Route, digest: str) -> int | None:
    """Return the row id of an image at the source, or ``None`` if it is not there."""
    row_id: int | None = connection.execute(_SOURCE_ID, _parameters(route, digest)).scalar()
    return row_id


def source_layers(connection: Connection, route: Route, digest: str) -> list[str]:
    """Return the layers of an image that its repository has.

    :raises RepositoryNotFound, ImageNotFound: the image is not there.
    """
    row_id = source_image_id(connection, route, digest)
    if row_id is None:
        raise _not_found(connection, route, digest)
    return list(connection.execute(_LAYERS_AT_SOURCE, {"image_id": row_id}).scalars())


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
