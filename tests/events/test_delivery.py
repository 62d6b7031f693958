"""Delivery: at least once, in order, and no target holds up another."""

from __future__ import annotations

import base64
import json
import logging
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.config import SettingError, Settings
from ecr_emulator.delivery.files import FileTarget
from ecr_emulator.delivery.targets import open_targets
from ecr_emulator.registry.event_delivery import BACKOFF
from tests.events.support import logged
from tests.support.app import App
from tests.support.images import make_image


class Hook:
    """A webhook that answers as it is told to."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.headers = {name.lower(): value for name, value in self.headers.items()}
                if hook.status == 200:
                    hook.received.append(json.loads(body))
                self.send_response(hook.status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def tags(self) -> list[str]:
        return [event["detail"]["image-tag"] for event in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def telling(tmp_path: Path, hook: Hook) -> Iterator[App]:
    """An application that tells a file and a webhook."""
    targets = f"file:{tmp_path / 'events.jsonl'}, http://me:pw@127.0.0.1:{hook.port}/hook?key=1"
    made = App(tmp_path / "data", event_targets=targets)
    made.ecr().create_repository(repositoryName="app")
    yield made
    made.close()


def push(app: App, *tags: str) -> None:
    for tag in tags:
        app.oci().push("app", make_image(1, 10), tag)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_target_is_told_everything_in_order(telling: App, hook: Hook, tmp_path: Path) -> None:
    push(telling, *"abc")
    telling.run_jobs()
    assert lines(tmp_path / "events.jsonl") == logged(telling) == hook.received
    assert hook.tags == list("abc")
    assert hook.headers["content-type"] == "application/json"
    assert hook.headers["authorization"] == "Basic " + base64.b64encode(b"me:pw").decode()
    push(telling, "d")
    telling.run_jobs()
    assert hook.tags == list("abcd")
    assert telling.run_jobs() == 0


def test_more_than_one_turn(telling: App, hook: Hook) -> None:
    ecr, image = telling.ecr(), make_image(1, 10)
    telling.oci().push("app", image, "first")
    tags = [f"t{number}" for number in range(110)]
    for tag in tags:
        ecr.put_image(
            repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag=tag
        )
    telling.run_jobs()
    assert hook.tags == ["first", *tags]


def test_a_target_that_fails_holds_up_no_other_and_is_tried_again(
    telling: App, hook: Hook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 503
    push(telling, "a", "b")
    telling.run_jobs()
    push(telling, "c")
    telling.run_jobs()
    assert len(lines(tmp_path / "events.jsonl")) == 3
    assert hook.received == []
    assert "answered 503" in caplog.text
    hook.status = 200
    assert telling.run_jobs() == 0
    telling.clock.advance(BACKOFF[0])
    telling.run_jobs()
    assert hook.tags == ["a", "b", "c"]
    assert len(lines(tmp_path / "events.jsonl")) == 3


def test_an_event_is_given_up_after_the_last_try(
    telling: App, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 500
    push(telling, "a", "b")
    telling.run_jobs()
    for wait in BACKOFF[:-1]:
        telling.clock.advance(wait)
        telling.run_jobs()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
    telling.clock.advance(BACKOFF[-1])
    telling.run_jobs()
    (error,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "given up" in error.getMessage()
    assert "pw" not in caplog.text
    assert "key=1" not in caplog.text
    hook.status = 200
    telling.clock.advance(BACKOFF[0])
    telling.run_jobs()
    assert hook.tags == ["b"]


def test_what_was_not_delivered_is_after_a_restart(telling: App, hook: Hook) -> None:
    hook.status = 500
    push(telling, "a")
    telling.run_jobs()
    hook.status = 200
    telling.clock.advance(timedelta(minutes=1))
    other = telling.another_process(event_targets=telling.settings.event_targets)
    other.run_jobs()
    assert hook.tags == ["a"]


def test_a_target_that_is_no_more_is_forgotten(telling: App, hook: Hook) -> None:
    push(telling, "a")
    other = telling.another_process()
    other.run_jobs()
    assert hook.received == []
    push(telling, "b")
    telling.run_jobs()
    assert hook.tags == ["b"]


def test_a_reset_in_the_middle(telling: App, hook: Hook) -> None:
    push(telling, "a")
    telling.request("POST", "/_emulator/reset", environ={"REMOTE_ADDR": "127.0.0.1"})
    telling.ecr().create_repository(repositoryName="app")
    push(telling, "b")
    telling.run_jobs()
    assert hook.tags == ["b"]


def test_without_targets_nothing_is_queued(app: App) -> None:
    app.ecr().create_repository(repositoryName="app")
    push(app, "a")
    assert app.run_jobs() == 0


def test_nobody_at_the_address(tmp_path: Path) -> None:
    (target,) = open_targets(["http://127.0.0.1:9/secret"], durability="full")
    assert (target.deliver({"id": "1"}) or "").startswith("no answer")
    assert "secret" not in target.name


def test_a_redirect_is_not_followed(hook: Hook) -> None:
    hook.status = 302
    (target,) = open_targets([f"http://127.0.0.1:{hook.port}/"], durability="full")
    assert target.deliver({"id": "1"}) == "answered 302"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    target = FileTarget("file", str(tmp_path / "no" / "events"), sync=True)
    assert target.deliver({"id": "1"}) == "No such file or directory"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events"
    target = FileTarget("file", str(path), sync=True)
    assert target.deliver({"id": "1"}) is None
    real, written = os.write, []

    def write(descriptor: int, data: bytes) -> int:
        if written:
            raise OSError(28, "No space left on device")
        written.append(real(descriptor, data[:3]))
        return written[0]

    monkeypatch.setattr(os, "write", write)
    assert target.deliver({"id": "2"}) == "No space left on device"
    monkeypatch.undo()
    assert target.deliver({"id": "3"}) is None
    assert lines(path) == [{"id": "1"}, {"id": "3"}]


def test_the_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = "file:events.jsonl, https://x/y,sqs:http://h:1/1/q,sns:http://h:1#arn:aws:sns:r:%s:t"
    settings = Settings(event_targets=given % ("1" * 12))  # type: ignore[arg-type]
    assert settings.event_targets == (
        f"file:{tmp_path}/events.jsonl",
        "https://x/y",
        "sqs:http://h:1/1/q",
        f"sns:http://h:1#arn:aws:sns:r:{'1' * 12}:t",
    )
    assert Settings(event_targets=settings.event_targets) == settings
    assert Settings(event_targets=["eventbridge:http://h#bus"]).event_targets == (  # type: ignore[arg-type]
        "eventbridge:http://h#bus",
    )


@pytest.mark.parametrize(
    "text", ["events.jsonl", "ftp://x", "sqs:queue", "sns:http://h", "http://", "file:"]
)
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(SettingError, match="names a target of events that is none of") as caught:
        Settings(event_targets=text)  # type: ignore[arg-type]
    assert text not in str(caught.value).partition("none of")[0]
