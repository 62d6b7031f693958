"""Which requests are for another service; how they are handed on."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest

from ecr_emulator.companions import forwarding
from ecr_emulator.companions.services import ServiceRequest, service_request
from ecr_emulator.wsgi_body import BodyTooLarge, TruncatedBody

V4 = "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/{}/aws4_request, SignedHeaders=host, Signature=0"  # noqa: E501
TARGET = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
QUERY = "X-Amz-Credential=test%2F20260101%2Feu-west-1%2F{}%2Faws4_request&X-Amz-Signature=0"


def environ(**variables: str) -> dict[str, Any]:
    base = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "HTTP_HOST": "127.0.0.1:4566"}
    return {**base, **variables}


@pytest.mark.parametrize(
    ("variables", "service"),
    [
        ({"HTTP_AUTHORIZATION": V4.format("s3")}, "s3"),
        ({"HTTP_AUTHORIZATION": V4.format("sqs"), "HTTP_X_AMZ_TARGET": "AmazonSQS.X"}, "sqs"),
        # A name that no OCI client can have signed for.
        ({"HTTP_AUTHORIZATION": V4.format("ses"), "PATH_INFO": "/v2/email/identities"}, "ses"),
        ({"QUERY_STRING": QUERY.format("s3"), "PATH_INFO": "/bucket/key"}, "s3"),
        ({"HTTP_AUTHORIZATION": "AWS test:c2lnbmF0dXJl", "PATH_INFO": "/bucket/key"}, "s3"),
        ({"QUERY_STRING": "AWSAccessKeyId=test&Signature=x&Expires=1"}, "s3"),
        ({"HTTP_X_AMZ_TARGET": "AWSCognitoIdentityProviderService.SignUp"}, "cognito-idp"),
        ({"HTTP_HOST": "bucket.s3.localhost:4566", "PATH_INFO": "/key"}, "s3"),
        ({"HTTP_HOST": "s3.eu-west-1.amazonaws.com"}, "s3"),
    ],
)
def test_others(variables: dict[str, str], service: str) -> None:
    found = service_request(environ(**variables))
    assert found is not None
    assert found.service == service


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PATH_INFO": "/v2/"},
        {"PATH_INFO": "/v2/", "HTTP_AUTHORIZATION": "Basic QVdTOng="},
        {"HTTP_AUTHORIZATION": V4.format("ecr")},
        {"HTTP_AUTHORIZATION": V4.format("ecr-public")},
        {"HTTP_AUTHORIZATION": V4.format("sts")},
        # What is signed for another service and asks for an operation of ours is a mistake.
        {"HTTP_AUTHORIZATION": V4.format("s3"), "HTTP_X_AMZ_TARGET": TARGET},
        {"HTTP_AUTHORIZATION": V4.format("s3"), "PATH_INFO": "/_emulator/reset"},
        {"HTTP_AUTHORIZATION": V4.format("s3/x")},
        {"HTTP_AUTHORIZATION": V4.format("../s3")},
        {"HTTP_AUTHORIZATION": V4.format("")},
        {"HTTP_AUTHORIZATION": V4.format("s3").replace("eu-west-1", "a" * 26)},
        {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256"},
        {"HTTP_AUTHORIZATION": "Bearer x"},
        {"QUERY_STRING": QUERY.format("sts")},
        {"QUERY_STRING": "AWSAccessKeyId=test"},
        {"HTTP_HOST": "localhost:4566", "PATH_INFO": "/bucket/key"},
        {"HTTP_HOST": "s3", "PATH_INFO": "/bucket/key"},
        {"HTTP_X_AMZ_TARGET": "AmazonSQS.SendMessage"},
    ],
)
def test_not_others(variables: dict[str, str]) -> None:
    assert service_request(environ(**variables)) is None


def test_whose_request_it_is() -> None:
    found = service_request(
        environ(HTTP_AUTHORIZATION=V4.format("s3"), HTTP_X_AMZ_SECURITY_TOKEN="token")
    )
    credential = "test/20260101/eu-west-1/s3/aws4_request"
    assert found == ServiceRequest("s3", "eu-west-1", "test", "token", credential)
    found = service_request(
        environ(QUERY_STRING=QUERY.format("s3") + "&X-Amz-Security-Token=to%2Bken")
    )
    assert found == ServiceRequest("s3", "eu-west-1", "test", "to+ken", credential)


def body(data: bytes, length: int | None = None) -> dict[str, Any]:
    return {"wsgi.input": BytesIO(data), "CONTENT_LENGTH": str(length or len(data))}


def test_what_is_handed_on() -> None:
    signed = "SignedHeaders=host;x-amz-meta-my_key-a;x-amz-meta-b, "
    request = forwarding.forwarded(
        environ(
            PATH_INFO="/b/a b+c%2F\xc3\xa9//../x",
            QUERY_STRING="list-type=2&prefix=a%2Fb",
            HTTP_AUTHORIZATION=V4.format("s3").replace("SignedHeaders=host, ", signed),
            HTTP_X_AMZ_META_MY_KEY_A="1",
            HTTP_X_AMZ_META_B="2",
            HTTP_X_MOTO_ACCOUNT_ID="999999999999",
            HTTP_X_ECR_EMULATOR_SECRET="guess",
            HTTP_EXPECT="100-continue",
            HTTP_CONNECTION="close",
            CONTENT_TYPE="text/plain",
        )
        | body(b"data"),
        "123456789012",
    )
    assert request.target == "/b/a%20b%2Bc%252F%C3%A9//../x?list-type=2&prefix=a%2Fb"
    assert (request.method, request.length, request.body.read()) == ("POST", 4, b"data")
    headers = dict(request.headers)
    assert headers.pop("authorization").startswith("AWS4-HMAC-SHA256 ")
    assert headers == {
        "host": "127.0.0.1:4566",
        "content-type": "text/plain",
        "x-amz-meta-my_key-a": "1",
        "x-amz-meta-b": "2",
        "x-moto-account-id": "123456789012",
    }
    request.body.close()


def test_a_body_is_bounded_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TruncatedBody):
        forwarding.forwarded(environ() | body(b"data", 5), "123456789012")
    monkeypatch.setattr(forwarding, "MAX_BODY", 3)
    with pytest.raises(BodyTooLarge):
        forwarding.forwarded(environ() | body(b"data"), "123456789012")
