"""Cuts off clients that hold a thread and move nothing: the slow half of denial of service.

The server bounds the time of a request's head, but a body that stops coming, or an answer that
nobody takes, holds a thread of the worker for as long as the client likes. WSGI has no way to
give up a read, and the server does not say which connection a request came by. So a watch asks
the kernel: of the connections with a client that has kept so many threads waiting, so many are
shut down on which next to nothing has moved, the ones that stood still longest first. That ends
the read or the write with an error, and frees the thread.

Linux only (``TCP_INFO``); elsewhere nothing is cut off.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ecr_emulator.connected_sockets import connected_sockets

logger = logging.getLogger(__name__)

#: A transfer has to move this much in half the time that is allowed, or it counts as stalled.
_LEAST_BYTES = 1024
#: From linux/tcp.h, ``struct tcp_info``: tcpi_last_data_sent, tcpi_last_data_recv, tcpi_bytes_acked
#: and tcpi_bytes_received.
_TCP_INFO = struct.Struct("=44xI4xI64xQQ")

Environ = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Connection:
    """A connection as the kernel knows it.

    :ivar socket: a handle of it.
    :ivar name: the addresses that it is between.
    :ivar moved: the bytes that have gone over it, both ways.
    :ivar idle: milliseconds since the last of them.
    """

    socket: socket.socket
    name: tuple[Any, Any]
    moved: int
    idle: int

    @property
    def peer(self) -> str:
        return str(self.name[0][0])


class StallGuard:
    """A WSGI application whose clients may not stop in the middle of a transfer.

    :param application: what answers the requests.
    :param seconds: how long a transfer may stand still, roughly.
    """

    def __init__(self, application: Callable[..., Any], seconds: float) -> None:
        self._application = application
        self._waits = _Waits()
        self._watch = _Watch(self._waits, seconds)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        if environ.get("CONTENT_LENGTH") or "HTTP_TRANSFER_ENCODING" in environ:
            peer = str(environ.get("REMOTE_ADDR") or "")
            environ["wsgi.input"] = _WatchedInput(environ["wsgi.input"], self._waits, peer)
        answer: Iterable[bytes] = self._application(environ, start_response)
        if isinstance(answer, list):
            # The server takes it in one piece, and no thread waits for the client to have it.
            return answer
        return _WatchedAnswer(answer, self._waits, str(environ.get("REMOTE_ADDR") or ""))

    def start(self) -> None:
        """Begin to watch; in the process that serves, for a thread does not survive a fork."""
        if sys.platform == "linux":
            self._watch.start()

    def close(self) -> None:
        """Stop watching, and close the application."""
        self._watch.stop()
        if hasattr(self._application, "close"):
            self._application.close()


class _Waits:
    """Who keeps a thread waiting, and since when."""

    def __init__(self) -> None:
        self._begun: dict[int, tuple[str, float]] = {}
        self._numbers = itertools.count()

    def begin(self, peer: str) -> int:
        number = next(self._numbers)
        self._begun[number] = (peer, time.monotonic())
        return number

    def end(self, number: int | None) -> None:
        if number is not None:
            self._begun.pop(number, None)

    def peers(self, since: float) -> Counter[str]:
        """Return who has kept how many threads waiting since a time (monotonic) or longer."""
        return Counter(peer for peer, begun in list(self._begun.values()) if begun <= since)


class _WatchedInput:
    """``wsgi.input``, of which only ``read(size)`` is used here."""

    def __init__(self, stream: Any, waits: _Waits, peer: str) -> None:
        self._read = stream.read
        self._waits = waits
        self._peer = peer

    def read(self, size: int = -1) -> bytes:
        number = self._waits.begin(self._peer)
        try:
            data: bytes = self._read(size)
            return data
        finally:
            self._waits.end(number)


class _WatchedAnswer:
    """An answer in pieces: between two of them the server waits for the client."""

    def __init__(self, answer: Iterable[bytes], waits: _Waits, peer: str) -> None:
        self._answer = answer
        self._pieces: Iterator[bytes] = iter(answer)
        self._waits = waits
        self._peer = peer
        self._number: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        self._waits.end(self._number)
        piece = next(self._pieces)
        self._number = self._waits.begin(self._peer)
        return piece

    def close(self) -> None:
        self._waits.end(self._number)
        if hasattr(self._answer, "close"):
            self._answer.close()


class _Watch(threading.Thread):
    """Looks at the connections of those who keep us waiting, and shuts down what stands still."""

    def __init__(self, waits: _Waits, seconds: float) -> None:
        super().__init__(name="stalls", daemon=True)
        self._waits = waits
        # A client is looked at after half the time, and has the other half to move something.
        self._half = seconds / 2
        self._seen: dict[tuple[Any, Any], tuple[float, int]] = {}
        self._done = threading.Event()

    def stop(self) -> None:
        self._done.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        while not self._done.wait(self._half / 4):
            self.look()

    def look(self) -> None:
        """Compare what every suspect connection has moved with what it had before."""
        now = time.monotonic()
        waiting = self._waits.peers(now - self._half)
        seen, self._seen = self._seen, {}
        if not waiting:
            return
        with contextlib.ExitStack() as handles:
            still = []
            for connection in _connections(waiting.keys()):
                handles.enter_context(connection.socket)
                since, before = seen.get(connection.name, (now, connection.moved))
                if connection.moved - before >= _LEAST_BYTES:
                    since, before = now, connection.moved
                self._seen[connection.name] = (since, before)
                if now - since >= self._half:
                    still.append(connection)
            # Whoever waits for a thread has not moved anything either, but came later.
            for connection in sorted(still, key=lambda one: one.idle, reverse=True):
                if waiting[connection.peer] > 0:
                    waiting[connection.peer] -= 1
                    self._cut(connection)

    def _cut(self, connection: _Connection) -> None:
        logger.info("cutting off %s, which keeps a transfer waiting", connection.peer)
        del self._seen[connection.name]
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)


def _connections(peers: Collection[str]) -> Iterator[_Connection]:
    """Yield this process's connections with *peers*; their handles are the caller's to close."""
    names = set()
    for handle in connected_sockets():
        try:
            name = (handle.getpeername(), handle.getsockname())
            info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:  # closed by its peer, or by other means than TCP
            handle.close()
            continue
        # A handle made here may have the number of what was listed and is gone.
        if name in names or not isinstance(name[0], tuple) or name[0][0] not in peers:
            handle.close()
            continue
        names.add(name)
        sent_ago, received_ago, acked, received = _TCP_INFO.unpack_from(info)
        yield _Connection(handle, name, acked + received, min(sent_ago, received_ago))
