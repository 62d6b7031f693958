"""Transactions of SQLite, begun and ended by the driver on held connections.

They are classes: a generator made a context manager takes 2 us more, and a write had four.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from types import TracebackType
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from ecr_emulator.db.turns import Turn
from ecr_emulator.db.write_ahead_log import WriteAheadLog
from ecr_emulator.storage_failure import StorageFailure

#: How long a writer waits for the writers before it, in milliseconds.
BUSY_TIMEOUT_MS = 30_000

#: The option of a held connection that is the driver's own.
DRIVER_OPTION = "driver_connection"

#: What SQLite says of the disk and of locks that are held too long. It raises the same exception
#: for statements that are wrong; newer Pythons could tell them apart by a code.
_SQLITE_TROUBLE = ("disk is full", "readonly database", "disk I/O", "unable to open", "is locked")


def driver_of(connection: Connection) -> Any:
    """Return the driver's connection below one of SQLAlchemy's."""
    held = connection.get_execution_options().get(DRIVER_OPTION)
    return connection.connection.driver_connection if held is None else held


def check_storage(error: BaseException | None) -> None:
    """Say in the ground's terms what the database could not do.

    :param error: what went wrong in a transaction.
    :raises StorageFailure: that was the disk, or a lock.
    """
    if not isinstance(error, OperationalError):
        return
    reason = str(error.orig).strip().partition("\n")[0]
    if isinstance(error.orig, sqlite3.Error) and not any(
        words in reason for words in _SQLITE_TROUBLE
    ):
        return
    raise StorageFailure(f"The registry's database failed: {reason}") from error


class ReadTransaction:
    """What several statements see is one state of the database."""

    __slots__ = ("_connection", "_driver")

    _BEGIN = "BEGIN"

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = driver_of(connection)

    def __enter__(self) -> Connection:
        try:
            run_statement(self._driver, self._BEGIN)
        except OperationalError as error:
            check_storage(error)
            raise
        return self._connection

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        driver = self._driver
        try:
            if error is None:
                run_statement(driver, "COMMIT")
            else:
                check_storage(error)
        except OperationalError as failure:
            check_storage(failure)
            raise
        finally:
            if driver.in_transaction:
                driver.execute("ROLLBACK")


class WriteTransaction(ReadTransaction):
    """A transaction for which the writers' turn is taken.

    :param writer: returns the process's connection for writing, once it is our turn.
    :param log: synced after the commit and after the turn; ``None`` for not at all.
    """

    __slots__ = ("_log", "_turn", "_writer")

    _BEGIN = "BEGIN IMMEDIATE"

    def __init__(
        self, turn: Turn, writer: Callable[[], Connection], log: WriteAheadLog | None
    ) -> None:
        self._turn = turn
        self._writer = writer
        self._log = log

    def __enter__(self) -> Connection:
        self._turn.take(BUSY_TIMEOUT_MS / 1000)
        try:
            super().__init__(self._writer())
            return super().__enter__()
        except BaseException as error:
            self._turn.give_back()
            check_storage(error)
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            super().__exit__(kind, error, traceback)
        finally:
            self._turn.give_back()
        if error is None and self._log is not None:
            self._log.sync()


def run_statement(driver: Any, statement: str) -> None:
    """Run a statement without parameters or result on the driver's connection.

    :raises OperationalError: SQLAlchemy's form of what the driver raises.
    """
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error
