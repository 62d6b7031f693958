"""Writers that wait together are committed together, and none of them answers for another."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from ecr_emulator.db.engine import Database
from ecr_emulator.db.shared_commits import SharedCommits
from ecr_emulator.db.write_ahead_log import WriteAheadLog
from ecr_emulator.storage_failure import StorageFailure


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/test.sqlite3", durability="full")
    with made.write() as connection:
        connection.execute(text("CREATE TABLE things (name TEXT PRIMARY KEY, by INTEGER)"))
    yield made
    made.close()


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many parts each transaction since had."""
    seen: list[int] = []
    take = SharedCommits._take

    def note(self: SharedCommits) -> object:
        parts = take(self)
        seen.append(len(parts))
        return parts

    monkeypatch.setattr(SharedCommits, "_take", note)
    return seen


def add(name: str, error: Exception | None = None) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        values = {"name": name, "by": threading.get_ident()}
        connection.execute(text("INSERT INTO things VALUES (:name, :by)"), values)
        if error is not None:
            raise error
        return f"{name} is there"

    return work


def names(database: Database) -> list[str]:
    return sorted(database.reader().execute(text("SELECT name FROM things")).scalars())


@contextmanager
def together(
    database: Database, *works: Callable[[Connection], str]
) -> Iterator[list[Future[str]]]:
    """Ask for *works*, in this order, while a writer has the turn; it ends after the block."""
    shared = database._shared
    assert shared is not None
    with ThreadPoolExecutor(len(works)) as pool, database.write():
        asked = []
        for number, work in enumerate(works, 1):
            asked.append(pool.submit(database.write_together, work))
            until = time.monotonic() + 10
            while len(shared._waiting) < number:
                assert time.monotonic() < until
                time.sleep(0.001)
        yield asked


def test_who_is_alone_has_a_transaction_of_their_own(database: Database) -> None:
    assert database.write_together(add("a")) == "a is there"
    with pytest.raises(KeyError):
        database.write_together(add("b", KeyError()))
    assert names(database) == ["a"]


def test_those_who_wait_share_a_transaction_and_a_thread(
    database: Database, commits: list[int]
) -> None:
    with together(database, add("a"), add("b"), add("c")) as asked:
        assert not any(future.done() for future in asked)
    assert [future.result(10) for future in asked] == ["a is there", "b is there", "c is there"]
    assert commits == [3]
    threads = database.reader().execute(text("SELECT DISTINCT by FROM things")).scalars()
    assert len(list(threads)) == 1


def test_there_are_no_more_than_sixteen_in_one(database: Database, commits: list[int]) -> None:
    works = [add(f"{number:02}") for number in range(20)]
    with together(database, *works) as asked:
        pass
    assert {future.result(10) for future in asked} == {f"{n:02} is there" for n in range(20)}
    assert commits == [16, 4]


def test_what_fails_is_undone_alone(database: Database, commits: list[int]) -> None:
    with together(
        database,
        add("a"),
        add("b", KeyError("mine")),
        add("a"),
        add("c"),
        add("d", KeyError("4th")),
    ) as asked:
        pass
    assert asked[0].result(10) == "a is there"
    with pytest.raises(KeyError, match="mine"):
        asked[1].result(10)
    # It sees what was written before it, as it would have alone.
    with pytest.raises(IntegrityError):
        asked[2].result(10)
    assert asked[3].result(10) == "c is there"
    with pytest.raises(KeyError, match="4th"):
        asked[4].result(10)
    assert names(database) == ["a", "c"]
    assert commits == [5]


def test_a_leader_that_fails_does_the_others_all_the_same(database: Database) -> None:
    with together(database, add("a", KeyError()), add("b")) as asked:
        pass
    with pytest.raises(KeyError):
        asked[0].result(10)
    assert asked[1].result(10) == "b is there"
    assert database.write_together(add("c")) == "c is there"
    assert names(database) == ["b", "c"]


def test_a_full_disk_fails_all_that_it_undoes(database: Database) -> None:
    def fill(connection: Connection) -> str:
        # "The disk is full" to SQLite, which then undoes the whole transaction.
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        connection.execute(text("INSERT INTO things VALUES (:name, 0)"), {"name": "much" * 100_000})
        return "unseen"

    def exists(connection: Connection) -> str:
        # Not true once the transaction is undone, so nobody may be told.
        if connection.execute(text("SELECT count(*) FROM things")).scalar_one():
            raise FileExistsError
        return "unseen"

    with together(database, add("a"), exists, fill, add("b")) as asked:
        pass
    for future in asked:
        with pytest.raises(StorageFailure, match="full"):
            future.result(10)
    assert len({id(future.exception()) for future in asked}) == 4
    assert names(database) == []
    with database.write() as connection:
        connection.execute(text("PRAGMA max_page_count = 1000000"))
    assert database.write_together(add("c")) == "c is there"


def test_trouble_with_one_statement_is_told_to_its_writer(database: Database) -> None:
    def fail(connection: Connection) -> str:
        # No change is undone by SQLite itself here.
        connection.execute(text("ATTACH '/no/such/folder/file' AS missing"))
        return "unseen"

    with together(database, add("a"), fail, add("b")) as asked:
        pass
    assert asked[0].result(10) == "a is there"
    with pytest.raises(StorageFailure, match="unable to open"):
        asked[1].result(10)
    assert asked[2].result(10) == "b is there"


def test_nobody_is_answered_before_a_sync_and_one_is_for_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[list[str]] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: synced.append(names(database)))
    with together(database, add("a"), add("b"), add("c", KeyError())):
        pass
    # The last is that of the writer whom they waited for, whenever it came.
    assert ["a", "b"] in synced
    assert len(synced) <= 2


def test_a_sync_that_fails_fails_all_that_were_committed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: WriteAheadLog) -> None:
        raise OSError(5, "Input/output error")

    works = (add("a"), add("b", KeyError()), add("c"))
    with contextlib.suppress(StorageFailure), together(database, *works) as asked:
        # The writer whom they wait for fails too.
        monkeypatch.setattr(WriteAheadLog, "_sync", fail)
    for future in (asked[0], asked[2]):
        with pytest.raises(StorageFailure, match="Input/output"):
            future.result(10)
    with pytest.raises(KeyError):
        asked[1].result(10)


def test_a_turn_that_does_not_come_fails_all_who_waited(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecr_emulator.db.transactions.BUSY_TIMEOUT_MS", 300)
    with together(database, add("a"), add("b")) as asked:
        for future in asked:
            with pytest.raises(StorageFailure, match="locked"):
                future.result(10)
    assert database.write_together(add("c")) == "c is there"


def test_many_threads_of_two_processes_lose_nothing(database: Database) -> None:
    # A second database object has the file open for itself, as a process has.
    other = Database(str(database.engine.url), durability="full")

    def work(number: int) -> str:
        return (database, other)[number % 2].write_together(add(f"{number:04}"))

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(work, range(600)))
    assert answers == [f"{number:04} is there" for number in range(600)]
    assert names(database) == [f"{number:04}" for number in range(600)]
    other.close()
