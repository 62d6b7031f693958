"""Image ids that can be none, at every operation that takes some."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import xform_name

from tests.support.app import App, app
from tests.support.refusals import refusal

__all__ = ["app"]

#: Operations that take one image id, and what they need besides.
OF_ONE: list[tuple[str, str, dict[str, Any]]] = [
    ("ecr", "DescribeImageReplicationStatus", {}),
    ("ecr", "DescribeImageScanFindings", {}),
    ("ecr", "DescribeImageSigningStatus", {}),
    ("ecr", "StartImageScan", {}),
    ("ecr", "UpdateImageStorageClass", {"targetStorageClass": "ARCHIVE"}),
]
OF_MANY = [
    ("ecr", "DescribeImages"),
    ("ecr", "GetLifecyclePolicyPreview"),
    ("ecr-public", "DescribeImages"),
]
IN_BATCHES = [
    ("ecr", "BatchGetImage"),
    ("ecr", "BatchDeleteImage"),
    ("ecr-public", "BatchDeleteImage"),
]
DIGEST = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+"
TAG = "[a-zA-Z0-9-_.]+"
BAD = [
    ({"imageDigest": ""}, "imageDigest", DIGEST),
    ({"imageDigest": "v1"}, "imageDigest", DIGEST),
    ({"imageDigest": "sha256:\0"}, "imageDigest", DIGEST),
    ({"imageTag": "a b"}, "imageTag", TAG),
    ({"imageTag": "app:v1"}, "imageTag", TAG),
    ({"imageTag": "v\0"}, "imageTag", TAG),
    ({"imageDigest": "sha256:" + "0" * 64, "imageTag": "{}"}, "imageTag", TAG),
]


def client(app: App, service: str) -> Any:
    made = app.ecr(service=service)
    made.create_repository(repositoryName="app")
    return made


@pytest.mark.parametrize(("image_id", "member", "expression"), BAD)
@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        *((service, name, {"imageId": None, **more}) for service, name, more in OF_ONE),
        *((service, name, {"imageIds": None}) for service, name in OF_MANY),
    ],
)
def test_what_is_none_is_refused(
    app: App,
    service: str,
    operation: str,
    params: dict[str, Any],
    image_id: dict[str, str],
    member: str,
    expression: str,
) -> None:
    given = {"imageId": image_id} if "imageId" in params else {"imageIds": [image_id]}
    call = getattr(client(app, service), xform_name(operation))
    # Both texts are seen from DescribeImages, the one for tags from StartImageScan too.
    assert refusal(call, repositoryName="app", **{**params, **given}) == (
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: "
        f"'must satisfy regular expression '{expression}''",
    )


@pytest.mark.parametrize(("image_id", "member", "expression"), BAD)
@pytest.mark.parametrize(("service", "operation"), IN_BATCHES)
def test_what_is_none_is_a_failure_of_a_batch(
    app: App, service: str, operation: str, image_id: dict[str, str], member: str, expression: str
) -> None:
    call = getattr(client(app, service), xform_name(operation))
    answer = call(repositoryName="app", imageIds=[image_id])
    what = "digest" if member == "imageDigest" else "tag"
    assert answer["failures"] == [
        {
            "imageId": image_id,
            "failureCode": f"InvalidImage{what.capitalize()}",
            "failureReason": f"Invalid request parameters: image {what} should satisfy the regex "
            f"'{expression}'",
        }
    ]
