"""moto's server, in a process of its own: in this one moto would take over boto3."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.app import app
from tests.support.server import environment

__all__ = ["app"]

START_SECONDS = 60
_RUNS_AT = re.compile(r"http://127\.0\.0\.1:\d+")


@pytest.fixture
def moto_url(tmp_path: Path) -> Iterator[str]:
    """The address of a fresh moto_server."""
    log = tmp_path / "moto.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _wait_until_ready(process, log)
    finally:
        process.kill()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        found = _RUNS_AT.search(log.read_text())
        if found is not None:
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"moto_server did not start\n{log.read_text()}")
