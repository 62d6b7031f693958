"""The sockets of this process, whoever opened them: the server does not tell its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator


def connected_sockets() -> Iterator[socket.socket]:
    """Yield a handle of each connected socket, which is the caller's to close (Linux only).

    Nothing but sockets is copied: closing the copy of a descriptor gives up all the locks that
    the process has on the file (POSIX), and SQLite's locks on the database are of that kind.

    :raises OSError: they cannot be listed here.
    """
    for entry in os.listdir("/proc/self/fd"):
        try:
            original = socket.socket(fileno=int(entry))
        except OSError:  # not a socket, or closed by now
            continue
        # The descriptor is not ours to close.
        number = original.detach()
        try:
            descriptor = os.dup(number)
        except OSError:
            continue
        try:
            handle = socket.socket(fileno=descriptor)
        except OSError:
            # It became another file's in between: that copy stays open.
            continue
        try:
            handle.getpeername()
        except OSError:
            handle.close()
            continue
        yield handle
