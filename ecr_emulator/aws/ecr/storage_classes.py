"""The storage class of an image: archive and restore."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import named_image


@operation("UpdateImageStorageClass")
def update_image_storage_class(context: EcrContext, params: Params) -> dict[str, Any]:
    """Put an image into the archive, or begin to bring it back."""
    key, name, asked = context.key(params), params["repositoryName"], params["imageId"]
    image = context.registry.storage_classes.update(
        key,
        name,
        named_image(asked),
        params["targetStorageClass"],
    )
    return {
        "registryId": key.account,
        "repositoryName": name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.get("imageTag")},
        "imageStatus": image.status,
    }
