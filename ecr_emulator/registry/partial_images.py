"""Cached images that are not whole yet, and what waits until they are.

A pull through the cache stores a manifest first; its layers, and the images that an index
lists, come as clients pull them. What the push of an image sets going (scans, replication,
signatures) needs all of it, so it waits for the last of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, delete, exists, select, union

from ecr_emulator.db.schema import image_children, image_layers, images, layers
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.db.upstream_tables import partial_images
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.repository import Repository


def note_partial(connection: Connection, image: Image, tag: str | None) -> None:
    """Remember that an image was cached, and by which tag, until :func:`whole_images`."""
    insert_once(connection, partial_images, image_id=image.id, tag=tag or "")


def whole_images(
    connection: Connection, repository: Repository, digest: str
) -> Iterator[tuple[Image, str | None]]:
    """Yield images that are whole now that *digest* has come, each once for each tag.

    :param digest: of a layer, or of an image.
    """
    pending = [digest]
    while pending:
        candidates = _waiting_for(connection, repository, pending.pop())
        for image in candidates:
            if _lacks_something(connection, repository, image):
                continue
            is_of_image = partial_images.c.image_id == image.id
            tags = connection.execute(
                delete(partial_images).where(is_of_image).returning(partial_images.c.tag)
            ).scalars()
            yield from [(image, tag or None) for tag in sorted(tags)]
            # An index may have waited for this one.
            pending.append(image.digest)


def _waiting_for(connection: Connection, repository: Repository, digest: str) -> list[Image]:
    # Three looks by index; an OR of them would read all images of the repository.
    concerned = union(
        select(image_layers.c.image_id).where(image_layers.c.digest == digest),
        select(image_children.c.image_id).where(image_children.c.digest == digest),
        select(images.c.id).where(
            images.c.repository_id == repository.id, images.c.digest == digest
        ),
    )
    query = (
        select(images)
        .where(
            images.c.repository_id == repository.id,
            images.c.id.in_(concerned),
            exists().where(partial_images.c.image_id == images.c.id),
        )
        .order_by(images.c.id)
    )
    return [Image.from_row(row) for row in connection.execute(query)]


def _lacks_something(connection: Connection, repository: Repository, image: Image) -> bool:
    has_layer = exists().where(
        layers.c.repository_id == repository.id, layers.c.digest == image_layers.c.digest
    )
    no_layer = select(image_layers.c.digest).where(image_layers.c.image_id == image.id, ~has_layer)
    child = images.alias()
    has_child = exists().where(
        child.c.repository_id == repository.id,
        child.c.digest == image_children.c.digest,
        ~exists().where(partial_images.c.image_id == child.c.id),
    )
    no_child = select(image_children.c.digest).where(
        image_children.c.image_id == image.id, ~has_child
    )
    return any(connection.execute(query.limit(1)).first() for query in (no_layer, no_child))
