"""All workers or none, the dead replaced, none left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import Serving, alive, eventually, state

Serve = Callable[..., Serving]

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are read there")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        ("make_failing", "RuntimeError: no such luck"),
        ("make_failing_second", "RuntimeError: no such luck"),
        ("make_exiting", "SystemExit: 0"),
        ("make_killed", "was killed by SIGKILL"),
    ],
)
def test_a_worker_that_fails_to_start_ends_the_command(
    serve: Serve, make: str, reason: str
) -> None:
    serving = serve(make)
    assert serving.status() == 1
    assert "did not start: " + reason in serving.log.splitlines()[-1]
    assert "ready at" not in serving.log


def test_a_worker_that_never_gets_ready_ends_the_command(serve: Serve) -> None:
    serving = serve("make_hanging", boot_timeout=0.5)
    assert serving.status() == 1
    assert "a worker was not ready after" in serving.log


def test_all_workers_serve(serve: Serve) -> None:
    serving = serve(workers=3)
    assert serving.address
    assert len(serving.workers()) == 3
    answered = eventually(
        lambda: seen if len(seen := {int(serving.get("/pid")) for _ in range(40)}) == 3 else None
    )
    assert answered == set(serving.workers())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_worker_that_dies_is_replaced_while_the_others_serve(serve: Serve, number: int) -> None:
    serving = serve()
    assert serving.address
    before = serving.workers()
    os.kill(before[0], number)
    eventually(lambda: before[0] not in serving.workers())
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        serving.get("/pid")  # raises if it is not answered
    after = eventually(lambda: w if len(w := serving.workers()) == 2 else None)
    assert before[1] in after
    assert before[0] not in after
    assert f"worker 1 {'exited' if number == signal.SIGTERM else 'was killed'}" in serving.log
    eventually(lambda: int(serving.get("/pid")) == (set(after) - set(before)).pop())


def test_the_only_worker_is_replaced_and_what_waits_is_answered(serve: Serve) -> None:
    serving = serve(workers=1)
    first = int(serving.get("/pid"))
    os.kill(first, signal.SIGKILL)
    # The socket is the master's: a connection made while nobody accepts waits for the next.
    assert int(serving.get("/pid")) != first


def test_a_worker_that_leaves_in_a_request_is_replaced(serve: Serve) -> None:
    serving = serve()
    with serving.send(b"GET /crash HTTP/1.1\r\nHost: a\r\n\r\n") as connection:
        assert connection.recv(1) == b""
    eventually(lambda: "exited with status 3; replacing it" in serving.log)
    eventually(lambda: len(serving.workers()) == 2)


def test_a_replacement_that_cannot_start_ends_the_command(serve: Serve) -> None:
    serving = serve("make_failing_third")
    assert serving.address
    os.kill(serving.workers()[0], signal.SIGKILL)
    assert serving.status() == 1
    assert "did not start: RuntimeError: no such luck" in serving.log.splitlines()[-1]


def test_workers_that_keep_dying_end_the_command(serve: Serve) -> None:
    serving = serve("make_short_lived")
    assert serving.status() == 1
    assert "5 workers died within 30 seconds; the last was killed by SIGALRM" in serving.log


def test_a_hung_worker_keeps_no_new_connection_from_the_others(serve: Serve) -> None:
    serving = serve()
    assert serving.address
    hung, other = serving.workers()
    os.kill(hung, signal.SIGSTOP)
    eventually(lambda: state(hung) == "T")
    assert {int(serving.get("/pid")) for _ in range(50)} == {other}


def test_old_workers_are_replaced_one_at_a_time(serve: Serve) -> None:
    serving = serve(worker_lifetime=0.5)
    assert serving.address
    first = set(serving.workers())
    fewest, lost = 2, 0
    until = time.monotonic() + 20
    while first & set(serving.workers()):
        assert time.monotonic() < until, serving.log
        fewest = min(fewest, len(serving.workers()))
        try:
            serving.get("/pid")
        except OSError:  # a connection that a worker took as its very last
            lost += 1
    assert fewest >= 1
    assert lost <= 2
    # Their end was no accident.
    assert "replacing it" not in serving.log
    serving.signal(signal.SIGTERM)
    assert serving.status() == 0


def test_an_old_worker_that_does_not_stop_is_killed(serve: Serve) -> None:
    # Long enough for the request to reach it, on a busy machine too.
    serving = serve(workers=1, worker_lifetime=2.0, stop_timeout=0.5)
    old = int(serving.get("/pid"))
    stalled = serving.send(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(lambda: not alive(old))
    eventually(lambda: serving.workers() and int(serving.get("/pid")) != old)
    stalled.close()


def test_workers_end_with_a_killed_master(serve: Serve) -> None:
    serving = serve()
    address = serving.address
    workers = serving.workers()
    os.kill(workers[0], signal.SIGSTOP)  # stopped, it can do nothing about it itself
    serving.signal(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in workers))

    def refused() -> bool:
        try:
            socket.create_connection(address).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused)  # the last thread of a process may end a little after its first


def test_workers_end_with_a_killed_master_without_the_kernels_help(serve: Serve) -> None:
    serving = serve(ask_kernel=False)
    assert serving.address
    workers = serving.workers()
    serving.signal(signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in workers))


def test_a_worker_keeps_nothing_of_the_masters_open(serve: Serve) -> None:
    """A copy of the lifeline's other end would keep orphans alive; a pipe would leak to each."""
    serving = serve(workers=3)
    assert serving.address
    for _ in range(2):
        before = serving.workers()
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda before=before: len(set(serving.workers()) - set(before)) == 1)
    serving.get("/pid")

    def pipes(pid: int) -> int:
        count = 0
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):  # closed since it was listed
                count += os.readlink(f"/proc/{pid}/fd/{fd}").startswith("pipe:")
        return count

    # The lifeline's read end, its own line to the master, and both ends of its stop signal.
    eventually(lambda: [pipes(pid) for pid in serving.workers()] == [4, 4, 4])
