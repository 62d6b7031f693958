"""Images: put, delete, describe. Putting and deleting are those of private registries."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ecr_emulator.aws.ecr import images
from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.ecr_public.operation import operation
from ecr_emulator.aws.operation_calls import Params, page_size
from ecr_emulator.aws.row_writers import Rows
from ecr_emulator.registry.images import Image
from ecr_emulator.registry.tag_details import TaggedAt

operation("PutImage")(images.put_image)
operation("BatchDeleteImage")(images.batch_delete_image)

_DETAIL = ("registryId", "repositoryName", *images.IMAGE_MEMBERS.values())
_attributes = attrgetter(*images.IMAGE_MEMBERS)


@operation("DescribeImages")
def describe_images(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Describe the images named, or all of them, a page at a time."""
    found, next_token = images.find_images(context, params)
    registry_and_name = (context.key(params).account, params["repositoryName"])
    details = Rows(_DETAIL, [registry_and_name + _attributes(image) for image in found])
    return {"imageDetails": details, "nextToken": next_token}


@operation("DescribeImageTags")
def describe_image_tags(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Describe the tags of a repository and what they name, a page at a time."""
    key, name = context.key(params), params["repositoryName"]
    limit = page_size(params)
    bound_to = ("DescribeImageTags", key.account, key.region, name)
    after = context.position(params, *bound_to) or ""
    found = context.registry.tag_details.page(key, name, after=after, limit=limit + 1)
    output: dict[str, Any] = {"imageTagDetails": [_tag_detail(item) for item in found[:limit]]}
    if len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1].tag, *bound_to)
    return output


def _tag_detail(item: TaggedAt) -> dict[str, Any]:
    return {
        "imageTag": item.tag,
        "createdAt": item.tagged_at,
        "imageDetail": _image_members(item.image),
    }


def _image_members(image: Image) -> dict[str, Any]:
    return {
        "imageDigest": image.digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "artifactMediaType": image.artifact_media_type,
    }
