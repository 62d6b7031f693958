"""The AWS door itself: what is no call, and what every answer has.

Signatures are tried in ``tests/auth``, bodies and constraints in ``tests/aws``.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecr_emulator.aws import sts
from tests.support.app import ACCOUNT, App
from tests.support.refusals import refusal

TARGET = "AmazonEC2ContainerRegistry_V20150921"
JSON = "application/x-amz-json-1.1"


def test_every_answer_has_an_id_of_its_own(app: App, ecr: Any) -> None:
    ids = set()
    for _ in range(3):
        metadata = ecr.describe_repositories()["ResponseMetadata"]
        assert metadata["HTTPHeaders"]["content-type"] == JSON
        ids.add(metadata["RequestId"])
        with pytest.raises(ClientError) as caught:
            ecr.delete_repository(repositoryName="missing")
        metadata = caught.value.response["ResponseMetadata"]
        assert metadata["HTTPHeaders"]["content-type"] == JSON
        ids.add(metadata["RequestId"])
        ids.add(app.request("POST", "/").headers["x-amzn-RequestId"])
    assert len(ids) == 9
    assert all(str(uuid.UUID(one)) == one for one in ids)


@pytest.mark.parametrize(
    "target",
    [
        "",
        "x",
        "DescribeRepositories",
        f"{TARGET}.",
        f"{TARGET}.NoSuchOperation",
        f"{TARGET}.describeRepositories",
        f"{TARGET}.DescribeRepositories.",
        f"{TARGET}DescribeRepositories",
        f".{TARGET}.DescribeRepositories",
        f"{TARGET}.__class__",
        "AmazonSSM.GetParameter",
        "\xff",
    ],
)
def test_targets_that_there_are_not(app: App, target: str) -> None:
    """Asked before who asks, as whoever misses the service has no other use of the answer."""
    response = app.request("POST", "/", b"{}", {"X-Amz-Target": target, "Content-Type": JSON})
    assert response.status_code == 400
    assert response.get_json(force=True) == {"__type": "UnknownOperationException"}
    response = app.request("POST", "/", b"{}", {"Content-Type": JSON})
    assert response.get_json(force=True) == {"__type": "UnknownOperationException"}


def test_without_credentials(app: App) -> None:
    headers = {"X-Amz-Target": f"{TARGET}.DescribeRepositories", "Content-Type": JSON}
    response = app.request("POST", "/", b"{}", headers)
    assert response.status_code == 400
    assert response.get_json(force=True) == {
        "__type": "MissingAuthenticationTokenException",
        "message": "Missing Authentication Token",
    }


def test_with_a_wrong_secret(app: App) -> None:
    code, message = refusal(app.ecr(secret="wrong").describe_repositories)
    assert code == "InvalidSignatureException"
    assert message.startswith(
        "The request signature we calculated does not match the signature you provided."
    )


def test_with_an_unknown_key(app: App) -> None:
    assert refusal(app.ecr("AKIAUNKNOWN").describe_repositories) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b'"a"', b"\xff", b"{}{}", b"[" * 9999])
def test_bodies_that_are_no_input(app: App, body: bytes) -> None:
    status, answer = app.call("DescribeRepositories", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


def test_how_long_a_body_may_be(app: App) -> None:
    small = app.another_process(max_json_body=1024)
    status, _ = small.call("DescribeRepositories", b"{}" + b" " * 1022)
    assert status == 200
    status, answer = small.call("DescribeRepositories", b"{}" + b" " * 1023)
    assert (status, answer) == (413, {"__type": "RequestEntityTooLargeException"})


def test_a_body_that_is_cut_short(app: App) -> None:
    headers = {"X-Amz-Target": f"{TARGET}.DescribeRepositories", "Content-Type": JSON}
    response = app.request("POST", "/", b"{}", headers, length=100)
    assert response.status_code == 400
    assert response.get_json(force=True) == {"__type": "SerializationException"}


@pytest.mark.parametrize("host", ["a b", 'a"b', "a/b", "a\r\nb", "", "\xff", "a" * 300, "[::1"])
def test_hosts_that_cannot_stand_in_an_address(app: App, host: str) -> None:
    headers = {"X-Amz-Target": f"{TARGET}.DescribeRepositories", "Content-Type": JSON}
    for method, path in [("POST", "/"), ("GET", "/nowhere"), ("GET", "/_emulator/health")]:
        response = app.request(method, path, b"{}", headers, environ={"HTTP_HOST": host})
        assert response.status_code < 500
        assert (path == "/") <= (response.status_code == 400)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_other_methods(app: App, method: str) -> None:
    response = app.request(method, "/")
    assert response.status_code < 500
    assert response.status_code in (400, 404) or method == "OPTIONS"


@pytest.mark.parametrize(
    "path", ["/x", "/v1/", "/v2x", "//", "/..", "/%2e%2e/etc/passwd", "/static/x", "/%00", "/\xe9"]
)
def test_other_paths(app: App, path: str) -> None:
    response = app.request("GET", path)
    assert response.status_code in (308, 404)
    if response.status_code == 404:
        assert response.get_json(force=True) == {"__type": "UnknownOperationException"}


def test_what_breaks_gives_no_stack_trace(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from ecr_emulator.registry.repositories import Repositories

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(Repositories, "page", fail)
    status, answer = app.call("DescribeRepositories", {})
    assert status == 500
    assert "secret" not in json.dumps(answer)
    assert "a secret of ours" in caplog.text


def test_texts_of_any_language(app: App, ecr: Any) -> None:
    """An answer and an error give back what was sent, whatever the alphabet."""
    arn = ecr.create_repository(repositoryName="team/app")["repository"]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "\u4e2d", "Value": "\u00e9\U0001d7d9"}])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [
        {"Key": "\u4e2d", "Value": "\u00e9\U0001d7d9"}
    ]
    _, message = refusal(ecr.get_account_setting, name="\u4e2d\U0001f600" * 40)
    assert "Value '\u4e2d\U0001f600" in message


def test_sts_on_the_same_port(app: App) -> None:
    identity = app.ecr(service="sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_fault_of_ours_in_a_call_of_sts(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients of the Query protocol can read XML alone."""

    def fail(*_: object) -> None:
        raise RuntimeError("to be seen in the log alone")

    monkeypatch.setitem(sts.OPERATIONS, "GetCallerIdentity", fail)
    with pytest.raises(ClientError) as caught:
        app.ecr(service="sts").get_caller_identity()
    error = caught.value.response["Error"]
    assert (error["Code"], error["Type"]) == ("InternalFailure", "Receiver")
    assert error["Message"].startswith("The request processing has failed")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
