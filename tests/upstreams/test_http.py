"""Asking upstream registries: a real one, and ones that answer as none should."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.upstreams import http
from ecr_emulator.upstreams.http import UpstreamRegistries, UpstreamState
from tests.support.upstream import UpstreamRegistry, is_installed

HOST = "quay.io"
Answer = tuple[int, Mapping[str, str], bytes]


class Scripted:
    """A server on a free port whose answers a test gives by path and authorization."""

    def __init__(self) -> None:
        self.answer: Callable[[str, str], Answer] = lambda path, authorization: (404, {}, b"")
        self.seen: list[tuple[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                authorization = self.headers.get("Authorization", "")
                outer.seen.append((self.path, authorization))
                status, headers, body = outer.answer(self.path, authorization)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        # A client that has left is what some tests are about.
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def challenge(self, rest: str | None = None) -> Answer:
        given = f'Bearer realm="{self.url}/token?x=1",service="s",scope="a b"'
        return 401, {"WWW-Authenticate": given if rest is None else rest}, b""


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def check(url: str) -> UpstreamState:
    return UpstreamRegistries({HOST: url}).check_anonymous(HOST)


@pytest.mark.skipif(not is_installed(), reason="docker-registry is not installed")
class TestDistribution:
    """CNCF distribution."""

    def test_an_open_registry_lets_anyone_in(self, tmp_path: Path) -> None:
        registry = UpstreamRegistry(tmp_path)
        try:
            assert check(registry.url) is UpstreamState.OPEN
            assert check(registry.url + "/") is UpstreamState.OPEN
        finally:
            registry.stop()

    def test_one_with_passwords_does_not(self, tmp_path: Path) -> None:
        registry = UpstreamRegistry(tmp_path, htpasswd="someone:$2y$05$" + "x" * 53 + "\n")
        try:
            assert check(registry.url) is UpstreamState.DENIED
        finally:
            registry.stop()

    def test_one_that_has_stopped_is_unavailable(self, tmp_path: Path) -> None:
        registry = UpstreamRegistry(tmp_path)
        registry.stop()
        assert check(registry.url) is UpstreamState.UNAVAILABLE


@pytest.mark.parametrize("member", ["token", "access_token"])
def test_a_token_that_anyone_gets_opens_the_registry(server: Scripted, member: str) -> None:
    # As Quay and ECR Public answer: the specification's "Token Authentication".
    def answer(path: str, authorization: str) -> Answer:
        if path.startswith("/token"):
            return 200, {}, f'{{"{member}": "abc"}}'.encode()
        return (200, {}, b"{}") if authorization == "Bearer abc" else server.challenge()

    server.answer = answer
    assert check(server.url) is UpstreamState.OPEN
    assert server.seen == [
        ("/v2/", ""),
        ("/token?x=1&service=s&scope=a+b", ""),
        ("/v2/", "Bearer abc"),
    ]


@pytest.mark.parametrize(
    ("token_answer", "state"),
    [
        ((401, b""), UpstreamState.DENIED),
        ((500, b""), UpstreamState.DENIED),
        ((200, b"{}"), UpstreamState.DENIED),
        ((200, b'{"token": 5}'), UpstreamState.DENIED),
        ((200, b'{"token": "wrong"}'), UpstreamState.DENIED),
        ((200, b"[]"), UpstreamState.UNAVAILABLE),
        ((200, b"no JSON"), UpstreamState.UNAVAILABLE),
        ((200, b"[" * 60_000), UpstreamState.UNAVAILABLE),
        ((200, b'{"token": "' + b"x" * 70_000 + b'"}'), UpstreamState.UNAVAILABLE),
        ((200, b'{"token": "a\\r\\nX: y"}'), UpstreamState.UNAVAILABLE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_token_that_is_refused_or_none(
    server: Scripted, token_answer: tuple[int, bytes], state: UpstreamState
) -> None:
    def answer(path: str, authorization: str) -> Answer:
        if path.startswith("/token"):
            return token_answer[0], {}, token_answer[1]
        return server.challenge()

    server.answer = answer
    assert check(server.url) is state


@pytest.mark.parametrize(
    ("challenge", "state"),
    [
        ("", UpstreamState.DENIED),
        ('Basic realm="x"', UpstreamState.DENIED),
        ("Bearer", UpstreamState.UNAVAILABLE),
        ("Bearer realm", UpstreamState.UNAVAILABLE),
        ('Bearer realm="file:///etc/passwd"', UpstreamState.UNAVAILABLE),
        ('Bearer realm="ftp://127.0.0.1/x"', UpstreamState.UNAVAILABLE),
        ('Bearer realm="http://[::1"', UpstreamState.UNAVAILABLE),
        ('Bearer realm="http://127.0.0.1:99999/"', UpstreamState.UNAVAILABLE),
        ('Bearer realm="' + "," * 9000, UpstreamState.UNAVAILABLE),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_challenge_that_leads_nowhere(
    server: Scripted, challenge: str, state: UpstreamState
) -> None:
    server.answer = lambda path, authorization: server.challenge(challenge)
    assert check(server.url) is state
    assert server.seen == [("/v2/", "")]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, UpstreamState.OPEN),
        (403, UpstreamState.DENIED),
        (404, UpstreamState.UNAVAILABLE),
        (500, UpstreamState.UNAVAILABLE),
    ],
)
def test_other_answers(server: Scripted, status: int, state: UpstreamState) -> None:
    server.answer = lambda path, authorization: (status, {}, b"")
    assert check(server.url) is state


def test_a_token_does_not_follow_a_redirect(server: Scripted) -> None:
    other = Scripted()
    other.answer = lambda path, authorization: (200, {}, b"{}")

    def answer(path: str, authorization: str) -> Answer:
        if path.startswith("/token"):
            return 200, {}, b'{"token": "abc"}'
        if authorization:
            return 307, {"Location": f"{other.url}/v2/"}, b""
        return server.challenge()

    server.answer = answer
    try:
        assert check(server.url) is UpstreamState.OPEN
        assert other.seen == [("/v2/", "")]
    finally:
        other.close()


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "/v2/"])
def test_redirects_to_elsewhere_or_without_end(server: Scripted, location: str) -> None:
    server.answer = lambda path, authorization: (302, {"Location": location}, b"")
    assert check(server.url) is UpstreamState.UNAVAILABLE


def test_a_registry_that_does_not_answer_takes_no_longer_than_stated(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CHECK_SECONDS", 0.3)
    gone = threading.Event()

    def answer(path: str, authorization: str) -> Answer:
        gone.wait(10)
        return 200, {}, b""

    server.answer = answer
    started = time.monotonic()
    assert check(server.url) is UpstreamState.UNAVAILABLE
    assert time.monotonic() - started < 2
    gone.set()


def test_addresses() -> None:
    upstreams = UpstreamRegistries({HOST: "http://127.0.0.1:5000/"})
    assert upstreams.base_url(HOST) == "http://127.0.0.1:5000"
    assert upstreams.is_elsewhere(HOST)
    assert upstreams.base_url("public.ecr.aws") == "https://public.ecr.aws"
    assert not upstreams.is_elsewhere("public.ecr.aws")
