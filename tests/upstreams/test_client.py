"""The client of upstream registries: what it sends where, and how much it takes.

Sources: CNCF distribution, "Token Authentication Specification"; RFC 9110, section 11.6.1 (the
challenge) and 15.4 (redirects); that a client's credentials stay with the server they are for
is what docker's client does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.upstreams import client as module
from ecr_emulator.upstreams.challenges import best_challenge
from ecr_emulator.upstreams.client import (
    Login,
    UpstreamBusy,
    UpstreamClient,
    UpstreamDenied,
    UpstreamError,
    UpstreamMissing,
    UpstreamUnavailable,
)
from ecr_emulator.upstreams.http import UpstreamRegistries, UpstreamState
from ecr_emulator.upstreams.secrets import InvalidSecrets, read_secrets
from tests.support.images import sha256

HOST = "quay.io"
LOGIN = Login("someone", "s3cret")
Answer = tuple[int, Mapping[str, str], bytes]


class Scripted:
    """A server whose answers a test gives by path and authorization."""

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
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def client(server: Scripted) -> UpstreamClient:
    return UpstreamClient(UpstreamRegistries({HOST: server.url}), 1000)


def always(*answer: Any) -> Callable[[str, str], Answer]:
    return lambda path, authorization: answer


class TestChallenges:
    @pytest.mark.parametrize(
        ("headers", "scheme", "parameters"),
        [
            (['Bearer realm="http://x/t",service="a b"'], "bearer", ("http://x/t", "a b")),
            (['bearer Realm="http://x/t", service=s'], "bearer", ("http://x/t", "s")),
            (['Basic realm="x"'], "basic", ("x", None)),
            (['Basic realm="x"', 'Bearer realm="y"'], "bearer", ("y", None)),
            (["Bearer"], "bearer", (None, None)),
            (['Bearer realm="x",=,a=,"'], "bearer", ("x", None)),
        ],
    )
    def test_read(
        self, headers: list[str], scheme: str, parameters: tuple[str | None, str | None]
    ) -> None:
        found = best_challenge(headers)
        assert found is not None
        assert found.scheme == scheme
        got = (found.parameters.get("realm"), found.parameters.get("service"))
        assert got == parameters

    @pytest.mark.parametrize("headers", [[], [""], ["Digest realm=x"], ["=" * 100_000]])
    def test_none_to_answer(self, headers: list[str]) -> None:
        assert best_challenge(headers) is None

    def test_where_the_token_is(self) -> None:
        found = best_challenge(['Bearer realm="https://x/t?a=1",service="s",scope="p:q r"'])
        assert found is not None
        assert found.token_url("app", secure=True) == "https://x/t?a=1&service=s&scope=p%3Aq+r"
        found = best_challenge(['Bearer realm="https://x/t"'])
        assert found is not None
        url = "https://x/t?scope=repository%3Aapp%3Apull"
        assert found.token_url("app", secure=True) == url

    @pytest.mark.parametrize("realm", ["http://x/t", "file:///etc/passwd", "", "//x/t", "https:"])
    def test_where_it_is_not_asked_for(self, realm: str) -> None:
        found = best_challenge([f'Bearer realm="{realm}"'])
        assert found is not None
        with pytest.raises(ValueError, match="realm"):
            found.token_url("app", secure=True)


class TestCredentials:
    def test_basic(self, server: Scripted, client: UpstreamClient) -> None:
        def answer(path: str, authorization: str) -> Answer:
            if authorization == LOGIN.basic:
                return 200, {"Docker-Content-Digest": sha256(b"x")}, b"x"
            return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""

        server.answer = answer
        assert client.digest(HOST, "app", "1", LOGIN) == sha256(b"x")
        assert client.manifest(HOST, "app", "1", LOGIN).body == b"x"
        with pytest.raises(UpstreamDenied):
            client.digest(HOST, "app", "1", None)
        assert client.check(HOST, Login("other", "x")) is UpstreamState.DENIED

    @pytest.mark.parametrize(
        "token", [b"", b"[]", b"{}", b'{"token":1}', b"[" * 60_000, b'{"token":"a\\r\\nb"}']
    )
    def test_what_is_no_token(self, server: Scripted, client: UpstreamClient, token: bytes) -> None:
        challenge = {"WWW-Authenticate": f'Bearer realm="{server.url}/t"'}
        server.answer = lambda path, authorization: (
            (200, {}, token) if path.startswith("/t") else (401, challenge, b"")
        )
        with pytest.raises((UpstreamDenied, UpstreamUnavailable)):
            client.manifest(HOST, "app", "1", None)

    def test_a_token_that_is_no_good_is_asked_for_anew(
        self, server: Scripted, client: UpstreamClient
    ) -> None:
        good = ["one"]

        def answer(path: str, authorization: str) -> Answer:
            if path.startswith("/t"):
                return 200, {}, json.dumps({"access_token": good[-1]}).encode()
            if authorization == f"Bearer {good[-1]}":
                return 200, {}, b"x"
            return 401, {"WWW-Authenticate": f'Bearer realm="{server.url}/t"'}, b""

        server.answer = answer
        client.manifest(HOST, "app", "1", None)
        client.manifest(HOST, "app", "1", None)
        assert len(server.seen) == 4
        good.append("two")
        client.manifest(HOST, "app", "1", None)
        assert server.seen[-1][1] == "Bearer two"

    def test_are_not_shown(self) -> None:
        assert "s3cret" not in repr(LOGIN)


class TestRedirects:
    def test_are_followed_without_credentials(
        self, server: Scripted, client: UpstreamClient
    ) -> None:
        storage = Scripted()
        storage.answer = always(200, {"Content-Length": "1"}, b"x")

        def answer(path: str, authorization: str) -> Answer:
            if not authorization:
                return 401, {"WWW-Authenticate": 'Basic realm="x"'}, b""
            if path.startswith("/v2/"):
                return 302, {"Location": "/moved"}, b""
            return 307, {"Location": f"{storage.url}/there"}, b""

        server.answer = answer
        try:
            with client.blob(HOST, "app", sha256(b"x"), 1, LOGIN) as chunks:
                assert b"".join(chunks) == b"x"
        finally:
            storage.close()
        assert [path for path, _ in server.seen][1:] == [
            f"/v2/app/blobs/{sha256(b'x')}",
            "/moved",
        ]
        assert storage.seen == [("/there", "")]

    @pytest.mark.parametrize(
        "location", ["/again", "file:///etc/passwd", "ftp://127.0.0.1/", "http://[", "http://a:b/"]
    )
    def test_that_lead_nowhere(
        self, server: Scripted, client: UpstreamClient, location: str
    ) -> None:
        server.answer = always(302, {"Location": location}, b"")
        with pytest.raises(UpstreamUnavailable):
            client.manifest(HOST, "app", "1", None)
        assert len(server.seen) <= 6


class TestAnswers:
    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (404, UpstreamMissing),
            (403, UpstreamDenied),
            (429, UpstreamBusy),
            (500, UpstreamUnavailable),
            (204, UpstreamUnavailable),
        ],
    )
    def test_statuses(
        self,
        server: Scripted,
        client: UpstreamClient,
        status: int,
        error: type[UpstreamError],
    ) -> None:
        server.answer = always(status, {"Content-Length": "0"}, b"")
        with pytest.raises(error):
            client.manifest(HOST, "app", "1", None)

    def test_too_large_a_manifest(self, server: Scripted, client: UpstreamClient) -> None:
        server.answer = always(200, {}, b"x" * 1001)
        with pytest.raises(UpstreamUnavailable):
            client.manifest(HOST, "app", "1", None)
        server.answer = always(200, {}, b"x" * 1000)
        assert len(client.manifest(HOST, "app", "1", None).body) == 1000

    @pytest.mark.parametrize("by", ["reference", "header"])
    def test_a_wrong_digest(self, server: Scripted, client: UpstreamClient, by: str) -> None:
        headers = {"Docker-Content-Digest": sha256(b"y")} if by == "header" else {}
        server.answer = always(200, headers, b"x")
        with pytest.raises(UpstreamUnavailable):
            client.manifest(HOST, "app", "1" if by == "header" else sha256(b"y"), None)

    @pytest.mark.parametrize(
        ("headers", "body"), [({"Content-Length": "5"}, b"xxxxx"), ({}, b"xxxxx")]
    )
    def test_a_layer_of_another_size(
        self, server: Scripted, client: UpstreamClient, headers: dict[str, str], body: bytes
    ) -> None:
        server.answer = always(200, headers, body)
        with (
            pytest.raises(UpstreamUnavailable),
            client.blob(HOST, "app", sha256(b"x"), 4, None) as chunks,
        ):
            b"".join(chunks)

    def test_one_that_drips(
        self, server: Scripted, client: UpstreamClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
        never = threading.Event()

        def answer(path: str, authorization: str) -> Answer:
            never.wait(2)
            return 200, {}, b"x"

        server.answer = answer
        with pytest.raises(UpstreamUnavailable):
            client.manifest(HOST, "app", "1", None)
        never.set()

    def test_nobody_there(self) -> None:
        client = UpstreamClient(UpstreamRegistries({HOST: "http://127.0.0.1:1"}), 1000)
        with pytest.raises(UpstreamUnavailable):
            client.manifest(HOST, "app", "1", None)
        assert client.check(HOST, LOGIN) is UpstreamState.UNAVAILABLE


class TestSecretsFile:
    ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf"

    @pytest.mark.parametrize(
        ("file", "text"),
        [
            ("s.toml", '["ecr-pullthroughcache/hub"]\nusername = "u"\naccessToken = "t"\n'),
            ("s.json", json.dumps({ARN: {"username": "u", "accessToken": "t"}})),
        ],
    )
    def test_read(self, tmp_path: Path, file: str, text: str) -> None:
        (tmp_path / file).write_text(text)
        secrets = read_secrets(tmp_path / file)
        assert secrets.login(self.ARN) == Login("u", "t")
        assert secrets.login(self.ARN.replace("hub", "other")) is None
        assert secrets.login("") is None

    @pytest.mark.parametrize(
        ("file", "text", "fault"),
        [
            ("s.toml", "s3cret", "neither TOML nor JSON"),
            ("s.json", '{"a": s3cret', "neither TOML nor JSON"),
            ("s.json", "[" * 100_000, "neither TOML nor JSON"),
            ("s.json", "[]", "not a table of secrets"),
            ("s.json", '{"a": "s3cret"}', "'a' needs the texts username and accessToken"),
            ("s.json", '{"a": {"username": "s3cret"}}', "'a' needs the texts"),
            ("s.json", None, "No such file"),
        ],
    )
    def test_one_that_cannot_be_used(
        self, tmp_path: Path, file: str, text: str | None, fault: str
    ) -> None:
        if text is not None:
            (tmp_path / file).write_text(text)
        with pytest.raises(InvalidSecrets, match=fault) as caught:
            read_secrets(tmp_path / file)
        assert "s3cret" not in str(caught.value)
        assert "\n" not in str(caught.value)
