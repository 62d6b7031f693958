"""Connections and transactions over SQLite or PostgreSQL.

SQLite runs in WAL mode. A write transaction starts with ``BEGIN IMMEDIATE``: it waits for
its turn at the start, and never fails in the middle for want of the lock. Reads that need
no more than one statement use a connection held per thread in autocommit mode, which
spares them the transaction's two round trips.
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

from ecr_emulator.storage_failure import StorageFailure

#: How long a writer waits for the writers before it, in milliseconds.
BUSY_TIMEOUT_MS = 30_000

#: Whether SQLite syncs each commit in WAL mode, or only its checkpoints.
_FULL, _NORMAL = "FULL", "NORMAL"
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
        self.engine = _make_engine(url, durability)
        self._full = durability == "full"
        self._writers = self.engine.execution_options(begin_mode="IMMEDIATE")
        self._hasty_writers = self._writers.execution_options(synchronous=_NORMAL)
        self._readers = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held = threading.local()
        # Weak, so that the connection of a thread that ended goes back to the pool.
        self._all_held: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._all_held_lock = threading.Lock()
        self._writing = threading.Lock()

    def reader(self) -> Connection:
        """Return this thread's autocommit connection: one consistent statement at a time.

        The caller must not close it, and must fetch each result to its end.
        """
        connection: Connection | None = getattr(self._held, "connection", None)
        if connection is None or connection.invalidated:
            connection = self._readers.connect()
            self._held.connection = connection
            with self._all_held_lock:
                self._all_held.add(connection)
        return connection

    def reader_driver(self) -> Any:
        """Return the driver's connection below :meth:`reader`, for statements made ready before."""
        driver = getattr(self._held, "driver", None)
        if driver is None or self._held.connection.invalidated:
            driver = self._held.driver = self.reader().connection.driver_connection
        return driver

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction for several statements that must see one state of the database.

        :raises StorageFailure: the database cannot be read.
        """
        with _as_storage_failure(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self, *, lasting: bool = True) -> Iterator[Connection]:
        """A write transaction: committed at the end of the block, rolled back on an exception.

        :param lasting: whether a power cut after the block may undo it (``False``); the end of
            the process never does. That saves SQLite's sync, which the next lasting transaction
            makes good.
        :raises StorageFailure: the database takes no writes; nothing of the block is kept.
        """
        writers = self._writers if lasting or not self._full else self._hasty_writers
        with self._turn(), _as_storage_failure(), writers.begin() as connection:
            yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Let this process's writers wait for each other here.

        In SQLite a writer that finds the lock taken sleeps, longer each time, and looks again:
        with several at it the lock is free more often than held. So of each process one tries.
        """
        if self.engine.dialect.name != "sqlite":
            yield
            return
        if not self._writing.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise StorageFailure("The registry's database failed: database is locked")
        try:
            yield
        finally:
            self._writing.release()

    def close(self) -> None:
        """Close every connection."""
        with self._all_held_lock:
            for connection in list(self._all_held):
                connection.close()
            self._all_held.clear()
        self._held = threading.local()
        self.engine.dispose()


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


def _make_engine(url: str, durability: str) -> Engine:
    parsed = make_url(url)
    options: dict[str, Any] = {
        "json_serializer": _compact_json,
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
    synchronous = _FULL if durability == "full" else _NORMAL

    @event.listens_for(engine, "connect")
    def _prepare(dbapi_connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: _begin below does.
        dbapi_connection.isolation_level = None
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("isolation_level") == "AUTOCOMMIT":
            return
        mode = options.get("begin_mode", "DEFERRED")
        # What is set stays with the driver's connection, which the pool hands on.
        wanted, state = options.get("synchronous", synchronous), connection.info
        if mode == "IMMEDIATE" and state.get("synchronous", synchronous) != wanted:
            connection.exec_driver_sql(f"PRAGMA synchronous = {wanted}")
            state["synchronous"] = wanted
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def _compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
