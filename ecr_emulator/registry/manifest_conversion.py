"""Giving a client the manifest format it accepts.

ECR converts between Docker's schema 2 and OCI when an image is pulled by tag (user guide,
"Container image manifest format support"); a pull by digest always gets what was pushed.
Schema 1, which Docker itself no longer reads, is not made.
"""

from __future__ import annotations

import json
from collections.abc import Collection

from ecr_emulator import media_types
from ecr_emulator.digests import digest_bytes
from ecr_emulator.registry.images import StoredManifest

_TO_OCI = {
    media_types.DOCKER_MANIFEST: media_types.OCI_MANIFEST,
    media_types.DOCKER_CONFIG: media_types.OCI_CONFIG,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": (
        "application/vnd.oci.image.layer.v1.tar+gzip"
    ),
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    ),
}
_TO_DOCKER = {oci: docker for docker, oci in _TO_OCI.items()}


def convert(stored: StoredManifest, accepted: Collection[str]) -> tuple[bytes, str, str]:
    """Return a manifest in a format that the client accepts, if there is one.

    :param accepted: the media types it accepts; empty for any.
    :returns: body, media type and digest; the stored ones where nothing fits better.
    """
    image = stored.image
    as_stored = (stored.body, image.media_type, image.digest)
    table = _TO_OCI if image.media_type == media_types.DOCKER_MANIFEST else _TO_DOCKER
    target = table.get(image.media_type)
    if not accepted or image.media_type in accepted or target not in accepted:
        return as_stored
    document = json.loads(stored.body)
    blobs = [document["config"], *document["layers"]]
    if any(blob["mediaType"] not in table for blob in blobs):
        # Made for one format alone (zstd layers, artifacts): there is nothing to turn it into.
        return as_stored
    document["mediaType"] = target
    for blob in blobs:
        blob["mediaType"] = table[blob["mediaType"]]
    converted = json.dumps(document, separators=(",", ":")).encode("utf-8")
    return converted, str(target), digest_bytes(converted)
