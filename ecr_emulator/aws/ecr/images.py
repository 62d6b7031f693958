"""Images: put, get, delete, list, describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import add
from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.aws.ecr.context import (
    EcrContext,
    Params,
    page_size,
    refuse_paging_with,
)
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.ecr.scanning import SCAN_MEMBERS, scan_values
from ecr_emulator.aws.image_ids import named_image, read_image_id
from ecr_emulator.aws.operation_calls import CallContext
from ecr_emulator.aws.row_writers import Member, Microseconds, Rows
from ecr_emulator.registry.described_images import DescribedImage
from ecr_emulator.registry.image_listings import ImageFilter
from ecr_emulator.registry.image_reads import ImageFailure
from ecr_emulator.registry.image_scans import ScanReport
from ecr_emulator.registry.images import ImageId, StoredManifest
from ecr_emulator.registry.manifest_conversion import convert


@operation("PutImage")
def put_image(context: CallContext, params: Params) -> dict[str, Any]:
    """Store an image's manifest, under a tag if one is given."""
    key, name = context.key(params), params["repositoryName"]
    manifest = params["imageManifest"]
    pushed = context.registry.pushes.put(
        key,
        name,
        manifest.encode("utf-8"),
        media_type=params.get("imageManifestMediaType"),
        tag=params.get("imageTag"),
        digest=params.get("imageDigest"),
        permit=context.permit(key, name),
    )
    return {
        "image": {
            "registryId": key.account,
            "repositoryName": name,
            "imageId": _image_id(ImageId(pushed.image.digest, pushed.tag)),
            "imageManifest": manifest,
            "imageManifestMediaType": pushed.image.media_type,
        }
    }


@operation("BatchGetImage")
def batch_get_image(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return the manifests of several images."""
    key, name = context.key(params), params["repositoryName"]
    accepted = params.get("acceptedMediaTypes") or ()
    found, failures = context.registry.cached_images.batch_get(
        key,
        name,
        _image_ids(params),
        context.permit(key, name),
        caller_arn=context.principal.arn,
    )
    return {
        "images": [_image(key, name, image_id, stored, accepted) for image_id, stored in found],
        "failures": [_failure(failure) for failure in failures],
    }


@operation("BatchDeleteImage")
def batch_delete_image(context: CallContext, params: Params) -> dict[str, Any]:
    """Delete images, or tags of images."""
    deleted, failures = context.registry.deletes.batch_delete(
        context.key(params), params["repositoryName"], _image_ids(params)
    )
    return {
        "imageIds": [_image_id(image_id) for image_id in deleted],
        "failures": [_failure(failure) for failure in failures],
    }


@operation("ListImages")
def list_images(context: EcrContext, params: Params) -> dict[str, Any]:
    """List pairs of digest and tag, a page at a time."""
    key, name = context.key(params), params["repositoryName"]
    image_filter = _filter(params)
    limit = page_size(params)
    bound_to = _bound_to("ListImages", key, name, image_filter)
    position = context.position(params, *bound_to)
    found, following = context.registry.image_listings.ids(
        key,
        name,
        image_filter,
        after=None if position is None else (position[0], position[1]),
        limit=limit,
    )
    output: dict[str, Any] = {"imageIds": Rows(_IMAGE_ID, found)}
    if following is not None:
        output["nextToken"] = context.next_token(following, *bound_to)
    return output


@operation("DescribeImages")
def describe_images(context: EcrContext, params: Params) -> dict[str, Any]:
    """Describe the images named, or all of them, a page at a time."""
    found, next_token = find_images(context, params)
    key, name = context.key(params), params["repositoryName"]
    scans = context.registry.scans.reports(key, name, found)
    return {"imageDetails": _details(key, name, found, scans), "nextToken": next_token}


def find_images(
    context: CallContext, params: Params
) -> tuple[Sequence[DescribedImage], str | None]:
    """Return the images that DescribeImages asks for, and its next token.

    It is the same with private and with public registries, whose calls have no filter.
    """
    key, name = context.key(params), params["repositoryName"]
    if params.get("imageIds"):
        refuse_paging_with(params, "imageIds")
        image_ids = [named_image(item) for item in params["imageIds"]]
        return context.registry.images.describe(key, name, image_ids), None
    image_filter = _filter(params)
    limit = page_size(params)
    bound_to = _bound_to("DescribeImages", key, name, image_filter)
    found, following = context.registry.image_listings.page(
        key,
        name,
        image_filter,
        after=context.position(params, *bound_to) or 0,
        limit=limit,
    )
    return found, None if following is None else context.next_token(following, *bound_to)


def _bound_to(
    operation_name: str, key: RegistryKey, name: str, image_filter: ImageFilter
) -> tuple[object, ...]:
    return (
        operation_name,
        key.account,
        key.region,
        name,
        image_filter.tag_status,
        image_filter.status,
    )


def _filter(params: Params) -> ImageFilter:
    given = params.get("filter") or {}
    default = ImageFilter()
    return ImageFilter(
        given.get("tagStatus", default.tag_status), given.get("imageStatus", default.status)
    )


def _image_ids(params: Params) -> list[ImageId]:
    return [read_image_id(item) for item in params["imageIds"]]


#: The members of an :class:`ImageId`.
_IMAGE_ID = ("imageDigest", "imageTag")


def _image_id(image_id: ImageId) -> dict[str, Any]:
    return {"imageDigest": image_id.digest, "imageTag": image_id.tag}


def _failure(failure: ImageFailure) -> dict[str, Any]:
    return {
        "imageId": _image_id(failure.image_id),
        "failureCode": failure.code,
        "failureReason": failure.reason,
    }


def _image(
    key: RegistryKey, name: str, image_id: ImageId, stored: StoredManifest, accepted: Any
) -> dict[str, Any]:
    body, media_type, digest = stored.body, stored.image.media_type, stored.image.digest
    if image_id.digest is None:
        # A pull by digest always gets what was pushed.
        body, media_type, digest = convert(stored, accepted)
    return {
        "registryId": key.account,
        "repositoryName": name,
        "imageId": _image_id(ImageId(digest, image_id.tag)),
        "imageManifest": body.decode("utf-8"),
        "imageManifestMediaType": media_type,
    }


#: What the attributes of an image are called in its detail: in that of both services,
IMAGE_MEMBERS: dict[str, Member] = {
    "digest": "imageDigest",
    "media_type": "imageManifestMediaType",
    "artifact_media_type": "artifactMediaType",
    "size": "imageSizeInBytes",
    "pushed_at": Microseconds("imagePushedAt"),
    "tags": "imageTags",
}
#: and in that of private registries.
_MEMBERS = {
    **IMAGE_MEMBERS,
    "last_pulled_at": Microseconds("lastRecordedPullTime"),
    "subject_digest": "subjectManifestDigest",
    "status": "imageStatus",
    "last_archived_at": Microseconds("lastArchivedAt"),
    "last_activated_at": Microseconds("lastActivatedAt"),
}
#: In the order of the attributes, of which the first (the row's id) and the last (whether there
#: was a scan) are not told.
_DETAIL = (
    "registryId",
    "repositoryName",
    *[_MEMBERS[name] for name in DescribedImage._fields[1:-1]],
)
_DETAIL_WITH_SCAN = (*_DETAIL, *SCAN_MEMBERS)


def _details(
    key: RegistryKey, name: str, found: Sequence[DescribedImage], scans: Mapping[int, ScanReport]
) -> Rows:
    registry_and_name = (key.account, name)
    # A slice of a thousand images is had sooner than their attributes.
    details = [registry_and_name + image[1:-1] for image in found]
    if not scans:
        return Rows(_DETAIL, details)
    of_scans = [scan_values(scans.get(image.id)) for image in found]
    return Rows(_DETAIL_WITH_SCAN, list(map(add, details, of_scans)))
