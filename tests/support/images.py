"""Images made by hand: layers, configs, manifests and indexes of random content, as bytes.

Content is random, so that no two tests share a layer: a "Layer already exists" is then always the
test's own. Nothing here talks to a registry.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def sha256(data: bytes) -> str:
    """Return the digest of *data* in the form that registries use."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class Blob:
    """Bytes with their media type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return sha256(self.data)

    def descriptor(self) -> dict[str, Any]:
        """Return what a manifest says of this blob (OCI image specification, descriptors)."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class Image:
    """One platform's image: a manifest and what it names."""

    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    architecture: str

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.config, *self.layers)

    @property
    def size(self) -> int:
        """The sum that ECR gives as ``imageSizeInBytes``: config and layers, not the manifest."""
        return sum(len(blob.data) for blob in self.blobs)


@dataclass(frozen=True)
class Index:
    """Several platforms' images under one manifest."""

    manifest: Blob
    images: tuple[Image, ...]


def make_layer(size: int = 2000, docker: bool = False) -> tuple[Blob, str]:
    """Return a gzipped layer with one random file, and the digest of its tar (the "diff id")."""
    content = os.urandom(size)
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("file-" + os.urandom(8).hex())
        entry.size = size
        tar.addfile(entry, io.BytesIO(content))
    packed = gzip.compress(archive.getvalue(), compresslevel=1, mtime=0)
    return Blob(DOCKER_LAYER if docker else OCI_LAYER, packed), sha256(archive.getvalue())


def make_image(
    layers: int = 2, size: int = 2000, architecture: str = "amd64", docker: bool = False
) -> Image:
    """Make an image of random layers, each *size* bytes before its tar and gzip.

    :param docker: Docker schema 2 rather than an OCI manifest.
    """
    made = [make_layer(size, docker) for _ in range(layers)]
    blobs = tuple(blob for blob, _ in made)
    config = _json(
        DOCKER_CONFIG if docker else OCI_CONFIG,
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": {"unique": os.urandom(8).hex()}},
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in made]},
            "history": [{"created_by": f"layer {number}"} for number in range(layers)],
        },
    )
    return Image(manifest_of(config, blobs, docker), config, blobs, architecture)


def manifest_of(config: Blob, layers: Sequence[Blob], docker: bool = False) -> Blob:
    """Return the manifest of an image made of *config* and *layers*."""
    media_type = DOCKER_MANIFEST if docker else OCI_MANIFEST
    return _json(
        media_type,
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": config.descriptor(),
            "layers": [layer.descriptor() for layer in layers],
        },
    )


def make_index(images: Sequence[Image], docker: bool = False) -> Index:
    """Make an OCI index (or Docker manifest list) over *images*."""
    media_type = DOCKER_LIST if docker else OCI_INDEX
    children = [
        {
            **image.manifest.descriptor(),
            "platform": {"architecture": image.architecture, "os": "linux"},
        }
        for image in images
    ]
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": children}
    return Index(_json(media_type, body), tuple(images))


def write_layout(folder: Path, root: Image | Index, tag: str) -> None:
    """Write *root* as an OCI layout folder (OCI image specification, "image layout")."""
    images = root.images if isinstance(root, Index) else (root,)
    blobs = {blob.digest: blob.data for image in images for blob in image.blobs}
    blobs |= {image.manifest.digest: image.manifest.data for image in images}
    blobs[root.manifest.digest] = root.manifest.data
    store = folder / "blobs" / "sha256"
    store.mkdir(parents=True)
    for digest, data in blobs.items():
        (store / digest.removeprefix("sha256:")).write_bytes(data)
    entry = {
        **root.manifest.descriptor(),
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def layout_root(folder: Path) -> str:
    """Return the digest of the one image or index in an OCI layout folder."""
    (entry,) = json.loads((folder / "index.json").read_bytes())["manifests"]
    return str(entry["digest"])


def layout_digests(folder: Path) -> Iterator[str]:
    """Yield the digest of every blob in an OCI layout folder, as its content gives it."""
    for path in sorted((folder / "blobs" / "sha256").iterdir()):
        yield sha256(path.read_bytes())


def _json(media_type: str, body: dict[str, Any]) -> Blob:
    return Blob(media_type, json.dumps(body, separators=(",", ":")).encode())
