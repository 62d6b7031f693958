"""Listings of a repository's images, a page at a time: ListImages and DescribeImages.

A page takes no longer in a large repository than in a small one. So where a filter leaves little
of it, a page ends after :data:`MOST_SEEN` images, full or not, and the next one goes on behind
them. (AWS's listings too may answer with fewer entries than asked for and a token; a listing is
at its end when there is no token.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, or_, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_tags, images
from ecr_emulator.registry.described_images import COLUMNS, DescribedImage, described
from ecr_emulator.registry.images import ACTIVE, ANY_STATUS, ImageId, status_is
from ecr_emulator.registry.repository import Repository, find_repository

#: How many images a page of a filtered listing looks at.
MOST_SEEN = 4000

#: What a remembered pair of digest and tag, or image with its tags, takes in memory.
_PAIR_BYTES = 300
_IMAGE_BYTES = 1200

#: Behind all row ids.
_LAST = (1 << 63) - 1
_ANY = "ANY"
_TAGGED = "TAGGED"
_UNTAGGED = "UNTAGGED"
#: Behind all tags of an image: its character is in none, and sorts after all that are.
_BEHIND_TAGS = "~"


@dataclass(frozen=True, slots=True)
class ImageFilter:
    """What a listing is narrowed to (API reference ``ListImagesFilter``).

    :ivar tag_status: ``TAGGED``, ``UNTAGGED`` or ``ANY``.
    :ivar status: ``ACTIVE``, ``ARCHIVED``, ``ACTIVATING`` or ``ANY``.
    """

    tag_status: str = _ANY
    status: str = ACTIVE

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave little of a repository whose images are as most are."""
        return self.tag_status != _ANY or self.status not in (ACTIVE, ANY_STATUS)


class ImageListings:
    """The listings of every repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ids(
        self,
        key: RegistryKey,
        name: str,
        image_filter: ImageFilter,
        *,
        after: tuple[int, str] | None,
        limit: int,
    ) -> tuple[Sequence[ImageId], tuple[int, str] | None]:
        """Return up to *limit* pairs of digest and tag, in the order of the pushes (ListImages).

        :param after: the position that the page before ended with.
        :returns: the pairs, and the position for the next page; ``None`` at the end.
        :raises RepositoryNotFound: there is no such repository.
        """
        return self._database.remember(
            ("ids", key, name, image_filter, after, limit),
            lambda: self._ids(key, name, image_filter, after, limit),
            lambda found: len(found[0]) * _PAIR_BYTES,
        )

    def _ids(
        self,
        key: RegistryKey,
        name: str,
        image_filter: ImageFilter,
        after: tuple[int, str] | None,
        limit: int,
    ) -> tuple[Sequence[ImageId], tuple[int, str] | None]:
        first, tag = (0, "") if after is None else after
        query = _listing(image_filter, goes_on=after is not None)
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            last = _end(connection, repository, image_filter, first)
            parameters = _parameters(repository, first, last, limit)
            rows = query.all(connection, {**parameters, "after": tag})
        found = [ImageId(digest, tag) for _, digest, tag in rows[:limit]]
        if len(rows) > limit:
            row_id, _, tag = rows[limit - 1]
            return found, (row_id, tag or "")
        return found, None if last is None else (last, _BEHIND_TAGS)

    def page(
        self,
        key: RegistryKey,
        name: str,
        image_filter: ImageFilter,
        *,
        after: int,
        limit: int,
    ) -> tuple[Sequence[DescribedImage], int | None]:
        """Return up to *limit* images with their tags, in the order of the pushes.

        :param after: the position that the page before ended with; 0 for the first page.
        :returns: the images, and the position for the next page; ``None`` at the end.
        :raises RepositoryNotFound: there is no such repository.
        """
        return self._database.remember(
            ("images", key, name, image_filter, after, limit),
            lambda: self._page(key, name, image_filter, after, limit),
            lambda found: len(found[0]) * _IMAGE_BYTES,
        )

    def _page(
        self, key: RegistryKey, name: str, image_filter: ImageFilter, after: int, limit: int
    ) -> tuple[Sequence[DescribedImage], int | None]:
        query = _page(image_filter)
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            last = _end(connection, repository, image_filter, after + 1)
            parameters = _parameters(repository, after + 1, last, limit)
            rows = query.all(connection, parameters)
        found = described(rows[:limit])
        if len(rows) > limit:
            last = found[-1].id
        return found, last


_OF_REPOSITORY = (
    images.c.repository_id == bindparam("repository_id"),
    images.c.id >= bindparam("first"),
)
_NTH = HotQuery(
    select(images.c.id).where(*_OF_REPOSITORY).order_by(images.c.id).offset(MOST_SEEN - 1).limit(1)
)


# Compiled once each: there are few filters.
@lru_cache(maxsize=64)
def _listing(image_filter: ImageFilter, *, goes_on: bool) -> HotQuery:
    """Return the query of :meth:`ImageListings.ids`."""
    query = (
        select(images.c.id, images.c.digest, image_tags.c.tag)
        .select_from(images.outerjoin(image_tags, image_tags.c.image_id == images.c.id))
        .order_by(images.c.id, image_tags.c.tag)
    )
    if image_filter.tag_status == _TAGGED:
        query = query.where(image_tags.c.tag.is_not(None))
    elif image_filter.tag_status == _UNTAGGED:
        query = query.where(image_tags.c.tag.is_(None))
    if goes_on:
        behind = or_(images.c.id > bindparam("first"), image_tags.c.tag > bindparam("after"))
        query = query.where(behind)
    return HotQuery(_narrowed(query, image_filter))


@lru_cache(maxsize=64)
def _page(image_filter: ImageFilter) -> HotQuery:
    """Return the query of :meth:`ImageListings.page`."""
    query = select(*COLUMNS).order_by(images.c.id)
    if image_filter.tag_status != _ANY:
        tagged = exists().where(image_tags.c.image_id == images.c.id)
        query = query.where(tagged if image_filter.tag_status == _TAGGED else ~tagged)
    return HotQuery(_narrowed(query, image_filter))


def _narrowed(query: Select[Any], image_filter: ImageFilter) -> Select[Any]:
    """Narrow a listing to one repository, from the row id ``first`` on, to ``last`` if need be."""
    query = query.where(*_OF_REPOSITORY, *status_is(image_filter.status))
    if image_filter.is_narrow:
        query = query.where(images.c.id <= bindparam("last"))
    return query.limit(bindparam("limit"))


def _end(
    connection: Connection, repository: Repository, image_filter: ImageFilter, first: int
) -> int | None:
    """Return where a page has to end although there may be more behind."""
    if not image_filter.is_narrow:
        return None
    row = _NTH.first(connection, {"repository_id": repository.id, "first": first})
    return None if row is None else int(row[0])


def _parameters(repository: Repository, first: int, last: int | None, limit: int) -> dict[str, Any]:
    return {
        "repository_id": repository.id,
        "first": first,
        "last": _LAST if last is None else last,
        # One more tells whether there are more.
        "limit": limit + 1,
    }
