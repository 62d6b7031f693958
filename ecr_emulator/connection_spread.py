"""Spreads the clients' connections over the workers.

All workers accept from one socket, and whoever wakes first takes all that has come: eight
connections opened at once often are one worker's, and keep it busy for as long as they last
while the others, with a processor each, have nothing to do. So a busy worker that sees one that
is nearly idle asks one of its clients to come anew (``Connection: close`` in an answer; HTTP
clients open another connection for their next request), some times a second, until the loads are
alike. The new connection is taken by who has the time for it.

How busy the workers are they tell each other by memory that they share.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

from ecr_emulator import home_processor
from ecr_emulator.connected_sockets import connected_sockets

#: Seconds between two looks at the loads.
_INTERVAL = 0.05
#: A worker that has told nothing for so many seconds has nothing to do.
_SILENCE = 0.2
#: The part of a processor from which on a worker is busy.
_BUSY = 0.4
#: The part of its own load below which another worker's is nearly none.
_LITTLE = 0.4
#: When (monotonic seconds) a worker told its load, and that: the part of a processor it used.
_ENTRY = struct.Struct("=dd")
#: More places than workers, which are told apart by their process ids.
_PLACES = 64


class Loads:
    """How busy the workers are; made before they are forked, so that they share it.

    :param workers: how many there are.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, _PLACES * _ENTRY.size)

    def tell(self, now: float, load: float) -> None:
        """Say how busy this process is."""
        _ENTRY.pack_into(self._memory, self._place() * _ENTRY.size, now, load)

    def least(self, now: float) -> float:
        """Return the load of the other worker that has the least; infinite when there is none."""
        if self._workers == 1:
            return math.inf
        own = self._place()
        others = [
            load
            for place, (told, load) in enumerate(_ENTRY.iter_unpack(self._memory))
            if place != own and told > now - _SILENCE
        ]
        # Whoever is silent waits for requests.
        return min(others) if len(others) >= self._workers - 1 else 0.0

    def _place(self) -> int:
        return os.getpid() % _PLACES


class ConnectionSpread:
    """A WSGI application of which each worker has one, and which evens their loads out.

    :param application: what answers the requests.
    :param port: that the clients connect to.
    """

    def __init__(self, application: Callable[..., Any], loads: Loads, port: int) -> None:
        self._application = application
        self._port = port
        self._loads = loads
        self._due = self._since = time.monotonic()
        self._used = time.process_time()
        self._is_to_part = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        now = time.monotonic()
        if now >= self._due:
            self._look(now)
        if self._is_to_part:
            self._is_to_part = False
            start_response = _closing(start_response)
        answer: Iterable[bytes] = self._application(environ, start_response)
        return answer

    def close(self) -> None:
        """Close the application."""
        if hasattr(self._application, "close"):
            self._application.close()

    def _look(self, now: float) -> None:
        """Tell the load since the last look, and see whether a connection is to go."""
        self._due = now + _INTERVAL
        used = time.process_time()
        load = (used - self._used) / max(now - self._since, _INTERVAL)
        self._since, self._used = now, used
        self._loads.tell(now, load)
        home_processor.be_busy(load >= _BUSY)
        if load >= _BUSY and self._loads.least(now) < load * _LITTLE:
            # A single one would be no better off elsewhere.
            self._is_to_part = _connections(self._port) > 1


def _closing(start_response: Any) -> Any:
    """Return a `start_response` after whose answer the connection is closed."""

    def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        return start_response(status, [*headers, ("Connection", "close")], *rest)

    return start


def _connections(port: int) -> int:
    """Return how many connections this process has by a port; 0 where that cannot be told."""
    count = 0
    try:
        for handle in connected_sockets():
            with handle:
                name = handle.getsockname()
                count += isinstance(name, tuple) and name[1] == port
    except OSError:
        return 0
    return count
