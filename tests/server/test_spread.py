"""Connections are spread over the workers, also when one of them has taken them all."""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest

from ecr_emulator.connection_spread import Loads
from tests.server.conftest import Serving, eventually, state

Serve = Callable[..., Serving]

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="sockets are read there")


class Client(threading.Thread):
    """Asks for work again and again by one connection, or by the next when it is closed."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(daemon=True)
        host, port = serving.address
        self._connection = http.client.HTTPConnection(host, port, timeout=20)
        self.first = self.ask()
        self.answers: Counter[int] = Counter()
        self.closed = 0
        self.done = threading.Event()

    def ask(self) -> int:
        """Return which worker answered."""
        self._connection.request("GET", "/work")
        answer = self._connection.getresponse()
        self.is_closed = answer.getheader("Connection") == "close"
        return int(answer.read())

    def run(self) -> None:
        while not self.done.is_set():
            self.answers[self.ask()] += 1
            self.closed += self.is_closed


def test_a_worker_with_all_the_connections_gives_some_away(serve: Serve) -> None:
    serving = serve()
    assert serving.address
    idle, busy = serving.workers()
    os.kill(idle, signal.SIGSTOP)
    eventually(lambda: state(idle) == "T")
    clients = [Client(serving) for _ in range(4)]
    assert {client.first for client in clients} == {busy}
    os.kill(idle, signal.SIGCONT)
    for client in clients:
        client.start()
    eventually(lambda: sum((client.answers for client in clients), Counter())[idle] > 100)
    for client in clients:
        client.done.set()
        client.join()


def test_a_single_connection_is_left_alone(serve: Serve) -> None:
    serving = serve()
    assert serving.address
    client = Client(serving)
    client.start()
    time.sleep(1)
    client.done.set()
    client.join()
    assert len(client.answers) == 1
    assert client.closed == 0


def test_a_worker_without_others_keeps_its_connections(serve: Serve) -> None:
    serving = serve(workers=1)
    assert serving.address
    clients = [Client(serving) for _ in range(3)]
    for client in clients:
        client.start()
    time.sleep(1)
    for client in clients:
        client.done.set()
        client.join()
    assert [client.closed for client in clients] == [0, 0, 0]


def test_who_tells_nothing_has_no_load() -> None:
    loads = Loads(3)
    loads.tell(10.0, 0.9)
    _tell_in_another_process(loads, 10.0, 0.5)
    assert loads.least(10.1) == 0.0
    _tell_in_another_process(loads, 10.0, 0.7)
    assert loads.least(10.1) == 0.5
    # What was told is old by now.
    assert loads.least(11.0) == 0.0


def test_alone_there_is_nobody_else() -> None:
    assert Loads(1).least(0.0) > 1


def _tell_in_another_process(loads: Loads, now: float, load: float) -> None:
    pid = os.fork()
    if pid == 0:
        loads.tell(now, load)
        os._exit(0)
    os.waitpid(pid, 0)
