"""What was read is remembered until the next commit, by whatever process it is made."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, select

from ecr_emulator.db.commit_watch import CommitWatch
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from tests.support.locks import is_in_use

_words = Table(
    "words",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("text", String, nullable=False),
)
_ALL = HotQuery(select(_words.c.text).order_by(_words.c.id))
_SOME = HotQuery(
    select(_words.c.text).where(_words.c.id.in_(bindparam("ids", expanding=True))), expanding="ids"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with closing(Database(f"sqlite:///{path}")) as database:
        _words.metadata.create_all(database.engine)
        _add(database, "one")
        yield database


@pytest.fixture
def statements(database: Database) -> list[str]:
    """The statements that the reading connection of this thread runs."""
    seen: list[str] = []
    database.reader_driver().set_trace_callback(seen.append)
    return seen


def _add(database: Database, text: str) -> None:
    with database.write() as connection:
        connection.execute(_words.insert().values(text=text))


def _read(database: Database) -> list[str]:
    return [row[0] for row in _ALL.all(database, {})]


def test_what_was_read_is_not_read_again(database: Database, statements: list[str]) -> None:
    assert [_read(database) for _ in range(3)] == [["one"]] * 3
    assert len(statements) == 1


def test_by_its_parameters(database: Database, statements: list[str]) -> None:
    _add(database, "two")
    for ids, words in (([1], ["one"]), ([2], ["two"]), ([1, 2], ["one", "two"]), ([], [])):
        for _ in range(2):
            assert [row[0] for row in _SOME.all(database, {"ids": ids})] == words
    assert len(statements) == 3


def test_a_commit_is_seen(database: Database) -> None:
    assert _read(database) == ["one"]
    _add(database, "two")
    assert _read(database) == ["one", "two"]


def test_what_is_not_committed_is_not_seen(database: Database) -> None:
    with database.write() as connection:
        connection.execute(_words.insert().values(text="two"))
        assert _read(database) == ["one"]
        assert len(_ALL.all(connection, {})) == 2
    assert _read(database) == ["one", "two"]


def test_what_was_undone_is_not_seen(database: Database) -> None:
    def add_and_fail() -> None:
        with database.write() as connection:
            connection.execute(_words.insert().values(text="two"))
            assert len(_ALL.all(connection, {})) == 2
            raise RuntimeError

    with pytest.raises(RuntimeError):
        add_and_fail()
    assert _read(database) == ["one"]


def test_the_commit_of_another_process_is_seen(database: Database, path: Path) -> None:
    assert _read(database) == ["one"]
    program = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("INSERT INTO words (text) VALUES ('two')")
connection.commit()
"""
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert _read(database) == ["one", "two"]


def test_across_a_log_that_begins_anew(database: Database, path: Path) -> None:
    for number in range(5):
        _add(database, str(number))
        before = _read(database)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        assert _read(database) == before
    assert _read(database) == ["one", *"01234"]


def test_nobody_reads_what_is_older_than_the_last_commit(database: Database) -> None:
    """Several threads write and read: what was there when a read began is in what it finds."""
    committed = 1
    failures: list[str] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            least = committed
            if (found := len(_read(database))) < least:
                failures.append(f"{found} of {least}")

    readers = [threading.Thread(target=look) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(30):
        _add(database, str(number))
        committed += 1
    done.set()
    for reader in readers:
        reader.join()
    assert failures == []


def test_what_is_large_is_not_remembered(database: Database) -> None:
    reads = []

    def read(size: int) -> str:
        reads.append(size)
        return "x" * size

    for size in (1 << 20, 3 << 20):
        for _ in range(2):
            database.remember(("large", size), lambda size=size: read(size), len)
    assert reads == [1 << 20, 3 << 20, 3 << 20]


def test_all_is_forgotten_before_it_is_too_much(database: Database) -> None:
    reads = []

    def read(number: int) -> int:
        reads.append(number)
        return number

    for number in [*range(12), 11, 0]:
        database.remember(number, lambda number=number: read(number), lambda _: 1 << 20)
    assert reads == [*range(12), 0]


def test_a_failure_is_not_remembered(database: Database) -> None:
    def fail() -> int:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            database.remember("key", fail, lambda _: 0)
    assert database.remember("key", lambda: 1, lambda _: 0) == 1


def test_a_database_that_closes_leaves_the_others_their_locks(
    database: Database, path: Path
) -> None:
    """POSIX: whoever closes a descriptor of a file gives up the process's locks on it."""
    _read(database)
    with closing(Database(f"sqlite:///{path}")) as other:
        _read(other)
    assert is_in_use(path)
    database.close()
    assert not is_in_use(path)


def test_a_watch_that_was_closed_tells_nothing(database: Database, path: Path) -> None:
    _read(database)
    watch = CommitWatch(str(path))
    assert watch.state() is None
    watch.start()
    assert watch.state() is not None
    watch.close()
    watch.close()
    assert watch.state() is None
