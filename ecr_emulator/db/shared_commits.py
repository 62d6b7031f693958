"""Commits that several writers of a process share.

A transaction costs more than what most of them write: the lock, the log's pages that all of them
change (the newest events, the newest images), a sync, and, when another process has written since,
every page read anew. So what waits for the turn to write is done together when it comes, by one
of those that wait and in one transaction: its thread goes from one to the next with the
interpreter's lock and the database's pages at hand.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from sqlalchemy import Connection

from ecr_emulator.db.transactions import check_storage, driver_of, run_statement
from ecr_emulator.db.write_ahead_log import WriteAheadLog
from ecr_emulator.storage_failure import StorageFailure

_Value = TypeVar("_Value")

#: What is done in one transaction at most. The others wait so long for its end.
_MOST_PARTS = 16


class _Part:
    """What one writer wants done.

    :ivar leads: whether its own thread is to do it, with all that wait by then.
    :ivar told: held until it was done, or is to lead.
    """

    __slots__ = ("error", "leads", "told", "value", "work")

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.value: Any = None
        self.error: BaseException | None = None
        self.leads = False
        self.told = threading.Lock()
        self.told.acquire()


class SharedCommits:
    """The shared commits of one process to one database.

    :param begin: makes a write transaction that syncs nothing.
    :param log: synced after the commit and after the turn; ``None`` for not at all.
    """

    def __init__(
        self, begin: Callable[[], AbstractContextManager[Connection]], log: WriteAheadLog | None
    ) -> None:
        self._begin = begin
        self._log = log
        self._lock = threading.Lock()
        self._waiting: deque[_Part] = deque()
        self._has_leader = False

    def run(self, work: Callable[[Connection], _Value]) -> _Value:
        """Do *work* in a transaction, and return what it returns once that was committed.

        What it wrote is undone if it raises, and that alone; the exception is raised here.

        :param work: may be called by another thread that waits for the same commit, so it must
            not wait for a lock that a caller of this holds.
        :raises StorageFailure: the database takes no writes, and nothing was kept. Or the disk
            does not take what was committed: then it may be lost with the machine.
        """
        part = _Part(work)
        with self._lock:
            self._waiting.append(part)
            leads = not self._has_leader
            self._has_leader = True
        if not leads:
            part.told.acquire()
        if leads or part.leads:
            self._lead(part)
        if part.error is not None:
            raise part.error
        value: _Value = part.value
        return value

    def _lead(self, own: _Part) -> None:
        """Do what waits, *own* first."""
        parts: Sequence[_Part] = ()
        try:
            with self._begin() as connection:
                parts = self._take()
                _write(connection, parts)
        except BaseException as error:  # noqa: BLE001 - raised by run(), for each of them
            # Whoever waited has waited as long, or lost as much.
            parts = parts or self._take()
            for part in parts:
                part.error = error if part is own else _for_another(error)
        finally:
            # The next ones go on while this waits for the disk.
            self._pass_on()
        self._sync(parts)
        for part in parts:
            if part is not own:
                part.told.release()

    def _take(self) -> list[_Part]:
        with self._lock:
            number = min(_MOST_PARTS, len(self._waiting))
            return [self._waiting.popleft() for _ in range(number)]

    def _pass_on(self) -> None:
        with self._lock:
            self._has_leader = bool(self._waiting)
            if self._has_leader:
                next_one = self._waiting[0]
                next_one.leads = True
                next_one.told.release()

    def _sync(self, parts: Sequence[_Part]) -> None:
        if self._log is None or all(part.error is not None for part in parts):
            return
        try:
            self._log.sync()
        except StorageFailure as failure:
            for part in parts:
                part.error = part.error or StorageFailure(str(failure))


def _write(connection: Connection, parts: Sequence[_Part]) -> None:
    """Do each of *parts* in the transaction of *connection*.

    :raises Exception: nothing of any of them is to be kept.
    """
    if len(parts) == 1:
        parts[0].value = parts[0].work(connection)
        return
    driver = driver_of(connection)
    for part in parts:
        run_statement(driver, "SAVEPOINT part")
        try:
            part.value = part.work(connection)
        except BaseException as error:
            if not driver.in_transaction:
                # SQLite undoes all of a transaction when the disk is full ("Response To Errors
                # Within A Transaction").
                raise
            run_statement(driver, "ROLLBACK TO part")
            part.error = _in_the_grounds_terms(error)
        run_statement(driver, "RELEASE part")


def _in_the_grounds_terms(error: BaseException) -> BaseException:
    try:
        check_storage(error)
    except StorageFailure as failure:
        return failure
    return error


def _for_another(error: BaseException) -> StorageFailure:
    """Return what a failed transaction is to those in it whose thread did not fail.

    Each gets an exception of its own, as raising one changes it.
    """
    if isinstance(error, StorageFailure):
        return StorageFailure(str(error))
    return StorageFailure(f"The registry's database failed: {error}")
