"""Starts the production server with an application of the tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import environment

SECONDS = 20
ROOT = Path(__file__).parents[2]


def eventually(what: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Return what *what* returns once it is true; fail when it is not in time."""
    until = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < until, "did not come true in time"
        time.sleep(0.02)
    return value


def state(pid: int) -> str:
    """Return the one-letter state of a process as Linux has it; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Return whether a process is there and is more than a zombie."""
    return state(pid) not in ("", "Z")


class Serving:
    """A server process with an application of :mod:`tests.server.applications`."""

    def __init__(
        self,
        folder: Path,
        make: str = "make",
        *,
        workers: int = 2,
        threads: int = 4,
        variables: dict[str, str] | None = None,
        more: dict[str, Any] | None = None,
        **rest: Any,
    ) -> None:
        """Start it.

        :param more: further settings.
        :param rest: see :mod:`tests.server.serving`.
        """
        settings = {"data_dir": str(folder), "workers": workers, "threads": threads, **(more or {})}
        self._log = folder / "log"
        argument = json.dumps({"make": make, "settings": settings, **rest})
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.server.serving", argument],
                cwd=ROOT,
                env=environment(**(variables or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens, once it is ready."""

        def find() -> list[str] | None:
            assert self.process.poll() is None, self.log
            lines = [line for line in self.log.splitlines() if line.startswith("ready at ")]
            return lines[0].split() if lines else None

        _, _, host, port = eventually(find)
        return host, int(port)

    def workers(self) -> list[int]:
        """The process ids of the live workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children if alive(int(child))]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=SECONDS)

    def send(self, *parts: bytes) -> socket.socket:
        """Open a connection and send the parts of a request on it."""
        connection = self.connect()
        for part in parts:
            connection.sendall(part)
        return connection

    def get(self, path: str) -> bytes:
        """Return the body of a GET on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()
        finally:
            connection.close()

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def status(self, seconds: float = SECONDS) -> int:
        """Wait for the end and return the exit status."""
        return self.process.wait(seconds)

    def end(self) -> None:
        """Leave nothing of it behind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Start a server; arguments as for :class:`Serving`."""
    started: list[Serving] = []

    def start(make: str = "make", **arguments: Any) -> Serving:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        started.append(Serving(folder, make, **arguments))
        return started[-1]

    yield start
    for one in started:
        one.end()


def read_all(connection: socket.socket) -> bytes:
    """Read until the other side closes."""
    data = bytearray()
    while part := connection.recv(65536):
        data += part
    return bytes(data)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one answer and leave the connection open: its status, headers and body."""
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, headers, answer.read()
