"""ECR Public as a whole: every operation is there, in its one region, for its own service."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ecr_emulator.aws.ecr_public import operations
from tests.aws.ecr_public.answers import not_found
from tests.support.app import ACCOUNT, HOST, REGION, STRANGER, App
from tests.support.refusals import refusal

MODEL = botocore.session.get_session().get_service_model("ecr-public")
DIGEST = "sha256:" + "0" * 64
ARN = f"arn:aws:ecr-public::{ACCOUNT}:repository/team/app"
UPLOAD = "11111111-2222-3333-4444-555555555555"
#: The least that every operation takes.
MINIMAL: dict[str, dict[str, Any]] = {
    "BatchCheckLayerAvailability": {"repositoryName": "team/app", "layerDigests": [DIGEST]},
    "BatchDeleteImage": {"repositoryName": "team/app", "imageIds": [{"imageTag": "1"}]},
    "CompleteLayerUpload": {
        "repositoryName": "team/app",
        "uploadId": UPLOAD,
        "layerDigests": [DIGEST],
    },
    "CreateRepository": {"repositoryName": "team/app"},
    "DeleteRepository": {"repositoryName": "team/app"},
    "DeleteRepositoryPolicy": {"repositoryName": "team/app"},
    "DescribeImageTags": {"repositoryName": "team/app"},
    "DescribeImages": {"repositoryName": "team/app"},
    "DescribeRegistries": {},
    "DescribeRepositories": {},
    "GetAuthorizationToken": {},
    "GetRegistryCatalogData": {},
    "GetRepositoryCatalogData": {"repositoryName": "team/app"},
    "GetRepositoryPolicy": {"repositoryName": "team/app"},
    "InitiateLayerUpload": {"repositoryName": "team/app"},
    "ListTagsForResource": {"resourceArn": ARN},
    "PutImage": {"repositoryName": "team/app", "imageManifest": "{}"},
    "PutRegistryCatalogData": {},
    "PutRepositoryCatalogData": {"repositoryName": "team/app", "catalogData": {}},
    "SetRepositoryPolicy": {
        "repositoryName": "team/app",
        "policyText": '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
        '"Action":"ecr-public:PutImage"}]}',
    },
    "TagResource": {"resourceArn": ARN, "tags": []},
    "UntagResource": {"resourceArn": ARN, "tagKeys": []},
    "UploadLayerPart": {
        "repositoryName": "team/app",
        "uploadId": UPLOAD,
        "partFirstByte": 0,
        "partLastByte": 0,
        "layerPartBlob": b"x",
    },
}


def test_every_operation_of_the_model_is_served() -> None:
    assert operations.missing() == []
    assert operations.service.operations.keys() == MINIMAL.keys()


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1"])
@pytest.mark.parametrize("name", MINIMAL)
def test_elsewhere_than_in_us_east_1_no_operation_is_supported(
    app: App, name: str, region: str
) -> None:
    # The text is seen from us-west-2, the one other region that has an endpoint.
    client = app.ecr(service="ecr-public", region=region)
    assert refusal(getattr(client, xform_name(name)), **MINIMAL[name]) == (
        "UnsupportedCommandException",
        f"{name} command is only supported in us-east-1.",
    )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, given in MINIMAL.items()
        if "repositoryName" in given and name != "CreateRepository"
    ],
)
def test_every_operation_on_a_repository_knows_when_there_is_none(public: Any, name: str) -> None:
    assert refusal(getattr(public, xform_name(name)), **MINIMAL[name]) == not_found(
        "team/app", ACCOUNT
    )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, given in MINIMAL.items()
        if "registryId" in MODEL.operation_model(name).input_shape.members
    ],
)
def test_every_operation_on_a_registry_refuses_strangers(
    app: App, public: Any, repository: str, name: str
) -> None:
    stranger = app.ecr(STRANGER, service="ecr-public")
    given = {**MINIMAL[name], "registryId": ACCOUNT}
    code, message = refusal(getattr(stranger, xform_name(name)), **given)
    assert code == "AccessDeniedException"
    assert message.startswith(
        f"User: arn:aws:iam::{STRANGER}:root is not authorized to perform: ecr-public:{name} on "
    )


@pytest.mark.parametrize(
    ("signed_for", "target"),
    [("ecr", "SpencerFrontendService"), ("ecr-public", "AmazonEC2ContainerRegistry_V20150921")],
)
def test_each_service_wants_signatures_of_its_own(app: App, signed_for: str, target: str) -> None:
    request = AWSRequest(
        "POST",
        f"http://{HOST}/",
        {
            "X-Amz-Target": f"{target}.DescribeRepositories",
            "Content-Type": "application/x-amz-json-1.1",
        },
        b"{}",
    )
    SigV4Auth(Credentials(ACCOUNT, "test"), signed_for, REGION).add_auth(request)
    answer = app.request("POST", "/", b"{}", dict(request.headers.items()))
    assert answer.status_code == 400
    assert answer.get_json(force=True)["__type"] == "InvalidSignatureException"
    other = "ecr" if signed_for == "ecr-public" else "ecr-public"
    assert f"Credential should be scoped to correct service: '{other}'." in answer.text
