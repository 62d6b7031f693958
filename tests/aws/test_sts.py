"""STS, asked by botocore's own client and signers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError

from ecr_emulator.auth.access import Access
from ecr_emulator.auth.credentials import (
    AccessKey,
    ChainedCredentials,
    KnownCredentials,
    TemporaryCredentials,
)
from ecr_emulator.auth.identities import Identities
from ecr_emulator.auth.origins import Origins
from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.sigv4 import SignatureVerifier, SignedRequest
from ecr_emulator.aws.sts import StsServices, handle_query
from ecr_emulator.clock import SettableClock
from ecr_emulator.db.engine import Database
from ecr_emulator.policy.context import Origin
from ecr_emulator.registry.api_calls import ApiCalls
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.event_queue import DeliveryQueue
from tests.auth.signing import NOW, URL, signed

ANN = Principal("123456789012", "arn:aws:iam::123456789012:user/ann", "AIDAANN")
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef"


class Sts:
    """An STS whose clock can be moved."""

    def __init__(self, now: datetime) -> None:
        self.clock = SettableClock(now)
        self.temporary = TemporaryCredentials(b"an installation's secret", self.clock)
        ann = AccessKey("AKIAANN", "ann's secret", ANN)
        known = KnownCredentials({"AKIAANN": ann})
        self.verifier = SignatureVerifier(ChainedCredentials(known, self.temporary), self.clock)
        # Nothing here asks for identities: the database is never opened.
        database = Database("sqlite://")
        identities = Identities(database, self.clock)
        access = Access(database, identities, Origins(), self.clock)
        log = EventLog(database, self.clock, DeliveryQueue([]))
        calls = ApiCalls(log, self.clock, enabled=False)
        self.services = StsServices(self.temporary, access, identities, self.clock, calls)

    def answer(self, request: SignedRequest) -> tuple[int, str, dict[str, str]]:
        return handle_query(request, self.verifier, self.services, REQUEST_ID, Origin())

    def client(self, key: str = "test", secret: str = "test", token: str | None = None) -> Any:
        """Return botocore's client, its requests answered here instead of being sent."""
        client = botocore.session.Session().create_client(
            "sts",
            region_name="eu-west-1",
            endpoint_url=URL,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )
        client.meta.events.register("before-send.sts", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        headers = {"host": "localhost:4566"}
        for name, value in request.headers.items():
            headers[name.lower()] = value.decode() if isinstance(value, bytes) else value
        body = request.body.encode() if isinstance(request.body, str) else request.body
        assert request.method is not None
        status, text, answer_headers = self.answer(
            SignedRequest(request.method, "/", "", headers, body)
        )
        response = AWSResponse(request.url, status, answer_headers, None)
        response._content = text.encode()
        return response


@pytest.fixture
def sts() -> Sts:
    """An STS in botocore's own time."""
    return Sts(datetime.now(timezone.utc))


def form(at: datetime = NOW, presign: int | None = None, **parameters: str) -> SignedRequest:
    """Return a signed request with *parameters*, in the body or (presigned) in the URL."""
    text = urlencode({"Version": "2011-06-15", **parameters})
    if presign is not None:
        return signed(
            service="sts", method="GET", url=f"{URL}?{text}", headers={}, body=b"", presign=presign
        )
    return signed(service="sts", headers=FORM, body=text.encode(), at=at)


def error_of(answer: tuple[int, str, dict[str, str]]) -> tuple[int, str, str]:
    """Return status, code and message of an error answer, whose envelope is checked."""
    status, text, headers = answer
    namespace = {"s": "https://sts.amazonaws.com/doc/2011-06-15/"}
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("}ErrorResponse")
    assert root.findtext("s:RequestId", namespaces=namespace) == REQUEST_ID
    assert headers == {"Content-Type": "text/xml", "x-amzn-RequestId": REQUEST_ID}
    code = root.findtext("s:Error/s:Code", namespaces=namespace)
    message = root.findtext("s:Error/s:Message", namespaces=namespace)
    assert code is not None
    assert message is not None
    return status, code, message


@pytest.mark.parametrize(
    ("key", "secret", "account"),
    [("test", "test", "000000000000"), ("testing", "testing", "123456789012")],
)
def test_get_caller_identity(sts: Sts, key: str, secret: str, account: str) -> None:
    answer = sts.client(key, secret).get_caller_identity()
    assert answer["Account"] == account
    assert answer["Arn"] == f"arn:aws:iam::{account}:root"
    assert answer["UserId"] == account
    assert answer["ResponseMetadata"]["RequestId"] == REQUEST_ID
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-type"] == "text/xml"


def test_get_caller_identity_by_a_presigned_url() -> None:
    status, text, _ = Sts(NOW).answer(form(presign=60, Action="GetCallerIdentity"))
    assert status == 200
    assert "<Arn>arn:aws:iam::000000000000:root</Arn>" in text


def test_session_tokens_are_real(sts: Sts) -> None:
    answer = sts.client("AKIAANN", "ann's secret").get_session_token()
    credentials = answer["Credentials"]
    assert answer["SessionTokenSize"] == len(credentials["SessionToken"])
    assert answer["SessionTokenUtilization"] == len(credentials["SessionToken"]) * 100 // 4096
    session = sts.client(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]
    )
    assert session.get_caller_identity()["Arn"] == ANN.arn
    with pytest.raises(ClientError, match="Cannot call GetSessionToken with session") as caught:
        session.get_session_token()
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.parametrize(
    ("key", "secret", "arguments", "seconds"),
    [
        ("AKIAANN", "ann's secret", {}, 43200),
        ("AKIAANN", "ann's secret", {"DurationSeconds": 900}, 900),
        ("AKIAANN", "ann's secret", {"DurationSeconds": 129600}, 129600),
        ("test", "test", {}, 3600),
        ("test", "test", {"DurationSeconds": 900}, 900),
        ("test", "test", {"DurationSeconds": 129600}, 3600),
    ],
)
def test_how_long_a_session_lasts(
    sts: Sts, key: str, secret: str, arguments: dict[str, int], seconds: int
) -> None:
    credentials = sts.client(key, secret).get_session_token(**arguments)["Credentials"]
    expected = sts.clock.now().replace(microsecond=0) + timedelta(seconds=seconds)
    assert credentials["Expiration"] == expected


def test_a_session_that_has_ended() -> None:
    sts = Sts(NOW)
    minted = sts.temporary.mint(ANN, timedelta(minutes=15))
    sts.clock.advance(timedelta(minutes=15))
    request = signed(
        service="sts",
        key=minted.access_key_id,
        secret=minted.secret,
        token=minted.session_token,
        headers=FORM,
        body=b"Action=GetCallerIdentity&Version=2011-06-15",
        at=sts.clock.now(),
    )
    assert error_of(sts.answer(request)) == (
        403,
        "ExpiredToken",
        "The security token included in the request is expired",
    )


def test_a_session_token_of_a_least_size(sts: Sts) -> None:
    answer = sts.client().get_session_token(MinimumSessionTokenSize=4096)
    assert answer["SessionTokenSize"] == len(answer["Credentials"]["SessionToken"]) == 4096
    assert answer["SessionTokenUtilization"] == 100


@pytest.mark.parametrize("arguments", [{"SerialNumber": "GAHT12345678"}, {"TokenCode": "123456"}])
def test_half_an_mfa_answer(sts: Sts, arguments: dict[str, str]) -> None:
    with pytest.raises(ClientError, match="must provide both MFA serial number and") as caught:
        sts.client().get_session_token(**arguments)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"


def test_an_mfa_answer_is_taken(sts: Sts) -> None:
    both = {"SerialNumber": "arn:aws:iam::123456789012:mfa/ann", "TokenCode": "123456"}
    assert "Credentials" in sts.client().get_session_token(**both)


def test_a_duration_out_of_range() -> None:
    request = form(Action="GetSessionToken", DurationSeconds="600")
    assert error_of(Sts(NOW).answer(request)) == (
        400,
        "ValidationError",
        "1 validation error detected: Value '600' at 'durationSeconds' failed to satisfy "
        "constraint: Member must have value greater than or equal to 900",
    )


@pytest.mark.parametrize(
    ("client", "status", "code", "message"),
    [
        (
            lambda sts: sts.client("AKIAIOSFODNN7EXAMPLE"),
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        (
            lambda sts: sts.client(token="other"),
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.",
        ),
        (
            lambda sts: sts.client(secret="other"),
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details.",
        ),
        (
            lambda sts: sts.client("a/b"),
            400,
            "IncompleteSignature",
            "Credential must have exactly 5 slash-delimited elements",
        ),
    ],
)
def test_who_is_not_let_in(
    sts: Sts, client: Callable[[Sts], Any], status: int, code: str, message: str
) -> None:
    with pytest.raises(ClientError) as caught:
        client(sts).get_caller_identity()
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert response["Error"]["Code"] == code
    assert response["Error"]["Message"].startswith(message)


def test_no_signature() -> None:
    request = SignedRequest(
        "GET", "/", "Action=GetCallerIdentity&Version=2011-06-15", {"host": "h"}, b""
    )
    assert error_of(Sts(NOW).answer(request)) == (
        403,
        "MissingAuthenticationToken",
        "Request is missing Authentication Token",
    )


def test_a_credential_for_another_service() -> None:
    request = signed(headers=FORM, body=b"Action=GetCallerIdentity&Version=2011-06-15")
    assert error_of(Sts(NOW).answer(request)) == (
        403,
        "SignatureDoesNotMatch",
        "Credential should be scoped to correct service: 'sts'.",
    )


def test_an_old_request() -> None:
    request = form(at=NOW - timedelta(minutes=6), Action="GetCallerIdentity")
    status, code, message = error_of(Sts(NOW).answer(request))
    assert (status, code) == (403, "SignatureDoesNotMatch")
    assert message.startswith("Signature expired: 20260301T115400Z is now earlier than ")


def test_an_unknown_operation() -> None:
    assert error_of(Sts(NOW).answer(form(Action="Fly"))) == (
        400,
        "InvalidAction",
        "Could not find operation Fly for version 2011-06-15",
    )


def test_an_operation_of_sts_that_is_not_here() -> None:
    assert error_of(Sts(NOW).answer(form(Action="DecodeAuthorizationMessage"))) == (
        501,
        "NotImplemented",
        "The emulator does not have DecodeAuthorizationMessage yet",
    )
