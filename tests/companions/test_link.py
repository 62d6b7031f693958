"""A worker's way to the companion process, when that does not answer as it should."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from ecr_emulator.companions import link
from ecr_emulator.companions.forwarding import ForwardedRequest
from ecr_emulator.companions.link import Address, CompanionElsewhere
from ecr_emulator.companions.services import ServiceRequest
from ecr_emulator.companions.shared_state import SharedState
from ecr_emulator.storage_failure import StorageFailure

#: What answers one connection.
Answer = Callable[[socket.socket], None]


class Process:
    """Stands for the companion process: each connection is answered as the next entry says."""

    def __init__(self, path: Path) -> None:
        self.answers: list[Answer] = []
        self.questions: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.state = SharedState()
        self.state.change(is_in_use=True, has_rules=False)
        self.link = CompanionElsewhere(Address(str(path), "secret", self.state))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                with connection.makefile("rb") as stream:
                    stream.readline()
                    length = int(http.client.parse_headers(stream)["Content-Length"])
                    self.questions.append(stream.read(length))
                self.answers.pop(0)(connection)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    made = Process(tmp_path_factory.mktemp("l") / "socket")
    yield made
    made.close()


def says(what: object) -> Answer:
    body = json.dumps(what).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    return lambda connection: connection.sendall(head + body)


def dies(connection: socket.socket) -> None:
    """Close the connection without an answer."""


def hangs(connection: socket.socket) -> None:
    connection.recv(1)  # until the other side has had enough


def ask(process: Process, name: str = "joe") -> object:
    arguments = {"account": "123456789012", "kind": "user", "name": name}
    return process.link.ask("identity", arguments)


def test_an_answer_is_kept_until_something_changes(process: Process) -> None:
    process.answers = [says({"arn": "one"}), says({"arn": "two"}), says(None)]
    assert ask(process) == ask(process) == {"arn": "one"}
    process.state.change(is_in_use=True, has_rules=False)
    assert ask(process) == {"arn": "two"}
    assert ask(process, "jane") is ask(process, "jane") is None
    assert len(process.questions) == 3
    # As new, it has nothing to say, and is not asked.
    process.state.change(is_in_use=False, has_rules=False)
    assert ask(process) is None
    assert len(process.questions) == 3


def test_no_more_than_so_many_answers_are_kept(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "_MOST_ANSWERS", 2)
    process.answers = [says({"arn": name}) for name in "abca"]
    for name in "abca":
        assert ask(process, name) == {"arn": name}
    assert process.answers == []


def test_a_successor_is_asked_again(process: Process) -> None:
    process.answers = [dies, says({"arn": "one"}), dies, dies]
    assert ask(process) == {"arn": "one"}
    with pytest.raises(StorageFailure, match="The companion services do not answer"):
        ask(process, "jane")


def test_one_that_hangs(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_QUESTION_TIMEOUT", 0.1)
    monkeypatch.setattr(link, "_REQUEST_TIMEOUT", 0.1)
    process.answers = [hangs, hangs, hangs]
    with pytest.raises(StorageFailure):
        ask(process)
    assert process.link.put_event({"id": "1"}) == "The companion services do not answer."
    request = ForwardedRequest("GET", "http", "/", (("host", "x"),), BytesIO(), 0)
    with pytest.raises(StorageFailure):
        process.link.respond(ServiceRequest("s3"), request, lambda *_: None)
