"""Deleting images and tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_children, image_tags, images
from ecr_emulator.registry.errors import ImageNotFound
from ecr_emulator.registry.image_reads import ImageFailure, find_or_fail
from ecr_emulator.registry.images import ARCHIVED, Image, ImageId, find_image, tags_of_images
from ecr_emulator.registry.repository import Repository, find_repository

REFERENCED_BY_INDEX = "ImageReferencedByManifestList"

#: Told what was deleted, in the transaction of the delete: a digest alone for an image,
#: digest and tag for a tag that was taken off an image that stays.
DeleteHook = Callable[[Connection, Repository, Sequence[ImageId]], None]
#: Told of each image that was deleted with all its tags, or that lost the tags that are given,
#: likewise.
Witness = Callable[[Connection, Repository, Image, Sequence[str]], None]


class ImageDeletes:
    """Deletes from the repositories of every registry.

    :param on_delete: what a delete sets going, in the same transaction.
    :param witnesses: who is told of each image.
    """

    def __init__(
        self,
        database: Database,
        on_delete: Sequence[DeleteHook],
        witnesses: Sequence[Witness],
    ) -> None:
        self._database = database
        self._on_delete = on_delete
        self._witnesses = witnesses

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
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            return self.delete_in(connection, repository, image_ids)

    def delete_in(
        self, connection: Connection, repository: Repository, image_ids: Iterable[ImageId]
    ) -> tuple[list[ImageId], list[ImageFailure]]:
        """Delete as :meth:`batch_delete` does, in a transaction that holds the repository."""
        deleted: list[ImageId] = []
        failures: list[ImageFailure] = []
        gone: list[ImageId] = []
        for image_id in dict.fromkeys(image_ids):
            image = find_or_fail(connection, repository, image_id)
            if isinstance(image, ImageFailure):
                failures.append(image)
                continue
            tags = tags_of_images(connection, [image.id]).get(image.id, [])
            if image_id.tag is not None and len(tags) > 1:
                remove_tag(connection, repository, image_id.tag)
                self._witness(connection, repository, image, [image_id.tag])
                deleted.append(ImageId(image.digest, image_id.tag))
                gone.append(ImageId(image.digest, image_id.tag))
                continue
            parents = indexes_listing(connection, repository, image)
            if parents:
                reason = f"Requested image referenced by manifest list: [{', '.join(parents)}]"
                failures.append(ImageFailure(image_id, REFERENCED_BY_INDEX, reason))
                continue
            connection.execute(delete(images).where(images.c.id == image.id))
            self._witness(connection, repository, image, tags)
            gone.append(ImageId(image.digest))
            if tags:
                deleted.extend(ImageId(image.digest, tag) for tag in tags)
            else:
                deleted.append(ImageId(image.digest))
        self._tell(connection, repository, gone)
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
            self._witness(connection, repository, image, [tag])
            self._tell(connection, repository, [ImageId(image.digest, tag)])

    def _tell(
        self, connection: Connection, repository: Repository, gone: Sequence[ImageId]
    ) -> None:
        if gone:
            for hook in self._on_delete:
                hook(connection, repository, gone)

    def _witness(
        self, connection: Connection, repository: Repository, image: Image, tags: Sequence[str]
    ) -> None:
        for witness in self._witnesses:
            witness(connection, repository, image, tags)


def remove_tag(connection: Connection, repository: Repository, tag: str) -> None:
    """Take *tag* off the image it names."""
    connection.execute(
        delete(image_tags).where(
            image_tags.c.repository_id == repository.id, image_tags.c.tag == tag
        )
    )


def indexes_listing(
    connection: Connection, repository: Repository, image: Image, *, archived: bool = True
) -> list[str]:
    """Return the digests of the indexes in the repository that list *image*.

    :param archived: whether those in the archive are to be named too.
    """
    listed = parents_of(connection, repository.id, [image.digest], archived=archived)
    return [parent for _, parent in listed]


def parents_of(
    connection: Connection, repository_id: int, digests: Sequence[str], *, archived: bool = True
) -> list[tuple[str, str]]:
    """Return which indexes of a repository list which images.

    :param digests: those of the images, of which there must be a few hundred at most.
    :param archived: whether indexes in the archive are to be named too.
    :returns: pairs of an image's digest and an index's, the indexes in the order of their pushes.
    """
    query = (
        select(image_children.c.digest, images.c.digest)
        .join(images, images.c.id == image_children.c.image_id)
        .where(
            image_children.c.digest.in_(digests),
            # The sum keeps SQLite from going through all images of the repository, which it
            # takes for few, instead of through the few that list these.
            images.c.repository_id + 0 == repository_id,
        )
        .order_by(images.c.id)
    )
    if not archived:
        query = query.where(images.c.status != ARCHIVED)
    return [(child, parent) for child, parent in connection.execute(query)]
