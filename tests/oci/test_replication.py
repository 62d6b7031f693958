"""What another emulator's replication may ask of the door, and what anybody else may not.

That it works between two emulators is tried in ``tests/clients/test_replication_elsewhere.py``.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller
from tests.support.images import OCI_MANIFEST, Image, make_image

FROM = {"X-Ecr-Emulator-Replicates-From": "eu-west-1"}
CODE = "X-Ecr-Emulator-Failure-Code"
ABSENT = "sha256:" + "0" * 64


def push(oci: OciCaller, repository: str, image: Image, tag: str, **headers: str) -> None:
    """Push an image as replication does."""
    for blob in image.blobs:
        begun = oci.expect(202, "POST", f"/v2/{repository}/blobs/uploads/", b"", FROM)
        path = f"{begun.headers['Location']}?digest={blob.digest}"
        oci.expect(201, "PUT", path, blob.data, FROM)
    path = f"/v2/{repository}/manifests/{tag}?digest={image.manifest.digest}"
    sent = {**FROM, "Content-Type": OCI_MANIFEST, **headers}
    oci.expect(201, "PUT", path, image.manifest.data, sent)


def test_the_repository_is_made_and_nothing_tells_of_a_push(app: App, ecr: Any) -> None:
    oci, image = app.oci(), make_image()
    push(oci, "team/app", image, "v1", **{"X-Ecr-Emulator-Replicated-Tag": "v1"})
    oci.expect(200, "HEAD", f"/v2/team/app/manifests/{image.manifest.digest}", b"", FROM)
    assert oci.expect(200, "GET", "/v2/team/app/manifests/v1").data == image.manifest.data
    events = app.request("GET", "/_emulator/events").get_json()["events"]
    assert [item["event"]["detail-type"] for item in events] == ["ECR Replication Action"]
    assert events[0]["event"]["detail"]["source-region"] == "eu-west-1"


def test_a_part_of_an_index_is_not_told_of(app: App) -> None:
    push(app.oci(), "team/app", make_image(), "v1")
    assert app.request("GET", "/_emulator/events").get_json()["events"] == []


def test_another_account_needs_the_registry_policy(app: App, ecr: Any) -> None:
    sender = app.oci(STRANGER, registry=ACCOUNT)
    refused = sender.expect(403, "POST", "/v2/team/app/blobs/uploads/", b"", FROM)
    assert refused.headers[CODE] == "AccessDenied"
    refused = sender.expect(403, "HEAD", f"/v2/team/app/blobs/{ABSENT}", b"", FROM)
    assert refused.headers[CODE] == "AccessDenied"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    ecr.put_registry_policy(policyText=policy)
    push(sender, "team/app", make_image(), "v1")
    refused = sender.expect(403, "POST", "/v2/other/app/blobs/uploads/", b"", FROM)
    assert refused.headers[CODE] == "AccessDenied"
    # What the policy lets replication do, it lets nobody do otherwise.
    sender.expect(403, "POST", "/v2/team/app/blobs/uploads/")


@pytest.mark.parametrize(
    "region", ["", REGION, "public", "cn-north-1", "no region", "../..", "e" * 99]
)
def test_no_such_source(app: App, region: str) -> None:
    headers = {"X-Ecr-Emulator-Replicates-From": region}
    path = "/v2/team/app/blobs/uploads/"
    answer = app.oci().expect(400, "POST", path, b"", headers)
    assert answer.headers[CODE] == "InvalidParameter"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", f"manifests/{ABSENT}"), ("PATCH", f"blobs/uploads/{'0' * 32}"), ("GET", "tags/list")],
)
def test_what_replication_never_asks(app: App, method: str, path: str) -> None:
    app.oci().refused(405, "UNSUPPORTED", method, f"/v2/team/app/{path}", b"", FROM)


def test_manifests_that_are_not_what_they_are_said_to_be(app: App) -> None:
    oci, image = app.oci(), make_image()
    data = image.manifest.data
    oci.refused(400, "DIGEST_INVALID", "PUT", "/v2/app/manifests/v1", data, FROM)
    answer = oci.expect(400, "PUT", f"/v2/app/manifests/{ABSENT}", data, FROM)
    assert answer.headers[CODE] == "ImageDigestDoesNotMatch"
    path = f"/v2/app/manifests/{image.manifest.digest}"
    answer = oci.expect(404, "PUT", path, data, {**FROM, "Content-Type": OCI_MANIFEST})
    assert answer.headers[CODE] == "LayersNotFound"


def test_deletes(app: App, ecr: Any) -> None:
    oci, image = app.oci(), make_image()
    push(oci, "app", image, "v1")
    digest = image.manifest.digest
    # The tag is another image's by now.
    oci.expect(202, "DELETE", f"/v2/app/manifests/v1?digest={ABSENT}", b"", FROM)
    assert oci.expect(200, "GET", "/v2/app/tags/list").get_json()["tags"] == ["v1"]
    oci.expect(202, "DELETE", f"/v2/app/manifests/v1?digest={digest}", b"", FROM)
    assert ecr.list_images(repositoryName="app")["imageIds"] == [{"imageDigest": digest}]
    oci.expect(202, "DELETE", f"/v2/app/manifests/{digest}", b"", FROM)
    assert ecr.list_images(repositoryName="app")["imageIds"] == []
    oci.expect(202, "DELETE", f"/v2/gone/manifests/{digest}", b"", FROM)
