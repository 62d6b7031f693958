"""The control endpoints answer this machine's programs, or whoever has the token."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from ecr_emulator.config import SettingError, Settings
from tests.support.app import App
from tests.support.server import ServerProcess

HEALTH = "/_emulator/health"
TOKEN = "a-token-that-nobody-guesses"


def ask(
    app: App,
    address: str = "127.0.0.1",
    host: str = "127.0.0.1:4566",
    path: str = HEALTH,
    method: str = "GET",
    **headers: str,
) -> TestResponse:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.request(method, path, headers=sent, host=host, environ={"REMOTE_ADDR": address})


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host", ["127.0.0.1:4566", "localhost", "[::1]:4566", "LOCALHOST:1", "a.localhost:4566"]
)
def test_programs_on_this_machine(app: App, address: str, host: str) -> None:
    assert ask(app, address, host).status_code == 200


@pytest.mark.parametrize("address", ["192.168.1.7", "10.0.0.1", "fe80::1%eth0", "", "unix:"])
def test_other_machines(app: App, address: str) -> None:
    answer = ask(app, address)
    assert answer.status_code == 403
    assert answer.get_json() == {
        "message": "The control endpoints answer this machine's programs only."
    }


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:4566",
        "localhost.evil.example",
        "127.0.0.1.evil.example:4566",
        "evil-localhost:4566",
        "localhost:4566@evil.example",
        "0.0.0.0:4566",
        "[::2]:4566",
        "2130706433:4566",
    ],
)
def test_names_that_were_led_here(app: App, host: str) -> None:
    """A page of evil.example, whose name has become 127.0.0.1: to the browser it is one origin."""
    assert ask(app, host=host).status_code == 403
    reset = ask(app, host=host, path="/_emulator/reset", method="POST", Origin=f"http://{host}")
    assert reset.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:4567"},
        {"Origin": "http://127.0.0.1:4566"},
        {"Sec_Fetch_Site": "same-origin"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X_Real_Ip": "203.0.113.9"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_web_pages_and_those_behind_a_proxy(app: App, headers: dict[str, str]) -> None:
    assert ask(app, path="/_emulator/reset", method="POST", **headers).status_code == 403


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[App]:
    made = App(tmp_path / "guarded", admin_token=TOKEN)
    yield made
    made.close()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_from_anywhere(guarded: App, scheme: str) -> None:
    answer = ask(guarded, "192.168.1.7", "registry.corp:4566", Authorization=f"{scheme} {TOKEN}")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN[:-1]}\xff",
    ],
)
def test_without_the_token_nobody_enters(guarded: App, authorization: str) -> None:
    for address in ("127.0.0.1", "192.168.1.7"):
        answer = ask(
            guarded, address, **({"Authorization": authorization} if authorization else {})
        )
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="ecr-emulator"'
        assert TOKEN not in answer.text


@pytest.mark.parametrize("token", ["short", "with a blank in the middle", "x" * 257, "é" * 20])
def test_what_is_no_token(token: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(admin_token=token)
    assert token not in str(caught.value)


def test_the_token_is_repeated_nowhere() -> None:
    assert TOKEN not in repr(Settings(admin_token=TOKEN))


@pytest.mark.parametrize("path", ["/_emulator/identities", "/_emulator/scan-findings"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000 + b"]" * 100_000, 400),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, 400),
        (b"[" + b" " * 17 * 1024**2 + b"]", 413),
        (b"\xff\xfe", 400),
        (b"", 400),
        (b"null", 400),
    ],
    ids=["lists", "objects", "large", "not text", "empty", "null"],
)
def test_bodies_of_no_use(app: App, path: str, body: bytes, status: int) -> None:
    for chunked in (False, True):
        answer = app.request(
            "PUT", path, body, chunked=chunked, environ={"REMOTE_ADDR": "127.0.0.1"}
        )
        # Of chunks that are too many, what came so far may be looked at as if it were all.
        assert answer.status_code in ((400, 413) if chunked else (status,))
        assert answer.get_json()["message"]


def test_bodies_reach_a_real_server(server: ServerProcess) -> None:
    """``LimitedStream`` and the watched input of the server get along."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        for length in ({"Content-Length": "7"}, {}):
            connection.request("PUT", "/_emulator/identities", iter([b'{"a', b'":1}']), length)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())) == (
                400,
                {"message": "the document: unknown member 'a'"},
            )
    finally:
        connection.close()
