"""What a request may cost in memory: a few times its own size, whatever is in it."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest

from tests.hostile.world import REPOSITORY, World

MIB = 1024**2
#: In bytes; the largest manifest is 4 MiB, and the largest body of a call 32 MiB.
MANIFEST, BODY = 4 * MIB - 1, 8 * MIB
DESCRIPTOR = b'{"mediaType":"a/b","digest":"sha256:' + b"0" * 64 + b'","size":1}'


def filled(unit: bytes, before: bytes, after: bytes, size: int) -> bytes:
    """Return a text of about *size* bytes: *unit* again and again between two others."""
    return before + unit * ((size - len(before) - len(after)) // len(unit)) + after


def peak(request: Callable[[], object]) -> int:
    """Return the most memory that Python's objects took during a request, in bytes."""
    tracemalloc.start()
    try:
        request()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("unit", "before", "after"),
    [
        (b"[],", b'{"a":[', b"[]]}"),
        (b'"",', b'{"a":[', b'""]}'),
        (b"1.5,", b'{"a":[', b"1]}"),
        (b'"\xc3\xa9":1,', b"{", b'"a":1}'),
        (b'{"a":0},', b'{"schemaVersion":2,"layers":[', b"{}]}"),
        (DESCRIPTOR + b",", b'{"schemaVersion":2,"layers":[', DESCRIPTOR + b"]}"),
        (b"\\u0000", b'{"a":"', b'"}'),
    ],
    ids=lambda text: text.decode("latin-1")[:12],
)
def test_manifests(world: World, unit: bytes, before: bytes, after: bytes) -> None:
    body = filled(unit, before, after, MANIFEST)
    headers = {"Content-Type": world.image.manifest.media_type}

    def put() -> None:
        path = f"/v2/{REPOSITORY}/manifests/v2"
        assert world.send("PUT", path, headers=headers, body=body).status in (400, 413)

    assert peak(put) < 16 * len(body)


@pytest.mark.parametrize(
    ("unit", "before", "after"),
    [
        (b"[],", b'{"a":[', b"[]]}"),
        (b'"",', b'{"a":[', b'""]}'),
        (b"\\u0000", b'{"repositoryName":"', b'"}'),
        (b"\xf0\x9f\x98\x80", b'{"repositoryName":"', b'"}'),
        (b'\\"', b'{"repositoryName":"', b'"}'),
    ],
    ids=lambda text: text.decode("latin-1")[:12],
)
def test_bodies(world: World, unit: bytes, before: bytes, after: bytes) -> None:
    body = filled(unit, before, after, BODY)

    def call() -> None:
        status, _ = world.app.call("CreateRepository", body)
        assert status == 400

    assert peak(call) < 12 * len(body)


def test_what_is_larger_is_not_read(world: World) -> None:
    class Endless:
        """A body that goes on for ever."""

        def __init__(self) -> None:
            self.sent = 0

        def read(self, size: int) -> bytes:
            self.sent += size
            return b" " * size

    for path, method, limit in [
        (f"/v2/{REPOSITORY}/manifests/v2", "PUT", 4 * MIB),
        ("/", "POST", 32 * MIB),
    ]:
        body = Endless()
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "4566",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "localhost:4566",
            "HTTP_AUTHORIZATION": world.token,
            "HTTP_TRANSFER_ENCODING": "chunked",
            "CONTENT_TYPE": "application/json",
            "wsgi.url_scheme": "http",
            "wsgi.input": body,
            "wsgi.input_terminated": True,
        }
        answer = world.answer(environ)
        assert answer.status == 413, answer.body
        # What is taken and dropped, so that the client sees the answer, is bounded as well.
        assert body.sent < limit + 72 * MIB
    assert json.loads(answer.body)
