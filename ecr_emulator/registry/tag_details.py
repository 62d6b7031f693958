"""Tags with what they name: the listing of DescribeImageTags (ECR Public)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_tags, images
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.repository import find_repository


@dataclass(frozen=True, slots=True)
class TaggedAt:
    """A tag, since when it names its image, and the image."""

    tag: str
    tagged_at: datetime
    image: Image


class TagDetails:
    """The tags of every repository, with their images."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, key: RegistryKey, name: str, *, after: str, limit: int) -> list[TaggedAt]:
        """Return up to *limit* tags of the repository in lexical order.

        :param after: the tag that the page before ended with; empty for the first page.
        :raises RepositoryNotFound: there is no such repository.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            query = (
                select(images, image_tags.c.tag, image_tags.c.tagged_at)
                .join(image_tags, image_tags.c.image_id == images.c.id)
                .where(image_tags.c.repository_id == repository.id, image_tags.c.tag > after)
                .order_by(image_tags.c.tag)
                .limit(limit)
            )
            return [
                TaggedAt(row.tag, row.tagged_at, Image.from_row(row))
                for row in connection.execute(query)
            ]
