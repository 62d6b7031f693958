"""The process beside the workers, which they can do without for a while."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable

from tests.server.conftest import Serving, alive, eventually, state

Serve = Callable[..., Serving]


def helper_of(serving: Serving) -> int:
    """Return the process id of the helper that was started last."""
    assert serving.address
    return int(re.findall(r"helper (\d+)", serving.log)[-1])


def test_it_is_replaced_and_ends_after_the_workers(serve: Serve) -> None:
    serving = serve(helper="idle_helper", workers=1)
    first = helper_of(serving)
    os.kill(first, signal.SIGKILL)
    second = eventually(lambda: helper_of(serving) != first and helper_of(serving))
    assert serving.get("/pid") != str(second).encode()
    assert "the companion process was killed by SIGKILL; replacing it in 0 seconds" in serving.log

    in_flight = serving.send(b"GET /sleep?1 HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.3)
    (worker,) = [pid for pid in serving.workers() if pid != second]
    serving.signal(signal.SIGTERM)
    while alive(worker):
        was_there = alive(second)
        time.sleep(0.02)
    assert was_there
    assert in_flight.recv(100).startswith(b"HTTP/1.1 200")
    assert serving.status() == 0
    assert not alive(second)


def test_one_that_keeps_dying_is_started_ever_later(serve: Serve) -> None:
    serving = serve(helper="dying_helper", workers=1)
    assert serving.address
    eventually(lambda: "replacing it in 7 seconds" in serving.log)
    for wait in (0, 1, 3):
        assert f"exited with status 3; replacing it in {wait} seconds" in serving.log
    assert serving.get("/pid")
    serving.signal(signal.SIGTERM)
    assert serving.status() == 0


def test_one_that_cannot_start_ends_the_command(serve: Serve) -> None:
    serving = serve(helper="broken_helper")
    assert serving.status() == 1
    assert "did not start: RuntimeError: nothing to help with" in serving.log


def test_it_ends_whatever_happens(serve: Serve) -> None:
    stopped = serve(helper="idle_helper", workers=1)
    helper = helper_of(stopped)
    os.kill(helper, signal.SIGSTOP)
    eventually(lambda: state(helper) == "T")
    stopped.signal(signal.SIGTERM)
    assert stopped.status() == 0
    assert not alive(helper)

    killed = serve(helper="idle_helper", workers=1)
    helper = helper_of(killed)
    killed.signal(signal.SIGKILL)
    eventually(lambda: not alive(helper))
