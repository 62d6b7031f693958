"""Deleting images and tags."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_children, image_tags, images
from ecr_emulator.registry.errors import ImageNotFound
from ecr_emulator.registry.image_reads import ImageFailure, find_or_fail
from ecr_emulator.registry.images import Image, ImageId, find_image, tags_of_images
from ecr_emulator.registry.replication_queue import ReplicationQueue
from ecr_emulator.registry.repository import Repository, find_repository

REFERENCED_BY_INDEX = "ImageReferencedByManifestList"


class ImageDeletes:
    """Deletes from the repositories of every registry."""

    def __init__(self, database: Database, replication: ReplicationQueue) -> None:
        self._database = database
        self._replication = replication

    def batch_delete(
        self, key: RegistryKey, name: str, image_ids: Iterable[ImageId]
    ) -> tuple[list[ImageId], list[ImageFailure]]:
        """Delete images by digest, or tags of images (BatchDeleteImage).

        A tag alone is taken off its image; the image goes with its last tag. A digest takes
        the image with all its tags. An image that an index lists stays.

        :returns: one entry for each tag that went (or one for an untagged image), and why
            others could not be deleted.
        :raises RepositoryNotFound: there is no such repository.
        """
        deleted: list[ImageId] = []
        failures: list[ImageFailure] = []
        # As the registries that hold copies are told: a digest alone is a whole image.
        gone: list[ImageId] = []
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            for image_id in dict.fromkeys(image_ids):
                image = find_or_fail(connection, repository, image_id)
                if isinstance(image, ImageFailure):
                    failures.append(image)
                    continue
                tags = tags_of_images(connection, [image.id]).get(image.id, [])
                if image_id.tag is not None and len(tags) > 1:
                    remove_tag(connection, repository, image_id.tag)
                    deleted.append(ImageId(image.digest, image_id.tag))
                    gone.append(ImageId(image.digest, image_id.tag))
                    continue
                parents = indexes_listing(connection, repository, image)
                if parents:
                    reason = f"Requested image referenced by manifest list: [{', '.join(parents)}]"
                    failures.append(ImageFailure(image_id, REFERENCED_BY_INDEX, reason))
                    continue
                connection.execute(delete(images).where(images.c.id == image.id))
                gone.append(ImageId(image.digest))
                if tags:
                    deleted.extend(ImageId(image.digest, tag) for tag in tags)
                else:
                    deleted.append(ImageId(image.digest))
            self._replication.images_deleted(connection, repository, gone)
        return deleted, failures

    def untag(self, key: RegistryKey, name: str, tag: str) -> None:
        """Take a tag off its image, and leave the image (OCI: "Deleting tags").

        :raises RepositoryNotFound, ImageNotFound: there is no such tag.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            image = find_image(connection, repository, ImageId(tag=tag))
            if image is None:
                raise ImageNotFound(None, tag, name, key.account)
            remove_tag(connection, repository, tag)
            self._replication.images_deleted(connection, repository, [ImageId(image.digest, tag)])


def remove_tag(connection: Connection, repository: Repository, tag: str) -> None:
    """Take *tag* off the image it names."""
    connection.execute(
        delete(image_tags).where(
            image_tags.c.repository_id == repository.id, image_tags.c.tag == tag
        )
    )


def indexes_listing(connection: Connection, repository: Repository, image: Image) -> list[str]:
    """Return the digests of the indexes in the repository that list *image*."""
    query = (
        select(images.c.digest)
        .join(image_children, image_children.c.image_id == images.c.id)
        .where(images.c.repository_id == repository.id, image_children.c.digest == image.digest)
        .order_by(images.c.id)
    )
    return list(connection.execute(query).scalars())
