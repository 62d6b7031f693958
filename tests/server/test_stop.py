"""A stop lets what is in flight finish, and takes no longer than it may."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import Serving, alive, eventually, read_all, read_answer

Serve = Callable[..., Serving]
GET = b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_requests_in_flight_finish(serve: Serve, number: int) -> None:
    serving = serve()
    slow = [serving.send(GET % b"/sleep?0.8") for _ in range(6)]
    plain = serving.send(b"PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
    chunked = serving.send(
        b"PATCH /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
    )
    time.sleep(0.3)
    serving.signal(number)
    time.sleep(0.3)
    assert serving.process.poll() is None
    plain.sendall(b"def")
    chunked.sendall(b"3\r\ndef\r\n0\r\n\r\n")
    for connection in (plain, chunked):
        status, _, body = read_answer(connection)
        assert status == 200
        assert json.loads(body)["received"] == 6
        assert json.loads(body)["error"] is None
    for connection in slow:
        assert read_all(connection).endswith(b"slept")
    assert serving.status() == 0


def test_more_requests_than_threads_finish(serve: Serve) -> None:
    serving = serve(workers=1, threads=2)
    slow = [serving.send(GET % b"/sleep?0.3") for _ in range(6)]
    time.sleep(0.2)
    serving.signal(signal.SIGTERM)
    for connection in slow:
        assert read_all(connection).endswith(b"slept")
    assert serving.status() == 0


def test_a_download_in_flight_finishes(serve: Serve) -> None:
    serving = serve()
    connection = serving.send(GET % b"/download?64")
    connection.recv(1)
    serving.signal(signal.SIGTERM)
    time.sleep(0.2)
    head, _, rest = (b"H" + read_all(connection)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert len(rest) == 64 * 1024**2
    assert serving.status() == 0


def test_idle_connections_do_not_hold_it_up(serve: Serve) -> None:
    serving = serve()
    idle = serving.send(GET % b"/pid")
    assert read_answer(idle)[0] == 200
    fresh = serving.connect()
    began = time.monotonic()
    serving.signal(signal.SIGTERM)
    assert serving.status() == 0
    assert time.monotonic() - began < 3
    assert idle.recv(1) == fresh.recv(1) == b""


def test_new_connections_are_refused_meanwhile(serve: Serve) -> None:
    serving = serve()
    busy = serving.send(GET % b"/sleep?1.5")
    time.sleep(0.2)
    serving.signal(signal.SIGTERM)
    time.sleep(0.5)
    with pytest.raises(ConnectionRefusedError):
        serving.connect()
    assert read_all(busy).endswith(b"slept")


@pytest.mark.parametrize("path", [b"/sleep?1000", b"/spin"])
def test_an_endless_request_is_cut_off(serve: Serve, path: bytes) -> None:
    serving = serve(stop_timeout=1)
    endless = serving.send(GET % path)
    time.sleep(0.3)
    began = time.monotonic()
    serving.signal(signal.SIGTERM)
    assert serving.status() == 1
    assert 1 <= time.monotonic() - began < 5
    assert "killing 1 workers that did not stop" in serving.log
    assert endless.recv(1) == b""


def test_an_upload_that_stalls_is_cut_off(serve: Serve) -> None:
    serving = serve(stop_timeout=1)
    head = b"PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n"
    with serving.send(head + b"abc"):
        time.sleep(0.3)
        serving.signal(signal.SIGTERM)
        assert serving.status() == 1


def test_a_stopped_worker_is_killed(serve: Serve) -> None:
    serving = serve(stop_timeout=1)
    assert serving.address
    workers = serving.workers()
    os.kill(workers[0], signal.SIGSTOP)
    serving.signal(signal.SIGTERM)
    assert serving.status() == 1
    assert not any(alive(pid) for pid in workers)


def test_a_second_interrupt_means_now(serve: Serve) -> None:
    serving = serve()
    with serving.send(GET % b"/sleep?1000"):
        time.sleep(0.3)
        serving.signal(signal.SIGINT)
        time.sleep(0.1)
        serving.signal(signal.SIGINT)  # an echo of the first
        time.sleep(1)
        assert serving.process.poll() is None
        serving.signal(signal.SIGINT)
        assert serving.status(5) == 1


def test_a_terminals_interrupt_reaches_all_and_stops_cleanly(serve: Serve) -> None:
    serving = serve()
    assert serving.address
    os.killpg(serving.pid, signal.SIGINT)
    assert serving.status() == 0
    assert "replacing" not in serving.log


def test_a_stop_while_starting(serve: Serve) -> None:
    serving = serve("make_hanging")
    eventually(lambda: len(serving.workers()) == 2)
    serving.signal(signal.SIGTERM)
    assert serving.status(5) == 0
