"""Syncs of SQLite's write-ahead log: one for all writers that wait for one.

With ``synchronous = FULL`` SQLite syncs the log within each commit, while it holds the lock
that the other writers wait for. Here commits only write to the log, and whoever committed waits
for a sync of it that began later, which is as much: the log is what a commit is recovered from,
up to the first frame that is not whole. A frame is gone from the log only once SQLite has synced
the log and, after it, the database that it was copied into (``synchronous = NORMAL``, "Checkpoint"
in SQLite's "Write-Ahead Logging").
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing

from ecr_emulator.storage_failure import StorageFailure


class WriteAheadLog:
    """The log of one database.

    :param database: the path of the database.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._condition = threading.Condition()
        # Syncs are numbered from 1.
        self._begun = self._ended = 0
        self._is_running = False
        self._failed: dict[int, str] = {}
        self._is_doubtful = False

    def sync(self) -> None:
        """Return when everything that was committed before the call is on the disk.

        :raises StorageFailure: the disk did not take it.
        """
        with self._condition:
            needed = self._begun + 1
            while self._ended < needed and self._is_running:
                self._condition.wait()
            if self._ended < needed:
                self._begun = needed
                self._is_running = True
            elif needed in self._failed:
                raise StorageFailure(self._failed[needed])
            else:
                return
        reason = ""
        try:
            self._sync()
        except (OSError, sqlite3.Error) as error:
            reason = f"The registry's database failed: {error}"
        with self._condition:
            self._is_running = False
            self._ended = needed
            if reason:
                self._failed[needed] = reason
                # Whoever waited for that one is gone by now.
                self._failed.pop(needed - 1000, None)
            self._condition.notify_all()
        if reason:
            raise StorageFailure(reason)

    def _sync(self) -> None:
        if self._is_doubtful:
            # After a sync that failed the kernel may forget what it did not write: the pages
            # are written anew, into the database.
            with closing(sqlite3.connect(self._database)) as connection:
                is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if is_busy:
                raise sqlite3.OperationalError("database is locked")
            self._is_doubtful = False
            return
        # By its name each time: it is made anew when the last connection was closed.
        log = os.open(self._database + "-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(log)
        except OSError:
            self._is_doubtful = True
            raise
        finally:
            os.close(log)
