"""A repository's links to blobs, as the database has them, and what its images make of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotInsertOnce
from ecr_emulator.db.schema import blobs, image_layers, images, layers, repositories
from ecr_emulator.registry.images import ACTIVE
from ecr_emulator.registry.repository import Repository


@dataclass(frozen=True, slots=True)
class Layer:
    """A blob that a repository links to; the size is in bytes.

    :ivar key_id: the key that the repository's blobs are sealed by; ``None`` for plain ones.
    """

    digest: str
    size: int
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A repository's link to a blob, and the blob's size in bytes."""

    repository_id: int
    size: int
    linked_at: datetime
    kms_key: str | None


_LINKS = (
    select(layers.c.repository_id, blobs.c.size, layers.c.linked_at, repositories.c.kms_key)
    .select_from(layers)
    .join(blobs, blobs.c.digest == layers.c.digest)
    .join(repositories, repositories.c.id == layers.c.repository_id)
)
_IN_REPOSITORY_NAMED = HotQuery(
    _LINKS.where(
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
_INSERT_BLOB, _INSERT_LINK = HotInsertOnce(blobs), HotInsertOnce(layers)


def link_blob(connection: Connection, repository_id: int, layer: Layer, now: datetime) -> bool:
    """Record that a blob is stored and that a repository links to it, as of now.

    :returns: whether the link is new.
    """
    blob = {"digest": layer.digest, "size": layer.size, "stored_at": now}
    _INSERT_BLOB.run(connection, blob)
    link = {"repository_id": repository_id, "digest": layer.digest}
    if _INSERT_LINK.run(connection, {**link, "linked_at": now}):
        return True
    connection.execute(update(layers).filter_by(**link).values(linked_at=now))
    return False


def find_link_in(database: Database, key: RegistryKey, name: str, digest: str) -> Link | None:
    """Return the link of the repository *name* to a blob, or ``None``, also without such a one."""
    parameters = {
        "digest": digest,
        "account": key.account,
        "region": key.region,
        "name": name,
    }
    row = _IN_REPOSITORY_NAMED.first(database, parameters)
    return None if row is None else Link(*row)


def find_link(connection: Connection, repository: Repository, digest: str) -> Link | None:
    """Return the repository's link to a blob, or ``None``."""
    query = _LINKS.where(layers.c.repository_id == repository.id, layers.c.digest == digest)
    row = connection.execute(query).one_or_none()
    return None if row is None else Link(*row)


@dataclass(frozen=True, slots=True)
class Use:
    """What the images of a repository make of a layer."""

    media_type: str
    is_active: bool


def use_of(connection: Connection, repository: Repository, digest: str) -> Use | None:
    """Return how the images use a layer; ``None`` when none names it."""
    parameters = {"repository_id": repository.id, "digest": digest}
    # Any image, and only if that one is archived another: many may share a layer.
    row = connection.execute(_USE, parameters).one_or_none()
    if row is None:
        return None
    if row.status != ACTIVE:
        row = connection.execute(_ACTIVE_USE, parameters).one_or_none() or row
    return Use(row.media_type, row.status == ACTIVE)
