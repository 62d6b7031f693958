"""The walk through layers and images."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from typing import Any

from tests.moto.recording import APART, Side
from tests.support.images import DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST, OCI_INDEX, Blob

MISSING = "sha256:" + "0" * 64
UPLOAD = "12345678-1234-1234-1234-123456789012"
APP = {"repositoryName": "team/app"}


def image(number: int) -> tuple[Blob, Blob, Blob]:
    """Return the manifest of an image that is the same each time, its config and its layer."""
    config = Blob(DOCKER_CONFIG, json.dumps({"os": "linux", "number": number}).encode())
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        content = f"layer {number}".encode()
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    layer = Blob(DOCKER_LAYER, gzip.compress(archive.getvalue(), mtime=0))
    body = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": config.descriptor(),
        "layers": [layer.descriptor()],
    }
    return Blob(DOCKER_MANIFEST, json.dumps(body, indent=3).encode()), config, layer


def text_of(number: int) -> str:
    """Return an image's manifest."""
    return image(number)[0].data.decode()


def upload(side: Side, repository: str, blob: Blob, step: str = "", region: str = "") -> None:
    """Upload a layer; *step* names the last call."""
    name = {"repositoryName": repository}
    upload_id = side.call("", "InitiateLayerUpload", region, **name)["uploadId"]
    side.call(
        f"{step}-part" if step else "",
        "UploadLayerPart",
        region,
        **name,
        uploadId=upload_id,
        partFirstByte=0,
        partLastByte=len(blob.data) - 1,
        layerPartBlob=blob.data,
    )
    complete = {**name, "uploadId": upload_id, "layerDigests": [blob.digest]}
    side.call(step, "CompleteLayerUpload", region, **complete)


def put(
    side: Side, step: str, repository: str, number: int, region: str = "", **more: Any
) -> dict[str, Any]:
    """Put an image with its layers; from then on its digest has a name."""
    manifest, config, layer = image(number)
    for blob in (config, layer):
        upload(side, repository, blob, region=region)
    text = manifest.data.decode()
    answer = side.call(
        "", "PutImage", region, repositoryName=repository, imageManifest=text, **more
    )
    if answer:
        digest = answer["image"]["imageId"]["imageDigest"]
        side.alias(digest, f"image {number}")
        if step:
            side.note(step, side.normal(answer))
            side.note(f"{step}-digest", {"isOfManifest": digest == manifest.digest})
    return answer


def layers(side: Side) -> None:
    """Uploads."""
    side.call("initiate", "InitiateLayerUpload", **APP)
    layer = Blob(DOCKER_LAYER, b"a layer")
    upload(side, "team/app", layer, "upload")
    upload(side, "team/app", layer, "upload-again")
    for step, digest in (("it", layer.digest), ("missing", MISSING), ("no-digest", "no digest")):
        side.call(f"check-{step}", "BatchCheckLayerAvailability", **APP, layerDigests=[digest])
    side.call("download-unused", "GetDownloadUrlForLayer", **APP, layerDigest=layer.digest)
    new = side.call("", "InitiateLayerUpload", **APP)["uploadId"]
    empty = {**APP, "uploadId": new, "layerDigests": [layer.digest]}
    side.call("complete-nothing", "CompleteLayerUpload", **empty)
    part = {**APP, "layerPartBlob": b"abc"}
    part["uploadId"] = side.call("", "InitiateLayerUpload", **APP)["uploadId"]
    side.call("part-in-a-gap", "UploadLayerPart", **part, partFirstByte=3, partLastByte=5)
    side.call("part-too-short", "UploadLayerPart", **part, partFirstByte=0, partLastByte=5)
    for step, parts in (("by-another-digest", 1), ("of-small-parts", 2)):
        part["uploadId"] = side.call("", "InitiateLayerUpload", **APP)["uploadId"]
        for first in range(0, 3 * parts, 3):
            side.call("", "UploadLayerPart", **part, partFirstByte=first, partLastByte=first + 2)
        side.call(
            f"complete-{step}",
            "CompleteLayerUpload",
            **APP,
            uploadId=part["uploadId"],
            layerDigests=[layer.digest],
        )
    unknown = {**part, "uploadId": UPLOAD, "partFirstByte": 0, "partLastByte": 2}
    side.call("part-of-nothing", "UploadLayerPart", **unknown)
    side.call("complete-of-nothing", "CompleteLayerUpload", **{**empty, "uploadId": UPLOAD})
    side.call("initiate-missing", "InitiateLayerUpload", repositoryName="missing")
    missing = {"repositoryName": "missing", "layerDigests": [MISSING]}
    side.call("check-in-missing", "BatchCheckLayerAvailability", **missing)


def puts(side: Side) -> None:
    """Put images."""
    put(side, "put", "team/app", 1, imageTag="v1")
    side.call("put-again", "PutImage", **APP, imageManifest=text_of(1), imageTag="v1")
    side.call("put-another-tag", "PutImage", **APP, imageManifest=text_of(1), imageTag="first")
    put(side, "put-moves-a-tag", "team/app", 2, imageTag="v1")
    put(side, "put-untagged", "team/app", 3)
    side.call("put-untagged-again", "PutImage", **APP, imageManifest=text_of(3))
    apart = {"repositoryName": "apart"}
    side.call("", "CreateRepository", APART, **apart)
    refused = {**apart, "imageManifest": text_of(9), "imageTag": "v9"}
    side.call("put-without-layers", "PutImage", APART, **refused)
    for blob in image(8)[1:]:
        upload(side, "apart", blob, region=APART)
    other = {**apart, "imageManifest": text_of(8), "imageDigest": MISSING}
    side.call("put-by-another-digest", "PutImage", APART, **other)
    side.call("put-no-json", "PutImage", APART, **apart, imageManifest="{", imageTag="v5")
    side.call("put-no-media-type", "PutImage", APART, **apart, imageManifest="{}")
    side.call("put-missing", "PutImage", repositoryName="missing", imageManifest=text_of(9))


def reads(side: Side) -> None:
    """List, describe, get."""
    side.call("list", "ListImages", **APP)
    for status in ("TAGGED", "UNTAGGED"):
        side.call(f"list-{status.lower()}", "ListImages", **APP, filter={"tagStatus": status})
    page = side.call("", "ListImages", **APP, maxResults=1)
    side.note("list-a-page", {"items": len(page["imageIds"]), "goesOn": "nextToken" in page})
    side.call("list-missing", "ListImages", repositoryName="missing")
    (listed,) = [
        item
        for item in side.call("", "ListImages", **APP)["imageIds"]
        if item.get("imageTag") == "v1"
    ]
    first = side.digest("image 1")
    side.call("images", "DescribeImages", **APP)
    for step, image_id in (("tag", {"imageTag": "v1"}), ("both", listed)):
        side.call(f"image-by-{step}", "DescribeImages", **APP, imageIds=[image_id])
    wrong = {"imageDigest": first, "imageTag": "v1"}
    side.call("image-by-tag-of-another", "DescribeImages", **APP, imageIds=[wrong])
    side.call("image-missing", "DescribeImages", **APP, imageIds=[{"imageTag": "missing"}])
    side.call("images-untagged", "DescribeImages", **APP, filter={"tagStatus": "UNTAGGED"})
    side.call("images-of-missing", "DescribeImages", repositoryName="missing")
    side.call("get", "BatchGetImage", **APP, imageIds=[{"imageTag": "v1"}])
    for step, wanted in (
        ("missing-tag", {"imageTag": "missing"}),
        ("missing-digest", {"imageDigest": MISSING}),
        ("tag-of-another", wrong),
        ("no-digest", {"imageDigest": "no digest"}),
        ("nothing", {}),
    ):
        side.call(f"get-{step}", "BatchGetImage", **APP, imageIds=[wanted])
    side.call("get-of-missing", "BatchGetImage", repositoryName="missing", imageIds=[listed])
    side.call("download", "GetDownloadUrlForLayer", **APP, layerDigest=image(1)[2].digest)
    side.call("check-used", "BatchCheckLayerAvailability", **APP, layerDigests=[image(1)[2].digest])


def immutable_tags(side: Side) -> None:
    """Tags that cannot be moved, and those that are excluded from that."""
    exclusion = [{"filterType": "WILDCARD", "filter": "dev-*"}]
    for setting, filters, tags in (
        ("IMMUTABLE", None, ["v1"]),
        ("IMMUTABLE_WITH_EXCLUSION", exclusion, ["v1", "dev-1", "my-dev-1"]),
        ("MUTABLE_WITH_EXCLUSION", exclusion, ["v1", "dev-1"]),
    ):
        name = {"repositoryName": setting.lower().replace("_", "-")}
        given = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
        side.call("", "CreateRepository", APART, **name, imageTagMutability=setting, **given)
        for number, tag in enumerate(tags):
            step = f"{name['repositoryName']}-{tag}"
            put(side, "", name["repositoryName"], 2 * number, APART, imageTag=tag)
            same = {**name, "imageManifest": text_of(2 * number), "imageTag": tag}
            side.call(f"{step}-same", "PutImage", APART, **same)
            moved = put(side, "", name["repositoryName"], 2 * number + 1, APART, imageTag=tag)
            side.note(f"{step}-moved", {"moved": bool(moved)})
            side.call(
                f"{step}-not-moved",
                "PutImage",
                APART,
                **{**same, "imageManifest": text_of(2 * number + 1)},
            )


def indexes(side: Side) -> None:
    """An index and what it names."""
    name = {"repositoryName": "index"}
    side.call("", "CreateRepository", **name)
    child = image(7)[0]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child.descriptor()]}
    text = json.dumps(body)
    side.call("", "CreateRepository", APART, **name)
    side.call("put-index-without-images", "PutImage", APART, **name, imageManifest=text)
    put(side, "", "index", 7)
    answer = side.call("", "PutImage", **name, imageManifest=text, imageTag="many")
    side.alias(answer["image"]["imageId"]["imageDigest"], "index")
    side.note("put-index", side.normal(answer))
    side.call("index", "DescribeImages", **name, imageIds=[{"imageTag": "many"}])
    part = {"imageDigest": side.digest("image 7")}
    side.call("delete-part-of-index", "BatchDeleteImage", **name, imageIds=[part])


def deletes(side: Side) -> None:
    """Take it all away."""
    side.call("delete-filled-repository", "DeleteRepository", **APP)
    for step, image_id in (
        ("missing-tag", {"imageTag": "missing"}),
        ("missing-digest", {"imageDigest": MISSING}),
        ("no-digest", {"imageDigest": "no digest"}),
        ("nothing", {}),
        ("tag-of-another", {"imageDigest": side.digest("image 1"), "imageTag": "v1"}),
    ):
        side.call(f"delete-{step}", "BatchDeleteImage", **APP, imageIds=[image_id])
    side.call("", "PutImage", **APP, imageManifest=text_of(1), imageTag="one")
    side.call("delete-tag-of-two", "BatchDeleteImage", **APP, imageIds=[{"imageTag": "first"}])
    both = [{"imageDigest": side.digest("image 1")}, {"imageDigest": side.digest("image 3")}]
    side.call("delete-images", "BatchDeleteImage", **APP, imageIds=both)
    side.call("delete-last-tag", "BatchDeleteImage", **APP, imageIds=[{"imageTag": "v1"}])
    side.call("list-after-deletes", "ListImages", **APP)
    missing = {"repositoryName": "missing", "imageIds": [{"imageTag": "v1"}]}
    side.call("delete-images-of-missing", "BatchDeleteImage", **missing)
    side.call("delete-repository", "DeleteRepository", **APP)
    side.call("delete-by-force", "DeleteRepository", repositoryName="index", force=True)
    side.call("list-deleted", "ListImages", **APP)
