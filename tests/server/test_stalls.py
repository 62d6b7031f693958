"""Clients that stop in the middle of a transfer are cut off, and no others."""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable

import pytest

from tests.server.conftest import SECONDS, Serving, eventually, read_all

Serve = Callable[..., Serving]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's counts are Linux's")

HEAD = b"PUT /body HTTP/1.1\r\nHost: a\r\n"
LENGTH = HEAD + b"Content-Length: 1000000\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def serve_impatiently(serve: Serve, **settings: int) -> Serving:
    return serve(workers=1, threads=2, more={"stall_timeout": 1, **settings})


@pytest.mark.parametrize(
    "sent",
    [LENGTH, LENGTH + b"a" * 5000, CHUNKED + b"3\r\nabc\r\nffff\r\nab"],
    ids=["nothing", "a part", "a part of a chunk"],
)
def test_a_body_that_stops_coming(serve: Serve, sent: bytes) -> None:
    serving = serve_impatiently(serve)
    with serving.send(sent) as stalled:
        start = time.monotonic()
        read_all(stalled)
        assert 0.9 < time.monotonic() - start < 5
    # Its thread is free again: both are.
    assert {serving.get("/pid") for _ in range(4)} == {b"%d" % serving.workers()[0]}


def test_bytes_that_trickle_in_do_not_help(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    with serving.send(LENGTH) as slow:
        for _ in range(100):
            try:
                slow.sendall(b"a")
            except OSError:  # a reset or a broken pipe
                return
            time.sleep(0.05)
    pytest.fail("it was allowed to go on")


def test_many_of_them_do_not_stop_the_server(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    stalled = [serving.send(LENGTH) for _ in range(4)]
    time.sleep(0.3)
    # All threads are taken, twice over; in the end somebody else gets through.
    start = time.monotonic()
    assert serving.get("/pid")
    assert time.monotonic() - start > 0.3
    for one in stalled:
        one.close()


def test_an_answer_that_nobody_takes(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    stalled = [serving.send(b"GET /download?64 HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(2)]
    time.sleep(0.3)
    assert serving.get("/pid")  # when they have been cut off
    for one in stalled:
        with one:
            received = 0
            try:
                while part := one.recv(1 << 20):
                    received += len(part)
            except ConnectionResetError:
                pass
            assert received < 64 * 1024**2


def test_the_slow_are_not_cut_off(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    stalled = serving.send(LENGTH)  # so that there is somebody to look for
    connection = http.client.HTTPConnection(*serving.address, timeout=SECONDS)
    piece = bytes(10_000)

    def body() -> object:
        for _ in range(12):
            yield piece
            time.sleep(0.2)

    connection.request("PUT", "/body", body(), {"Content-Length": str(12 * len(piece))})
    assert json.loads(connection.getresponse().read())["received"] == 12 * len(piece)
    connection.close()
    stalled.close()


def test_work_that_takes_long_is_not_cut_off(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    answers: list[bytes] = []
    busy = threading.Thread(target=lambda: answers.append(serving.get("/sleep?2")))
    busy.start()
    busy.join()
    assert answers == [b"slept"]


def test_nothing_is_left_open(serve: Serve) -> None:
    serving = serve_impatiently(serve)
    serving.get("/pid")
    (worker,) = serving.workers()
    folder = f"/proc/{worker}/fd"
    before = len(os.listdir(folder))
    for _ in range(2):
        with serving.send(LENGTH) as stalled:
            read_all(stalled)
    eventually(lambda: len(os.listdir(folder)) <= before)
