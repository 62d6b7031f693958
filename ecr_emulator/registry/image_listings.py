"""Listings of a repository's images, a page at a time: ListImages and DescribeImages.

A page takes no longer in a large repository than in a small one. So where a filter leaves little
of it, a page ends after :data:`MOST_SEEN` images, full or not, and the next one goes on behind
them. (AWS's listings too may answer with fewer entries than asked for and a token; a listing is
at its end when there is no token.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, exists, or_, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_tags, images
from ecr_emulator.registry.images import (
    ACTIVE,
    ANY_STATUS,
    Image,
    ImageId,
    TaggedImage,
    status_is,
    with_tags,
)
from ecr_emulator.registry.repository import Repository, find_repository

#: How many images a page of a filtered listing looks at.
MOST_SEEN = 4000

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
    ) -> tuple[list[ImageId], tuple[int, str] | None]:
        """Return up to *limit* pairs of digest and tag, in the order of the pushes (ListImages).

        :param after: the position that the page before ended with.
        :returns: the pairs, and the position for the next page; ``None`` at the end.
        :raises RepositoryNotFound: there is no such repository.
        """
        query = (
            select(images.c.id, images.c.digest, image_tags.c.tag)
            .select_from(images.outerjoin(image_tags, image_tags.c.image_id == images.c.id))
            .order_by(images.c.id, image_tags.c.tag)
            .limit(limit + 1)
        )
        if image_filter.tag_status == _TAGGED:
            query = query.where(image_tags.c.tag.is_not(None))
        elif image_filter.tag_status == _UNTAGGED:
            query = query.where(image_tags.c.tag.is_(None))
        first = 0
        if after is not None:
            first, tag = after
            query = query.where(or_(images.c.id > first, image_tags.c.tag > tag))
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            narrowed, last = _narrowed(connection, query, repository, image_filter, first)
            rows = connection.execute(narrowed).all()
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
    ) -> tuple[list[TaggedImage], int | None]:
        """Return up to *limit* images with their tags, in the order of the pushes.

        :param after: the position that the page before ended with; 0 for the first page.
        :returns: the images, and the position for the next page; ``None`` at the end.
        :raises RepositoryNotFound: there is no such repository.
        """
        query = select(images).order_by(images.c.id).limit(limit + 1)
        if image_filter.tag_status != _ANY:
            tagged = exists().where(image_tags.c.image_id == images.c.id)
            query = query.where(tagged if image_filter.tag_status == _TAGGED else ~tagged)
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            narrowed, last = _narrowed(connection, query, repository, image_filter, after + 1)
            found = [Image.from_row(row) for row in connection.execute(narrowed)]
            if len(found) > limit:
                last = found[limit - 1].id
            return with_tags(connection, found[:limit]), last


def _narrowed(
    connection: Connection,
    query: Select[Any],
    repository: Repository,
    image_filter: ImageFilter,
    first: int,
) -> tuple[Select[Any], int | None]:
    """Narrow a listing to a repository, from the row id *first* on.

    :returns: the listing, and where it has to end although there may be more behind.
    """
    of_repository = (images.c.repository_id == repository.id, images.c.id >= first)
    query = query.where(*of_repository, *status_is(image_filter.status))
    if not image_filter.is_narrow:
        return query, None
    seen = select(images.c.id).where(*of_repository).order_by(images.c.id)
    last = connection.execute(seen.offset(MOST_SEEN - 1).limit(1)).scalar()
    return (query if last is None else query.where(images.c.id <= last)), last
