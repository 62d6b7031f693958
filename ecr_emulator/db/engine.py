"""Connections and transactions over SQLite or PostgreSQL.

SQLite runs in WAL mode. A write transaction starts with ``BEGIN IMMEDIATE``: it waits for
its turn at the start, and never fails in the middle for want of the lock. Reads that need
no more than one statement use a connection held per thread in autocommit mode, which
spares them the transaction's two round trips.

In SQLite transactions run on connections that are held too, one a thread for reading and one a
process for writing (writers take turns), and are begun and ended by the driver: that costs a
tenth of what SQLAlchemy's pool and transactions do. What was committed is synced by
:mod:`.write_ahead_log`, for many writers at once.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from ecr_emulator.db.turns import Turn
from ecr_emulator.db.write_ahead_log import WriteAheadLog
from ecr_emulator.storage_failure import StorageFailure

#: How long a writer waits for the writers before it, in milliseconds.
BUSY_TIMEOUT_MS = 30_000

#: The option of a held connection that is the driver's own.
_DRIVER = "driver_connection"

#: What SQLite says of the disk and of locks that are held too long. It raises the same exception
#: for statements that are wrong; newer Pythons could tell them apart by a code.
_SQLITE_TROUBLE = ("disk is full", "readonly database", "disk I/O", "unable to open", "is locked")


class Database:
    """The emulator's database.

    :param url: an SQLAlchemy URL (``sqlite:///…`` or ``postgresql+psycopg://…``).
    :param durability: ``full`` syncs every commit to the disk; ``relaxed`` leaves the last
        commits to the operating system, which loses them only when the machine stops.
    """

    def __init__(self, url: str, *, durability: str = "full") -> None:
        self.engine = _make_engine(url)
        self._readers = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held = threading.local()
        # Weak, so that the connection of a thread that ended goes back to the pool.
        self._all_held: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._all_held_lock = threading.Lock()
        self._turn: Turn | None = None
        self._log: WriteAheadLog | None = None
        self._writer: Connection | None = None
        if self.engine.dialect.name == "sqlite":
            path = self.engine.url.database or ""
            self._turn = Turn(path + ".write.lock")
            self._log = WriteAheadLog(path) if durability == "full" else None

    def reader(self) -> Connection:
        """Return this thread's autocommit connection: one consistent statement at a time.

        The caller must not close it, and must fetch each result to its end.
        """
        connection: Connection | None = getattr(self._held, "connection", None)
        if connection is None or connection.invalidated:
            connection = self._held.connection = self._hold()
        return connection

    def reader_driver(self) -> Any:
        """Return the driver's connection below :meth:`reader`, for statements made ready before."""
        driver = getattr(self._held, "driver", None)
        if driver is None or self._held.connection.invalidated:
            driver = self._held.driver = driver_of(self.reader())
        return driver

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction for several statements that must see one state of the database.

        :raises StorageFailure: the database cannot be read.
        """
        snapshot = self._snapshot()
        with _as_storage_failure():
            if snapshot is None:
                with self.engine.begin() as connection:
                    yield connection
                return
            with _transaction(snapshot, "BEGIN"):
                yield snapshot

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back on an exception.

        :param lasting: whether a power cut after the block may undo it (``False``); the end of
            the process never does. That saves a sync, which that of the next lasting
            transaction makes good.
        :raises StorageFailure: the database takes no writes; nothing of the block is kept. Or
            the disk does not take what was committed: then it may be lost with the machine.
        """
        if self._turn is None:
            with _as_storage_failure(), self.engine.begin() as connection:
                yield connection
            return
        with self._turn.taken(BUSY_TIMEOUT_MS / 1000), _as_storage_failure():
            writer = self._writer
            if writer is None or writer.closed or writer.invalidated:
                writer = self._writer = self._hold()
            with _transaction(writer, "BEGIN IMMEDIATE"):
                yield writer
        if self._log is not None and lasting:
            self._log.sync()

    def _snapshot(self) -> Connection | None:
        """Return this thread's connection for transactions that read, unless one is open."""
        if self.engine.dialect.name != "sqlite":
            return None
        connection: Connection | None = getattr(self._held, "snapshot", None)
        if connection is None or connection.invalidated:
            connection = self._held.snapshot = self._hold()
        return None if driver_of(connection).in_transaction else connection

    def _hold(self) -> Connection:
        """Return a new connection that lasts until it is let go or the database is closed.

        SQLAlchemy takes it to be in a transaction that never ends.
        """
        connection = self._readers.connect()
        connection.begin()
        if self._turn is not None:
            # SQLite's never change; the way to it through SQLAlchemy costs as much as a look-up.
            connection.execution_options(**{_DRIVER: driver_of(connection)})
        with self._all_held_lock:
            self._all_held.add(connection)
        return connection

    def close(self) -> None:
        """Close every connection."""
        with self._all_held_lock:
            for connection in list(self._all_held):
                connection.close()
            self._all_held.clear()
        self._writer = None
        if self._turn is not None:
            self._turn.close()
        self._held = threading.local()
        self.engine.dispose()


def driver_of(connection: Connection) -> Any:
    """Return the driver's connection below one of SQLAlchemy's."""
    held = connection.get_execution_options().get(_DRIVER)
    return connection.connection.driver_connection if held is None else held


@contextmanager
def _transaction(connection: Connection, begin: str) -> Iterator[None]:
    """Run a transaction of SQLite on a held connection; it is rolled back on an exception.

    :raises OperationalError: SQLAlchemy's, when it cannot be begun or committed.
    """
    driver = driver_of(connection)
    try:
        _run(driver, begin)
        yield
        _run(driver, "COMMIT")
    finally:
        if driver.in_transaction:
            driver.execute("ROLLBACK")


def _run(driver: Any, statement: str) -> None:
    try:
        driver.execute(statement)
    except sqlite3.OperationalError as error:
        raise OperationalError(statement, None, error) from error


@contextmanager
def _as_storage_failure() -> Iterator[None]:
    """Say in the ground's terms what the database could not do."""
    try:
        yield
    except OperationalError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        if isinstance(error.orig, sqlite3.Error) and not any(
            words in reason for words in _SQLITE_TROUBLE
        ):
            raise
        raise StorageFailure(f"The registry's database failed: {reason}") from error


def _make_engine(url: str) -> Engine:
    parsed = make_url(url)
    options: dict[str, Any] = {
        "json_serializer": json.JSONEncoder(separators=(",", ":")).encode,
        # The rows that an INSERT made are counted too; PostgreSQL's count is lost without.
        "execution_options": {"preserve_rowcount": True},
    }
    if parsed.get_backend_name() != "sqlite":
        return create_engine(parsed, pool_size=20, max_overflow=20, pool_pre_ping=True, **options)
    engine = create_engine(
        parsed,
        poolclass=QueuePool,
        pool_size=64,
        max_overflow=-1,
        # A held connection is closed by another thread when the database is closed.
        connect_args={"check_same_thread": False},
        **options,
    )

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: _begin below does.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        # The log is synced before it is written into the database; commits: by write().
        cursor.execute("PRAGMA synchronous = NORMAL")
        # Copies the log into the database every 16 MiB, with two syncs while others wait: four
        # times less often than by default, and pages that are written again and again go once.
        cursor.execute("PRAGMA wal_autocheckpoint = 4000")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN")

    return engine
