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
import logging
import threading
import weakref
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from ecr_emulator.db.commit_watch import CommitWatch
from ecr_emulator.db.remembered import Remembered
from ecr_emulator.db.shared_commits import SharedCommits
from ecr_emulator.db.transactions import (
    BUSY_TIMEOUT_MS,
    DRIVER_OPTION,
    ReadTransaction,
    WriteTransaction,
    check_storage,
    driver_of,
)
from ecr_emulator.db.turns import Turn
from ecr_emulator.db.write_ahead_log import WriteAheadLog

logger = logging.getLogger(__name__)

_Value = TypeVar("_Value")


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
        self._shared: SharedCommits | None = None
        self._writer: Connection | None = None
        self._watch: CommitWatch | None = None
        self._watched: Connection | None = None
        self._remembered: Remembered | None = None
        if self.engine.dialect.name == "sqlite":
            path = self.engine.url.database or ""
            self._turn = Turn(path + ".write.lock")
            self._log = WriteAheadLog(path) if durability == "full" else None
            self._shared = SharedCommits(partial(self.write, lasting=False), self._log)
            self._watch = CommitWatch(path)
            self._remembered = Remembered(self._watch)

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

    def remember(
        self, key: Hashable, read: Callable[[], _Value], size: Callable[[_Value], int]
    ) -> _Value:
        """Return what *read* returns, or did since the last commit (see :class:`.Remembered`)."""
        if self._remembered is None:
            return read()
        return self._remembered.get(key, read, size)

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction for several statements that must see one state of the database.

        :raises StorageFailure: the database cannot be read.
        """
        snapshot = self._snapshot()
        return self._pooled() if snapshot is None else ReadTransaction(snapshot)

    def write(self, *, lasting: bool = True) -> AbstractContextManager[Connection]:
        """A write transaction: committed at the end of the block, rolled back on an exception.

        :param lasting: whether a power cut after the block may undo it (``False``); the end of
            the process never does. That saves a sync, which that of the next lasting
            transaction makes good.
        :raises StorageFailure: the database takes no writes; nothing of the block is kept. Or
            the disk does not take what was committed: then it may be lost with the machine.
        """
        if self._turn is None:
            return self._pooled()
        return WriteTransaction(self._turn, self._held_writer, self._log if lasting else None)

    def write_together(self, work: Callable[[Connection], _Value]) -> _Value:
        """Do *work* in a write transaction, which it may share with others of this process.

        For what is short and asked for by many at once: they take a fraction of the time then.
        What *work* may do and what is raised: see :meth:`.SharedCommits.run`.
        """
        if self._shared is None:
            with self.write() as connection:
                return work(connection)
        return self._shared.run(work)

    @contextmanager
    def _pooled(self) -> Iterator[Connection]:
        try:
            with self.engine.begin() as connection:
                yield connection
        except OperationalError as error:
            check_storage(error)
            raise

    def _held_writer(self) -> Connection:
        """Return the process's connection for writing; the caller has the turn."""
        writer = self._writer
        if writer is None or writer.closed or writer.invalidated:
            writer = self._writer = self._hold()
        return writer

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
            connection.execution_options(**{DRIVER_OPTION: driver_of(connection)})
        with self._all_held_lock:
            self._all_held.add(connection)
        if self._watch is not None and self._watched is None:
            self._watched = connection
            try:
                self._watch.start()
            except OSError as error:
                logger.warning("what is read of the database is not remembered: %s", error)
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
        self._watched = None
        self.engine.dispose()
        if self._watch is not None:
            self._watch.close()


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
