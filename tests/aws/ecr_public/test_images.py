"""PutImage, BatchDeleteImage, DescribeImages, DescribeImageTags.

Sources: the service model (shapes of the answers); samples of the AWS CLI; texts of refusals as
in private registries.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.aws.ecr_public.answers import constraint, members, not_found
from tests.support.app import ACCOUNT, App, json_blob
from tests.support.images import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    make_image,
    make_index,
    sha256,
)
from tests.support.refusals import refusal


@pytest.fixture
def image(app: App, alias: str, repository: str) -> Image:
    """An image in the repository, with the tags ``v1`` and ``latest``."""
    made = make_image()
    for tag in ("v1", "latest"):
        app.oci().push(f"public.ecr.aws/{alias}/{repository}", made, tag)
    return made


def push(app: App, alias: str, repository: str, tag: str = "") -> Image:
    made = make_image()
    app.oci().push(f"public.ecr.aws/{alias}/{repository}", made, tag)
    return made


def described(image: Image) -> dict[str, Any]:
    """Return what both descriptions say of an image, but for the time."""
    return {
        "imageDigest": image.manifest.digest,
        "imageSizeInBytes": image.size,
        "imageManifestMediaType": OCI_MANIFEST,
        "artifactMediaType": OCI_CONFIG,
    }


def test_put(app: App, public: Any, alias: str, repository: str) -> None:
    image = push(app, alias, repository)
    answer = public.put_image(
        registryId=alias,
        repositoryName=repository,
        imageManifest=image.manifest.data.decode(),
        imageManifestMediaType=OCI_MANIFEST,
        imageTag="v1",
        imageDigest=image.manifest.digest,
    )
    assert members(answer) == {
        "image": {
            "registryId": ACCOUNT,
            "repositoryName": repository,
            "imageId": {"imageDigest": image.manifest.digest, "imageTag": "v1"},
            "imageManifest": image.manifest.data.decode(),
            "imageManifestMediaType": OCI_MANIFEST,
        }
    }


def test_put_moves_a_tag(app: App, public: Any, image: Image, alias: str, repository: str) -> None:
    # Public repositories have no setting for immutable tags.
    other = push(app, alias, repository)
    public.put_image(
        repositoryName=repository, imageManifest=other.manifest.data.decode(), imageTag="v1"
    )
    tags = {
        item["imageTag"]: item["imageDetail"]["imageDigest"]
        for item in public.describe_image_tags(repositoryName=repository)["imageTagDetails"]
    }
    assert tags == {"latest": image.manifest.digest, "v1": other.manifest.digest}


def test_put_what_is_there(public: Any, image: Image, repository: str) -> None:
    given = {"repositoryName": repository, "imageManifest": image.manifest.data.decode()}
    assert refusal(public.put_image, **given, imageTag="v1") == (
        "ImageAlreadyExistsException",
        f"Image with digest '{image.manifest.digest}' and tag 'v1' already exists in the "
        f"repository with name '{repository}' in registry with id '{ACCOUNT}'",
    )


def test_put_by_another_digest(public: Any, image: Image, repository: str) -> None:
    stated = sha256(b"")
    assert refusal(
        public.put_image,
        repositoryName=repository,
        imageManifest=image.manifest.data.decode(),
        imageDigest=stated,
    ) == (
        "ImageDigestDoesNotMatchException",
        f"The provided image digest '{stated}' does not match the calculated image digest "
        f"'{image.manifest.digest}'",
    )


def test_put_without_its_parts(public: Any, repository: str) -> None:
    image = make_image(layers=1)
    config, layer = image.config.digest, image.layers[0].digest
    assert refusal(
        public.put_image, repositoryName=repository, imageManifest=image.manifest.data.decode()
    ) == (
        "LayersNotFoundException",
        f"Layers with digests '[{config}, {layer}]' required for pushing image into repository "
        f"with name '{repository}' in the registry with id '{ACCOUNT}' do not exist",
    )
    index = make_index([image])
    assert refusal(
        public.put_image, repositoryName=repository, imageManifest=index.manifest.data.decode()
    ) == (
        "ReferencedImagesNotFoundException",
        f"Images with digests '[{image.manifest.digest}]' required for pushing image into "
        f"repository with name '{repository}' in the registry with id '{ACCOUNT}' do not exist",
    )


@pytest.mark.parametrize("manifest", ["{", "[]", "null", '{"schemaVersion": 2}'])
def test_put_no_manifest(public: Any, repository: str, manifest: str) -> None:
    code, _ = refusal(
        public.put_image,
        repositoryName=repository,
        imageManifest=manifest,
        imageManifestMediaType=OCI_MANIFEST,
    )
    assert code == "InvalidParameterException"


def test_delete(public: Any, image: Image, repository: str) -> None:
    digest = image.manifest.digest
    answer = public.batch_delete_image(
        repositoryName=repository,
        imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}, {"imageDigest": "x"}, {}],
    )
    assert members(answer) == {
        "imageIds": [{"imageDigest": digest, "imageTag": "v1"}],
        "failures": [
            {
                "imageId": {"imageTag": "none"},
                "failureCode": "ImageNotFound",
                "failureReason": "Requested image not found",
            },
            {
                "imageId": {"imageDigest": "x"},
                "failureCode": "InvalidImageDigest",
                "failureReason": "Invalid request parameters: image digest should satisfy the "
                "regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            },
            {
                "imageId": {},
                "failureCode": "MissingDigestAndTag",
                "failureReason": "Invalid request parameters: both tag and digest cannot be null",
            },
        ],
    }
    # The image goes with its last tag (samples of the AWS CLI).
    answer = public.batch_delete_image(
        repositoryName=repository, imageIds=[{"imageDigest": digest}]
    )
    assert members(answer) == {
        "imageIds": [{"imageDigest": digest, "imageTag": "latest"}],
        "failures": [],
    }
    assert public.describe_images(repositoryName=repository)["imageDetails"] == []


def test_delete_in_a_registry_that_is_not_there(public: Any, repository: str) -> None:
    # RegistryNotFoundException is not among the operation's errors.
    assert refusal(
        public.batch_delete_image,
        registryId="nobody",
        repositoryName=repository,
        imageIds=[{"imageTag": "v1"}],
    ) == not_found(repository, "nobody")


def test_delete_a_part_of_an_index(app: App, public: Any, alias: str, repository: str) -> None:
    index = make_index([make_image(), make_image()])
    app.oci().push(f"public.ecr.aws/{alias}/{repository}", index, "1")
    child = index.images[0].manifest.digest
    answer = public.batch_delete_image(repositoryName=repository, imageIds=[{"imageDigest": child}])
    assert members(answer) == {
        "imageIds": [],
        "failures": [
            {
                "imageId": {"imageDigest": child},
                "failureCode": "ImageReferencedByManifestList",
                "failureReason": "Requested image referenced by manifest list: "
                f"[{index.manifest.digest}]",
            }
        ],
    }


def test_describe(app: App, public: Any, image: Image, alias: str, repository: str) -> None:
    app.clock.advance(timedelta(minutes=5))
    untagged = push(app, alias, repository)
    details = public.describe_images(repositoryName=repository)["imageDetails"]
    times = [detail.pop("imagePushedAt") for detail in details]
    assert times[1] - times[0] == timedelta(minutes=5)
    registry = {"registryId": ACCOUNT, "repositoryName": repository}
    assert details == [
        {**registry, **described(image), "imageTags": ["latest", "v1"]},
        {**registry, **described(untagged)},
    ]


def test_describe_by_name(app: App, public: Any, image: Image, alias: str, repository: str) -> None:
    push(app, alias, repository, "other")
    digest = image.manifest.digest
    for image_id in ({"imageTag": "v1"}, {"imageDigest": digest}):
        answer = members(public.describe_images(repositoryName=repository, imageIds=[image_id]))
        (detail,) = answer.pop("imageDetails")
        assert detail["imageDigest"] == digest
        assert answer == {}
    assert refusal(
        public.describe_images, repositoryName=repository, imageIds=[{"imageTag": "none"}]
    ) == (
        "ImageNotFoundException",
        "The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the "
        f"repository with name '{repository}' in the registry with id '{ACCOUNT}'",
    )


def test_an_index_counts_as_its_largest_part(
    app: App, public: Any, alias: str, repository: str
) -> None:
    index = make_index([make_image(size=10), make_image(size=5000)])
    app.oci().push(f"public.ecr.aws/{alias}/{repository}", index, "1")
    (detail,) = public.describe_images(repositoryName=repository, imageIds=[{"imageTag": "1"}])[
        "imageDetails"
    ]
    assert detail["imageManifestMediaType"] == OCI_INDEX
    assert detail["imageSizeInBytes"] == max(image.size for image in index.images)
    assert "artifactMediaType" not in detail


def test_describe_by_pages(app: App, public: Any, alias: str, repository: str) -> None:
    pushed = [push(app, alias, repository).manifest.digest for _ in range(5)]
    pages = public.get_paginator("describe_images").paginate(
        repositoryName=repository, PaginationConfig={"PageSize": 2}
    )
    found = [[item["imageDigest"] for item in page["imageDetails"]] for page in pages]
    assert found == [pushed[:2], pushed[2:4], pushed[4:]]


@pytest.mark.parametrize("paging", [{"maxResults": 1}, {"nextToken": "x"}])
def test_names_and_pages_do_not_go_together(
    public: Any, image: Image, repository: str, paging: dict[str, Any]
) -> None:
    (member,) = paging
    assert refusal(
        public.describe_images,
        repositoryName=repository,
        imageIds=[{"imageTag": "v1"}],
        **paging,
    ) == constraint(member, f"{member} cannot be used when imageIds is specified")


def test_describe_tags(app: App, public: Any, image: Image, repository: str) -> None:
    pushed = public.describe_images(repositoryName=repository)["imageDetails"][0]["imagePushedAt"]
    app.clock.advance(timedelta(minutes=5))
    public.put_image(
        repositoryName=repository, imageManifest=image.manifest.data.decode(), imageTag="again"
    )
    answer = public.describe_image_tags(repositoryName=repository, registryId=ACCOUNT)
    detail = {**described(image), "imagePushedAt": pushed}
    assert members(answer) == {
        "imageTagDetails": [
            {
                "imageTag": tag,
                "createdAt": pushed + timedelta(minutes=5 if tag == "again" else 0),
                "imageDetail": detail,
            }
            for tag in ("again", "latest", "v1")
        ]
    }


def test_describe_tags_where_there_are_none(
    app: App, public: Any, alias: str, repository: str
) -> None:
    push(app, alias, repository)
    answer = public.describe_image_tags(repositoryName=repository)
    assert members(answer) == {"imageTagDetails": []}


def test_describe_tags_by_pages(public: Any, image: Image, repository: str) -> None:
    names = [f"t{number}" for number in range(5)]
    for name in names:
        public.put_image(
            repositoryName=repository, imageManifest=image.manifest.data.decode(), imageTag=name
        )
    pages = public.get_paginator("describe_image_tags").paginate(
        repositoryName=repository, PaginationConfig={"PageSize": 3}
    )
    found = [[item["imageTag"] for item in page["imageTagDetails"]] for page in pages]
    assert found == [["latest", "t0", "t1"], ["t2", "t3", "t4"], ["v1"]]
    token = public.describe_image_tags(repositoryName=repository, maxResults=1)["nextToken"]
    invalid = constraint("NextToken", "Invalid next token provided")
    for call in (public.describe_images, public.describe_repositories):
        given = {} if call == public.describe_repositories else {"repositoryName": repository}
        assert refusal(call, **given, nextToken=token) == invalid


def test_a_tag_for_what_is_no_image_at_all(
    app: App, public: Any, alias: str, repository: str
) -> None:
    """Artifacts (charts, signatures) are stored as in private registries."""
    caller = app.oci()
    name = f"public.ecr.aws/{alias}/{repository}"
    config = caller.push_blob(name, b"{}")
    manifest = json_blob(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.example.chart",
            "config": {
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": config,
                "size": 2,
            },
            "layers": [],
        },
    )
    caller.push(name, manifest, "chart")
    (detail,) = public.describe_images(repositoryName=repository)["imageDetails"]
    assert detail["artifactMediaType"] == "application/vnd.example.chart"
