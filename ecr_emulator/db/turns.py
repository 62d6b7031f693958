"""The turn to write: one writer at a time, of all processes that have the database open.

In SQLite a writer that finds the lock taken sleeps, longer each time, and looks again: with
several at it the lock is free more often than held. Here the kernel wakes the next one. What
keeps two writers apart all the same is SQLite's own lock: this only orders ours.
"""

from __future__ import annotations

import fcntl
import os
import threading

from ecr_emulator.storage_failure import StorageFailure


class Turn:
    """The writers' turn.

    :param path: the file by which the processes see each other; made when first needed.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._in_process = threading.Lock()
        self._file: int | None = None

    def take(self, seconds: float) -> None:
        """Wait for the turn, and hold it until :meth:`give_back`.

        :param seconds: how long to wait for the writers of this process.
        :raises StorageFailure: they took longer, or the file cannot be made.
        """
        if not self._in_process.acquire(timeout=seconds):
            raise StorageFailure("The registry's database failed: database is locked")
        try:
            if self._file is None:
                self._file = self._open()
            # A process that ends gives it up; one that goes on has SQLite's bound on its wait.
            fcntl.flock(self._file, fcntl.LOCK_EX)
        except BaseException:
            self._in_process.release()
            raise

    def give_back(self) -> None:
        """Let the next one have the turn."""
        try:
            if self._file is not None:
                fcntl.flock(self._file, fcntl.LOCK_UN)
        finally:
            self._in_process.release()

    def _open(self) -> int:
        try:
            # For reading, which does while the disk takes no writes.
            return os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            reason = f"The registry's database failed: {error.strerror}"
            raise StorageFailure(reason) from error

    def close(self) -> None:
        """Close the file."""
        with self._in_process:
            if self._file is not None:
                os.close(self._file)
                self._file = None
