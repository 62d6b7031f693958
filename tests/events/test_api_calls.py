"""Records of API calls. Source: ECR user guide, "Logging Amazon ECR actions with CloudTrail"."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_emulator.auth.principals import Principal, Session, root_principal
from ecr_emulator.auth.user_identity import user_identity
from ecr_emulator.registry.event_bodies import API_CALL
from tests.events.support import ARN, listing, logged
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller
from tests.support.images import make_image
from tests.support.public import BearerCaller, anonymous, public_token

ROOT = {
    "type": "Root",
    "principalId": ACCOUNT,
    "arn": f"arn:aws:iam::{ACCOUNT}:root",
    "accountId": ACCOUNT,
}


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[App]:
    """An application that records API calls."""
    made = App(tmp_path / "data", api_call_events=True)
    yield made
    made.close()


def records(app: App, **query: Any) -> list[dict[str, Any]]:
    found = logged(app, detail_type="AWS API Call via CloudTrail", **query)
    assert all(event["resources"] == [] for event in found)
    return [event["detail"] for event in found]


def names(app: App) -> list[str]:
    return [record["eventName"] for record in records(app)]


def test_a_call(recording: App) -> None:
    answer = recording.ecr().create_repository(repositoryName="app", imageTagMutability="IMMUTABLE")
    (event,) = logged(recording)
    assert event["account"] == ACCOUNT
    record = event["detail"]
    assert record.pop("responseElements")["repository"]["repositoryArn"] == ARN
    assert record.pop("userAgent").startswith("Boto3/")
    assert record == {
        "eventVersion": "1.08",
        "userIdentity": ROOT,
        "eventTime": event["time"],
        "eventSource": "ecr.amazonaws.com",
        "eventName": "CreateRepository",
        "awsRegion": REGION,
        "sourceIPAddress": record["sourceIPAddress"],
        "requestParameters": {"repositoryName": "app", "imageTagMutability": "IMMUTABLE"},
        "requestID": answer["ResponseMetadata"]["RequestId"],
        "eventID": record["eventID"],
        "readOnly": False,
        "resources": [{"ARN": ARN, "accountId": ACCOUNT}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }


def test_refusals(recording: App) -> None:
    with pytest.raises(ClientError) as missing:
        recording.ecr().describe_images(repositoryName="none")
    with pytest.raises(ClientError):
        recording.ecr(STRANGER).describe_images(repositoryName="app", registryId=ACCOUNT)
    status, _ = recording.call("CreateRepository", b'{"repositoryName": ')
    assert status == 400
    first, denied, broken = records(recording)
    assert first["errorCode"] == "RepositoryNotFoundException"
    assert first["errorMessage"] == missing.value.response["Error"]["Message"]
    assert first["responseElements"] is None
    assert denied["errorCode"] == "AccessDenied"
    assert denied["recipientAccountId"] == STRANGER
    assert denied["resources"] == [{"ARN": ARN, "accountId": ACCOUNT}]
    assert broken["errorCode"] == "SerializationException"
    assert broken["requestParameters"] is None


def test_neither_tokens_nor_layers_are_in_a_record(recording: App) -> None:
    ecr = recording.ecr()
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    ecr.create_repository(repositoryName="app")
    upload = ecr.initiate_layer_upload(repositoryName="app")["uploadId"]
    ecr.upload_layer_part(
        repositoryName="app",
        uploadId=upload,
        partFirstByte=0,
        partLastByte=5,
        layerPartBlob=b"secret",
    )
    found = {record["eventName"]: record for record in records(recording)}
    assert found["GetAuthorizationToken"]["responseElements"] is None
    assert found["GetAuthorizationToken"]["readOnly"] is True
    assert found["UploadLayerPart"]["requestParameters"] == {
        "repositoryName": "app",
        "uploadId": upload,
        "partFirstByte": 0,
        "partLastByte": 5,
    }
    assert token not in json.dumps(list(found.values()))


def test_large_and_odd_parameters(recording: App) -> None:
    policy = json.dumps({"Version": "2012-10-17", "Statement": [], "Id": "x" * 200_000})
    recording.call("SetRepositoryPolicy", {"repositoryName": "app", "policyText": policy})
    recording.call("CreateRepository", b'{"repositoryName": "app", "a": 1e999}')
    recording.call("CreateRepository", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}")
    large, infinite, deep = records(recording)
    assert large["requestParameters"] == {"omitted": True, "reason": "more than 100 KB"}
    assert infinite["requestParameters"] is None
    assert deep["requestParameters"] is None


def test_what_docker_does(recording: App) -> None:
    recording.ecr().create_repository(repositoryName="app")
    oci, image = recording.oci(), make_image(1, 100)
    before = len(records(recording))
    location = oci.start_upload("app")
    oci.expect(202, "PATCH", location, image.config.data)
    oci.expect(201, "PUT", f"{location}?digest={image.config.digest}")
    oci.push("app", image, "v1")
    oci.expect(200, "HEAD", "/v2/app/manifests/v1")
    oci.expect(200, "GET", f"/v2/app/blobs/{image.config.digest}")
    oci.expect(200, "GET", "/v2/app/tags/list")
    oci.expect(200, "GET", "/v2/")
    oci.expect(404, "GET", "/v2/none/manifests/v1")
    found = records(recording)[before:]
    assert [record["eventName"] for record in found] == [
        "InitiateLayerUpload",
        "UploadLayerPart",
        "CompleteLayerUpload",
        "InitiateLayerUpload",
        "InitiateLayerUpload",
        "PutImage",
        "BatchGetImage",
        "GetDownloadUrlForLayer",
        "ListImages",
        "BatchGetImage",
    ]
    put, missing = found[5], found[-1]
    assert put["userIdentity"] == ROOT
    assert put["requestParameters"] == {
        "registryId": ACCOUNT,
        "repositoryName": "app",
        "imageTag": "v1",
    }
    assert put["resources"] == [{"ARN": ARN, "accountId": ACCOUNT}]
    assert found[2]["requestParameters"]["layerDigests"] == [image.config.digest]
    assert missing["errorCode"] == "RepositoryNotFoundException"
    assert missing["requestParameters"]["imageIds"] == [{"imageTag": "v1"}]


def test_public_calls(recording: App) -> None:
    recording.ecr(service="ecr-public").create_repository(repositoryName="app")
    (event,) = logged(recording, source="aws.ecr-public")
    assert event["region"] == "us-east-1"
    assert event["detail"]["eventSource"] == "ecr-public.amazonaws.com"
    assert event["detail"]["awsRegion"] == "us-east-1"
    assert event["detail"]["resources"] == [
        {"ARN": f"arn:aws:ecr-public::{ACCOUNT}:repository/app", "accountId": ACCOUNT}
    ]


def test_a_record_is_the_callers(recording: App) -> None:
    """By either door: the registry may be another account's."""
    recording.ecr().create_repository(repositoryName="app")
    with pytest.raises(ClientError):
        recording.ecr(STRANGER).list_images(repositoryName="app", registryId=ACCOUNT)
    recording.oci(STRANGER, registry=ACCOUNT).expect(403, "GET", "/v2/app/tags/list")
    calls = [record for record in records(recording) if record["eventName"] == "ListImages"]
    assert [record["recipientAccountId"] for record in calls] == [STRANGER, STRANGER]
    for record in calls:
        assert record["errorCode"] == "AccessDenied"
        assert record["userIdentity"]["accountId"] == STRANGER
        assert record["resources"] == [{"ARN": ARN, "accountId": ACCOUNT}]


def public_calls(app: App) -> list[dict[str, Any]]:
    events = [entry["event"] for entry in listing(app, detail_type=API_CALL)["events"]]
    return [event["detail"] for event in events if event["source"] == "aws.ecr-public"]


@pytest.mark.parametrize("own_host", [True, False])
def test_what_docker_does_with_public_repositories(recording: App, own_host: bool) -> None:
    public = recording.ecr(service="ecr-public")
    public.create_repository(repositoryName="app")
    (registry,) = public.describe_registries()["registries"]
    alias, image = registry["aliases"][0]["name"], make_image(1, 100)
    if own_host:
        owner, name = BearerCaller(recording, public_token(recording)), f"{alias}/app"
        anyone: OciCaller = anonymous(recording)
    else:
        owner, name = recording.oci(), f"public.ecr.aws/{alias}/app"
        anyone = OciCaller(recording, None)
    before = len(public_calls(recording))
    owner.push(name, image, "v1")
    anyone.expect(200, "GET", f"/v2/{name}/manifests/v1")
    anyone.expect(200, "GET", f"/v2/{name}/blobs/{image.config.digest}")
    anyone.request("POST", f"/v2/{name}/blobs/uploads/")
    anyone.expect(404, "GET", f"/v2/{name}/manifests/none")
    found = public_calls(recording)[before:]
    assert [record["eventName"] for record in found] == [
        "InitiateLayerUpload",
        "InitiateLayerUpload",
        "PutImage",
        "BatchGetImage",
        "GetDownloadUrlForLayer",
        "InitiateLayerUpload",
        "BatchGetImage",
    ]
    put, pull, refused, missing = found[2], found[3], found[5], found[6]
    assert put["eventSource"] == "ecr-public.amazonaws.com"
    assert (put["awsRegion"], put["recipientAccountId"]) == ("us-east-1", ACCOUNT)
    assert put["userIdentity"] == ROOT
    assert put["resources"] == [
        {"ARN": f"arn:aws:ecr-public::{ACCOUNT}:repository/app", "accountId": ACCOUNT}
    ]
    assert pull["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": "",
        "accountId": "ANONYMOUS_PRINCIPAL",
    }
    assert pull["readOnly"] is True
    assert refused["errorCode"] == "AccessDenied"
    assert missing["errorCode"] == "ImageNotFoundException"


class TestSts:
    def test_who_am_i(self, recording: App) -> None:
        answer = recording.ecr(service="sts").get_caller_identity()
        (event,) = logged(recording, source="aws.sts")
        record = event["detail"]
        assert (event["account"], event["region"]) == (ACCOUNT, REGION)
        assert record["eventSource"] == "sts.amazonaws.com"
        assert record["eventName"] == "GetCallerIdentity"
        assert record["awsRegion"] == REGION
        assert record["userIdentity"] == ROOT
        assert record["requestID"] == answer["ResponseMetadata"]["RequestId"]
        assert (record["requestParameters"], record["responseElements"]) == (None, None)
        assert (record["readOnly"], record["resources"]) == (True, [])
        assert "errorCode" not in record

    def test_credentials(self, recording: App) -> None:
        """No secret is in a record, and no session token."""
        sts = recording.ecr(service="sts")
        credentials = sts.get_session_token(DurationSeconds=900)["Credentials"]
        (event,) = logged(recording, source="aws.sts")
        record = event["detail"]
        assert record["requestParameters"] == {"durationSeconds": 900}
        shown = record["responseElements"]["credentials"]
        assert shown["accessKeyId"] == credentials["AccessKeyId"]
        assert re.fullmatch(r"[A-Z][a-z]{2} \d+, \d{4}, \d+:\d\d:\d\d [AP]M", shown["expiration"])
        text = json.dumps(event)
        assert credentials["SecretAccessKey"] not in text
        assert credentials["SessionToken"] not in text

    def test_a_role(self, recording: App) -> None:
        arn = f"arn:aws:iam::{ACCOUNT}:role/build/ci"
        sts = recording.ecr(service="sts")
        with pytest.raises(ClientError) as denied:
            sts.assume_role(RoleArn=arn, RoleSessionName="run-1")
        with pytest.raises(ClientError):
            sts.assume_role(RoleArn="x" * 20, RoleSessionName="run-1")
        first, second = (event["detail"] for event in logged(recording, source="aws.sts"))
        assert first["errorCode"] == "AccessDenied"
        assert first["errorMessage"] == denied.value.response["Error"]["Message"]
        assert first["requestParameters"] == {"roleArn": arn, "roleSessionName": "run-1"}
        assert first["responseElements"] is None
        assert first["resources"] == [{"ARN": arn, "accountId": ACCOUNT, "type": "AWS::IAM::Role"}]
        assert (second["errorCode"], second["resources"]) == ("ValidationError", [])


def test_nothing_is_recorded_unasked(app: App) -> None:
    app.ecr().create_repository(repositoryName="app")
    app.oci().expect(404, "GET", "/v2/app/manifests/v1")
    app.ecr(service="sts").get_caller_identity()
    assert logged(app) == []


@pytest.mark.parametrize(
    ("principal", "identity"),
    [
        (root_principal(ACCOUNT), ROOT),
        (
            Principal(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/eve", "AIDAEVE"),
            {
                "type": "IAMUser",
                "principalId": "AIDAEVE",
                "arn": f"arn:aws:iam::{ACCOUNT}:user/team/eve",
                "accountId": ACCOUNT,
                "userName": "eve",
            },
        ),
        (
            Principal(
                ACCOUNT,
                f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run-1",
                "AROACI:run-1",
                Session(identity_arn=f"arn:aws:iam::{ACCOUNT}:role/build/ci"),
            ),
            {
                "type": "AssumedRole",
                "principalId": "AROACI:run-1",
                "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run-1",
                "accountId": ACCOUNT,
                "sessionContext": {
                    "sessionIssuer": {
                        "type": "Role",
                        "principalId": "AROACI",
                        "arn": f"arn:aws:iam::{ACCOUNT}:role/build/ci",
                        "accountId": ACCOUNT,
                        "userName": "ci",
                    }
                },
            },
        ),
    ],
)
def test_identities(principal: Principal, identity: dict[str, Any]) -> None:
    assert user_identity(principal) == identity
