"""The image ids of requests: read, and held to what tags and digests look like."""

from __future__ import annotations

from typing import Any

from ecr_emulator.digests import looks_like_digest
from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.images import ImageId, looks_like_tag


def read_image_id(given: dict[str, Any]) -> ImageId:
    """Return what an ``ImageIdentifier`` of a request says, be it what it may.

    Batch operations take it so: to each bad one they answer a failure.
    """
    return ImageId(given.get("imageDigest"), given.get("imageTag"))


def named_image(given: dict[str, Any]) -> ImageId:
    """Return what an ``ImageIdentifier`` of a request says.

    Seen for DescribeImages (both expressions) and StartImageScan; likeliest for the others.

    :raises InvalidParameter: its digest or its tag is none.
    """
    image_id = read_image_id(given)
    check_digest(image_id.digest)
    if image_id.tag is not None and not looks_like_tag(image_id.tag):
        raise InvalidParameter.at("imageTag", "must satisfy regular expression '[a-zA-Z0-9-_.]+'")
    return image_id


def check_digest(digest: str | None) -> None:
    """Check what is named as an image's digest.

    :raises InvalidParameter: it is there, and is none.
    """
    if digest is not None and not looks_like_digest(digest):
        raise InvalidParameter.at(
            "imageDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
