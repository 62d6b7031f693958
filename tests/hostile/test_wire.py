"""Bytes that are not quite HTTP, sent to a real server.

What the server itself does with heads and lengths is tested in ``tests/server``; here it is that
no such thing reaches a door as something else than it is.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import socket
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.hostile import corpus
from tests.support.server import ServerProcess

HOST = b"Host: localhost\r\n"
#: Who hides this in the body of another request wants to see it answered.
HIDDEN = b"GET /_emulator/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
NO_CHUNKS = b"0\r\n\r\n"
SECONDS = 20


@pytest.fixture(scope="module")
def caller(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Caller:
    made = Caller(server.url, tmp_path_factory.mktemp("aws"))
    made.create_repository("app")
    return made


@pytest.fixture(scope="module")
def authorization(caller: Caller) -> bytes:
    token = base64.b64encode(f"AWS:{caller.password()}".encode())
    return b"Authorization: Basic " + token + b"\r\n"


def talk(server: ServerProcess, data: bytes, *, cut: bool = False) -> list[bytes]:
    """Send *data*, and an end of sending if it is cut short; return the answers until the server
    closes."""
    with socket.create_connection((server.host, server.port), timeout=SECONDS) as connection:
        received = bytearray()
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            connection.sendall(data)
            if cut:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
    return [b"HTTP/1.1 " + rest for rest in bytes(received).split(b"HTTP/1.1 ")[1:]]


def post(*lines: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/" + version + b"\r\n" + HOST + b"".join(lines) + b"\r\n" + body


@pytest.mark.parametrize(
    "request_",
    [
        post(b"Content-Length: 5\r\n", CHUNKED, body=NO_CHUNKS),
        post(CHUNKED, b"Content-Length: 5\r\n", body=NO_CHUNKS),
        post(b"Transfer-Encoding: xchunked\r\n", body=NO_CHUNKS),
        post(b"Transfer-Encoding: chunked, identity\r\n", body=NO_CHUNKS),
        post(CHUNKED, b"Transfer-Encoding: identity\r\n", body=NO_CHUNKS),
        post(b"Transfer-Encoding:\x0bchunked\r\n", body=NO_CHUNKS),
        post(b"Transfer-Encoding : chunked\r\n", body=NO_CHUNKS),
        post(b"Transfer-Encoding\t: chunked\r\n", body=NO_CHUNKS),
        post(b"X: a\r\n Transfer-Encoding: chunked\r\n", body=NO_CHUNKS),
        post(b"X: a\0\r\n"),
        post(b"X: a\rContent-Length: 3\r\n"),
        post(CHUNKED, body=NO_CHUNKS, version=b"1.0"),
        post(b"Content-Length: 0\r\nContent-Length: 51\r\n"),
        post(b"Content-Length: 51\r\nContent-Length: 0\r\n"),
        post(b"Content-Length: 0, 51\r\n"),
        post(b"Content-Length: +0\r\n"),
        post(b"Content-Length: -51\r\n"),
        post(b"Content-Length: 0x0\r\n"),
        post(b"Content-Length: 0_0\r\n"),
        post(version=b"3.0"),
        b"GET / HTTP/1.1 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v2/\r\n",
        b"\x00\xff" * 100 + b"\r\n\r\n",
    ],
    ids=range(23),
)
def test_whose_end_is_in_doubt(server: ServerProcess, request_: bytes) -> None:
    """One refusal, and the connection ends: what follows is never read as a request."""
    answers = talk(server, request_ + HIDDEN)
    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 400 "], answers


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        (b"", 1),
        (HIDDEN * 4, 5),
        (post(b"Content-Length: 3\r\nContent-Length: 3\r\n", body=b"abc"), 2),
        (post(b"Transfer-Encoding: identity, chunked\r\n", body=NO_CHUNKS), 2),
        # Refused, with a body that nobody read: it is no request all the same.
        (post(b"Content-Length: %d\r\n" % len(HIDDEN), body=HIDDEN), 2),
        (post(b"Content-Length: %d\r\n" % len(HIDDEN * 3), body=HIDDEN * 3), 2),
        (
            b"PUT /v2/app/manifests/x HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: %d\r\n\r\n" % len(HIDDEN)
            + HIDDEN,
            2,
        ),
        (
            b"GET /v2/ HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
            2,
        ),
        (post(b"Content_Length: 51\r\nContent-Length: 0\r\n"), 2),
    ],
    ids=range(9),
)
def test_requests_in_a_row(server: ServerProcess, request_: bytes, count: int) -> None:
    """As many answers as there are requests, the last of them to the last."""
    answers = talk(server, request_ + HIDDEN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert len(answers) == count, answers
    assert answers[-1].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200_000 + b"\r\n",
        b"GET /v2/" + b"a" * 400_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /v2/ HTTP/1.1\r\n" + b"a" * 400_000 + b": b\r\n\r\n",
    ],
    ids=["value", "number", "path", "name"],
)
def test_heads_of_no_end(server: ServerProcess, head: bytes) -> None:
    answers = talk(server, head + HIDDEN)
    # What was still being sent when it was refused may have cost the answer.
    assert len(answers) <= 1
    assert not answers or answers[0][9:12] in (b"400", b"414", b"431")


@pytest.mark.parametrize(
    "body",
    [
        b"FFFFFFFFFFFFFFFF\r\nabc",
        b"1FFFFFFFFFFFFFFFF\r\nabc",
        b"-3\r\nabc\r\n0\r\n\r\n",
        b"0x3\r\nabc\r\n0\r\n\r\n",
        b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
        b"4\r\nabc\r\n0\r\n\r\n",
        b"2\r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc",
        b"",
    ],
    ids=["2^64-1", "more", "negative", "0x", "extension", "long", "short", "cut", "none"],
)
def test_chunks_that_are_none(
    server: ServerProcess, caller: Caller, authorization: bytes, body: bytes
) -> None:
    """Nothing is stored but what has the digest that was named."""
    digest = hashlib.sha256(b"abcdef").hexdigest()
    path = f"/v2/app/blobs/uploads/?digest=sha256:{digest}".encode()
    head = b"POST " + path + b" HTTP/1.1\r\n" + HOST + authorization + CHUNKED + b"\r\n"
    answers = talk(server, head + body, cut=True)
    assert [answer[:12] for answer in answers] in ([b"HTTP/1.1 400"], [])
    assert not caller.oci().has_blob("app", f"sha256:{digest}")


def test_a_body_that_is_cut_short(
    server: ServerProcess, caller: Caller, authorization: bytes
) -> None:
    data = b"abcdef" * 1000
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    location = caller.oci().request("POST", "/v2/app/blobs/uploads/", b"").headers["Location"]
    head = b"PATCH " + location.encode() + b" HTTP/1.1\r\n" + HOST + authorization
    answers = talk(server, head + b"Content-Length: 6000\r\n\r\n" + data[:3000], cut=True)
    assert [answer[:12] for answer in answers] in ([b"HTTP/1.1 400"], [])
    client = caller.oci()
    assert client.request("GET", location).headers["Range"] == "0-0"
    assert client.request("PATCH", location, data).status == 202
    assert client.request("PUT", f"{location}?digest={digest}", b"").status == 201


def test_paths_by_their_escapes(server: ServerProcess, authorization: bytes) -> None:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=SECONDS)
    headers = {"Authorization": authorization.decode().partition(": ")[2].strip()}
    with contextlib.closing(connection):
        for text in corpus.PATHS + corpus.DIGESTS + corpus.TAGS + corpus.UPLOAD_IDS:
            for safe in ("", "/"):
                escaped = quote(text[:2000], safe=safe, encoding="latin-1")
                for path in (
                    f"/v2/{escaped}/tags/list",
                    f"/v2/app/manifests/{escaped}",
                    f"/v2/app/blobs/{escaped}",
                    f"/v2/app/blobs/uploads/{escaped}",
                    f"/_layers/{escaped}",
                ):
                    connection.request("GET", path, headers=headers)
                    answer = connection.getresponse()
                    answer.read()
                    assert 400 <= answer.status < 500, (path, answer.status)


def test_a_slow_upload_is_cut_off_and_can_be_taken_up(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(stall_timeout=1, threads=2, workers=1)
    caller = Caller(server.url, tmp_path)
    caller.create_repository("app")
    client = caller.oci()
    data = b"layer" * 2000
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    location = client.request("POST", "/v2/app/blobs/uploads/", b"").headers["Location"]
    assert client.request("PATCH", location, data[:4000]).status == 202
    token = base64.b64encode(f"AWS:{caller.password()}".encode())
    head = b"PATCH %s HTTP/1.1\r\n%sAuthorization: Basic %s\r\nContent-Length: 6000\r\n\r\n"
    begin = time.monotonic()
    with socket.create_connection((server.host, server.port), timeout=SECONDS) as slow:
        slow.sendall(head % (location.encode(), HOST, token) + data[4000:5000])
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(65536):
                pass
    assert 0.9 < time.monotonic() - begin < 10
    assert client.request("GET", location).headers["Range"] == "0-3999"
    assert client.request("PUT", f"{location}?digest={digest}", data[4000:]).status == 201
    assert client.has_blob("app", digest)
