"""Requests signed by botocore, in the form in which the server sees them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from unittest import mock
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ecr_emulator.auth.canonical import SignedRequest
from ecr_emulator.clock import SettableClock

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=timezone.utc)
URL = "http://localhost:4566/"
JSON_HEADERS = {
    "Content-Type": "application/x-amz-json-1.1",
    "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
}


def clock() -> SettableClock:
    """Return a clock that shows NOW."""
    return SettableClock(NOW)


def on_the_wire(request: AWSRequest) -> SignedRequest:
    """Return what a server receives when *request* is sent."""
    url = urlsplit(request.url)
    headers = {"host": url.netloc}
    headers.update({name.lower(): value for name, value in request.headers.items()})
    body = request.body or b""
    if isinstance(body, str):
        body = body.encode()
    return SignedRequest(request.method, url.path, url.query, headers, body)


def signed(
    *,
    key: str = "test",
    secret: str = "test",
    token: str | None = None,
    method: str = "POST",
    url: str = URL,
    headers: Mapping[str, str] = JSON_HEADERS,
    body: bytes = b"{}",
    region: str = "eu-west-1",
    service: str = "ecr",
    at: datetime = NOW,
    presign: int | None = None,
) -> SignedRequest:
    """Return a request signed by botocore at the time *at*.

    :param presign: sign in the query string, to last so many seconds.
    """
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    credentials = Credentials(key, secret, token)
    with mock.patch("botocore.auth.get_current_datetime", return_value=at):
        if presign is None:
            SigV4Auth(credentials, service, region).add_auth(request)
        else:
            SigV4QueryAuth(credentials, service, region, expires=presign).add_auth(request)
    return on_the_wire(request)
