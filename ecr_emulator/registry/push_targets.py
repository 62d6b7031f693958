"""Where a push goes: all that it must know of its repository and registry, in one statement."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_tags, images, repositories
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.registry_rules import RULE_COLUMNS, RegistryRules
from ecr_emulator.registry.repository import Repository


class PushTarget(NamedTuple):
    """What a push finds.

    :ivar existing: the image of the digest.
    :ivar tagged_id: the id of the image that the tag names so far.
    :ivar images_at_most: the repository has no more images than this.
    """

    repository: Repository
    existing: Image | None
    tagged_id: int | None
    images_at_most: int
    rules: RegistryRules


_counted = images.alias("counted")


def _id(order: ColumnElement[int]) -> ColumnElement[int]:
    ids = select(_counted.c.id).where(_counted.c.repository_id == repositories.c.id)
    return ids.order_by(order).limit(1).correlate(repositories).scalar_subquery()


_IN_REGISTRY = (
    repositories.c.account == bindparam("account"),
    repositories.c.region == bindparam("region"),
    repositories.c.name == bindparam("name"),
)
_TARGET = HotQuery(
    select(
        repositories,
        images,
        image_tags.c.image_id,
        # Two looks into an index, where counting takes as long as there are images.
        _id(_counted.c.id.desc()) - _id(_counted.c.id),
        *RULE_COLUMNS,
    )
    .select_from(repositories)
    .outerjoin(
        images,
        and_(images.c.repository_id == repositories.c.id, images.c.digest == bindparam("digest")),
    )
    .outerjoin(
        image_tags,
        and_(
            image_tags.c.repository_id == repositories.c.id,
            image_tags.c.tag == bindparam("tag"),
        ),
    )
    .where(*_IN_REGISTRY)
)
_LOCK = HotQuery(select(repositories.c.id).where(*_IN_REGISTRY).with_for_update())
_IMAGE_AT = len(repositories.c)
_TAGGED_AT = _IMAGE_AT + len(images.c)


def find_target(
    connection: Connection, key: RegistryKey, name: str, digest: str, tag: str | None
) -> PushTarget:
    """Return what a push to the repository *name* finds; it stays so until the transaction ends.

    :raises RepositoryNotFound: there is none.
    """
    parameters = {
        "account": key.account,
        "region": key.region,
        "name": name,
        "digest": digest,
        "tag": tag,
    }
    if connection.dialect.name != "sqlite":
        # In SQLite a writer is alone. Elsewhere what is read with the lock may be from before it.
        _LOCK.all(connection, parameters)
    row = _TARGET.first(connection, parameters)
    if row is None:
        raise RepositoryNotFound(name, key.account)
    tagged_id, spread, *rules = row[_TAGGED_AT:]
    return PushTarget(
        Repository.from_row(row[:_IMAGE_AT]),
        None if row[_IMAGE_AT] is None else Image._make(row[_IMAGE_AT:_TAGGED_AT]),
        tagged_id,
        0 if spread is None else spread + 1,
        RegistryRules.from_columns(*rules),
    )
