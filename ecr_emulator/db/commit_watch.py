"""Whether anything was committed to SQLite's database, told without asking SQLite.

The index of the write-ahead log (the file ``-shm``) is memory that all processes share which have
the database open. It begins with a header that every commit writes anew before it ends: a counter
of transactions, the number of frames in the log, their checksum and two random salts (SQLite's
"WAL-mode File Format", section 2.1). So long as these bytes stay the same, so does the database.
Reading them costs a tenth of a microsecond; a statement that finds the same out costs six, and
lets other threads have the interpreter.
"""

from __future__ import annotations

import mmap
import os
import threading
from dataclasses import dataclass

#: The first of the header's two copies: its fields up to the salts, and their checksum.
_HEADER = 48
#: Where the header says that it is filled in (``isInit``).
_IS_FILLED_IN = 12


@dataclass
class _Mapping:
    """The memory of one database, for all in this process that watch it.

    :ivar users: how many these are.
    """

    users: int = 0
    memory: mmap.mmap | None = None
    descriptor: int | None = None


_mappings: dict[str, _Mapping] = {}
_lock = threading.Lock()


class CommitWatch:
    """Sees the commits to one database, by whatever process they are made.

    Closing any descriptor of a file gives up all the locks that the process has on it (POSIX):
    SQLite's would go with one of ours. So there is one mapping of it in a process, which is kept
    until the last watch is closed. Make the watch before the first connection is opened, start
    it after that, and close it after the last one is closed.

    :param database: the path of the database.
    """

    def __init__(self, database: str) -> None:
        self._path = os.path.realpath(database) + "-shm"
        self._memory: mmap.mmap | None = None
        self._is_closed = False
        with _lock:
            self._mapping = _mappings.setdefault(self._path, _Mapping())
            self._mapping.users += 1

    def start(self) -> None:
        """Begin to watch; a connection to the database is open, and stays open.

        :raises OSError: the file cannot be mapped.
        """
        mapping = self._mapping
        with _lock:
            if mapping.memory is None:
                if mapping.descriptor is None:
                    mapping.descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                mapping.memory = mmap.mmap(mapping.descriptor, _HEADER, access=mmap.ACCESS_READ)
        self._memory = mapping.memory

    def state(self) -> bytes | None:
        """Return what stays the same until the next commit; ``None`` when that cannot be told."""
        memory = self._memory
        try:
            if memory is None or not memory[_IS_FILLED_IN]:
                return None
            return memory[:_HEADER]
        except ValueError:  # closed in this moment
            return None

    def close(self) -> None:
        """Stop watching."""
        with _lock:
            if self._is_closed:
                return
            self._is_closed, self._memory = True, None
            mapping = self._mapping
            mapping.users -= 1
            if mapping.users:
                return
            del _mappings[self._path]
            if mapping.memory is not None:
                mapping.memory.close()
            if mapping.descriptor is not None:
                os.close(mapping.descriptor)
