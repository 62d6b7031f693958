"""Images as DescribeImages tells of them: with their tags, a thousand at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Integer, bindparam, exists, func, select
from sqlalchemy import type_coerce as as_type

from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.scanning_tables import image_scans
from ecr_emulator.db.schema import image_tags, images


class DescribedImage(NamedTuple):
    """An image, an index or another artifact; sizes are in bytes.

    Its times are microseconds since the epoch, as they are stored: nobody calculates with them, and
    to make and to write a datetime takes as long as all else that is done with an image.

    :ivar tags: in their order; ``None`` if it has none.
    :ivar was_scanned: whether there was ever a scan of it.
    """

    id: int
    digest: str
    media_type: str
    artifact_media_type: str | None
    size: int
    pushed_at: int
    last_pulled_at: int | None
    subject_digest: str | None
    status: str
    last_archived_at: int | None
    last_activated_at: int | None
    tags: tuple[str, ...] | None
    was_scanned: bool


def described(rows: Sequence[tuple[Any, ...]]) -> list[DescribedImage]:
    """Return images from rows of :data:`COLUMNS`."""
    # A namedtuple's own ways to make one take twice as long.
    make = tuple.__new__
    return [make(DescribedImage, (*row[:-2], _parted(row[-2]), bool(row[-1]))) for row in rows]


def describe(connection: Connection, image_ids: Sequence[int]) -> list[DescribedImage]:
    """Return the images of row ids, in the order of these."""
    found = {image.id: image for image in described(_BY_ID.all(connection, {"ids": image_ids}))}
    return [found[image_id] for image_id in image_ids]


def _parted(tags: str | None) -> tuple[str, ...] | None:
    if tags is None or " " not in tags:
        return None if tags is None else (tags,)
    return tuple(sorted(tags.split(" ")))


#: What a listing selects.
COLUMNS = (
    images.c.id,
    images.c.digest,
    images.c.media_type,
    images.c.artifact_media_type,
    images.c.size,
    as_type(images.c.pushed_at, BigInteger),
    as_type(images.c.last_pulled_at, BigInteger),
    images.c.subject_digest,
    images.c.status,
    as_type(images.c.last_archived_at, BigInteger),
    as_type(images.c.last_activated_at, BigInteger),
    # The tags of an image in one text; no tag has a blank in it.
    select(func.aggregate_strings(image_tags.c.tag, " "))
    .where(image_tags.c.image_id == images.c.id)
    .scalar_subquery(),
    # As the database has it: a number or a truth value.
    as_type(exists().where(image_scans.c.image_id == images.c.id), Integer),
)
_BY_ID = HotQuery(
    select(*COLUMNS).where(images.c.id.in_(bindparam("ids", expanding=True))), expanding="ids"
)
