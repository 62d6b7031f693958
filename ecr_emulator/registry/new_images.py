"""Writing new images down, with what their manifests name."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotInsert, HotRows, HotWrite
from ecr_emulator.db.schema import (
    blobs,
    image_children,
    image_layers,
    images,
    layers,
    manifests,
)
from ecr_emulator.registry.errors import LayersNotFound, ReferencedImagesNotFound
from ecr_emulator.registry.images import ACTIVE, Image
from ecr_emulator.registry.manifests import Descriptor, Manifest
from ecr_emulator.registry.repository import Repository

#: Digests asked for in one statement; SQLite allows 32,766 parameters, older builds 999.
_BATCH = 500
#: What the column of an image's size holds at the most.
_LARGEST_SIZE = (1 << 63) - 1

_INSERT_IMAGE, _INSERT_MANIFEST = HotInsert(images), HotWrite(manifests.insert())
_INSERT_LAYERS, _INSERT_CHILDREN = HotRows(image_layers), HotRows(image_children)
_LAYER_SIZES = HotQuery(
    select(blobs.c.digest, blobs.c.size)
    .join(layers, layers.c.digest == blobs.c.digest)
    .where(
        layers.c.repository_id == bindparam("repository_id"),
        layers.c.digest.in_(bindparam("digests", expanding=True)),
    ),
    expanding="digests",
)


def store_image(
    connection: Connection,
    repository: Repository,
    manifest: Manifest,
    digest: str,
    body: bytes,
    now: datetime,
    *,
    partial: bool = False,
) -> Image:
    """Store an image that *repository* does not have, untagged, and return it.

    :param manifest: what *body* says.
    :param partial: whether the repository may lack what it names, which is yet to come.
    :raises LayersNotFound, ReferencedImagesNotFound: the repository lacks what it names.
    """
    size = (
        _size_of_index(connection, repository, manifest, partial=partial)
        if manifest.is_index
        else _stated_size(manifest)
        if partial
        else _size_of_image(connection, repository, manifest)
    )
    values: dict[str, Any] = {
        "repository_id": repository.id,
        "digest": digest,
        "media_type": manifest.media_type,
        "artifact_media_type": manifest.artifact_media_type,
        "size": size,
        "manifest_size": len(body),
        "pushed_at": now,
        "subject_digest": manifest.subject,
        "status": ACTIVE,
        "last_pulled_at": None,
        "last_archived_at": None,
        "last_activated_at": None,
    }
    image = Image(_INSERT_IMAGE.run(connection, values), **values)
    _INSERT_MANIFEST.run(connection, {"image_id": image.id, "body": body})
    _INSERT_LAYERS.run_many(
        connection,
        [
            {"image_id": image.id, "digest": layer.digest, "media_type": layer.media_type}
            for layer in manifest.layers
        ],
    )
    _INSERT_CHILDREN.run_many(
        connection,
        [{"image_id": image.id, "digest": child.digest} for child in manifest.children],
    )
    return image


def _size_of_image(connection: Connection, repository: Repository, manifest: Manifest) -> int:
    """Return the bytes of configuration and layers; every one must be in the repository."""
    sizes: dict[str, int] = {}
    for batch in _batches(manifest.layers):
        parameters = {"repository_id": repository.id, "digests": batch}
        sizes.update(_LAYER_SIZES.all(connection, parameters))
    missing = [layer.digest for layer in manifest.layers if layer.digest not in sizes]
    if missing:
        raise LayersNotFound.for_image(missing, repository.name, repository.key.account)
    return sum(sizes.values())


def _stated_size(manifest: Manifest) -> int:
    """Return the bytes of configuration and layers as the manifest itself has them."""
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    return min(sum(sizes.values()), _LARGEST_SIZE)


def _size_of_index(
    connection: Connection, repository: Repository, manifest: Manifest, *, partial: bool
) -> int:
    """Return the size of the largest child (API reference ``ImageDetail``).

    All must be there, unless it is *partial*.
    """
    sizes: dict[str, int] = {}
    for batch in _batches(manifest.children):
        query = select(images.c.digest, images.c.size).where(
            images.c.repository_id == repository.id, images.c.digest.in_(batch)
        )
        sizes.update((row[0], row[1]) for row in connection.execute(query))
    missing = [child.digest for child in manifest.children if child.digest not in sizes]
    if missing and not partial:
        raise ReferencedImagesNotFound(missing, repository.name, repository.key.account)
    return max(sizes.values(), default=0)


def _batches(descriptors: tuple[Descriptor, ...]) -> list[list[str]]:
    digests = [descriptor.digest for descriptor in descriptors]
    return [digests[start : start + _BATCH] for start in range(0, len(digests), _BATCH)]
