"""Connections and transactions over SQLite: who sees what, who waits for whom."""

from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NoReturn

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    text,
)
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from ecr_emulator.db import transactions
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import UtcTime
from ecr_emulator.db.upsert import insert_once, put_row
from ecr_emulator.storage_failure import StorageFailure

_metadata = MetaData()
things = Table(
    "things",
    _metadata,
    Column("name", String, primary_key=True),
    Column("value", Integer),
    Column("other", Integer, unique=True),
    Column("time", UtcTime),
    Column("document", JSON),
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.sqlite3"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    made = Database(url, durability="relaxed")
    with made.write() as connection:
        _metadata.create_all(connection)
    yield made
    made.close()


def names(database: Database) -> list[str]:
    return list(database.reader().execute(select(things.c.name).order_by(things.c.name)).scalars())


def add(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(insert(things).values(name=name))


def test_settings_of_each_connection(url: str) -> None:
    database = Database(url)
    for connection in (database.reader(), database.engine.connect()):
        for pragma, value in [
            ("journal_mode", "wal"),
            ("synchronous", 1),
            ("foreign_keys", 1),
            ("busy_timeout", transactions.BUSY_TIMEOUT_MS),
        ]:
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value
        connection.close()
    database.close()


def test_inserted_rows_are_counted(database: Database) -> None:
    """SQLite counts them anyway; PostgreSQL's count is lost unless it is asked for."""
    assert database.engine.get_execution_options()["preserve_rowcount"] is True
    with database.write() as connection:
        found = select(text("'a'")).union_all(select(text("'b'")))
        assert connection.execute(insert(things).from_select(["name"], found)).rowcount == 2
        assert connection.execute(insert(things).values(name="c")).rowcount == 1


def test_a_write_is_seen_when_it_is_over(database: Database) -> None:
    names(database)
    with database.write() as connection:
        connection.execute(insert(things).values(name="a"))
        assert names(database) == []
        with database.read() as other:
            assert other.execute(select(things)).all() == []
    assert names(database) == ["a"]


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> NoReturn:
        with database.write() as connection:
            connection.execute(insert(things).values(name="a"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    add(database, "b")
    assert names(database) == ["b"]


def test_a_constraint_ends_the_write(database: Database) -> None:
    add(database, "a")
    with pytest.raises(IntegrityError):
        add(database, "a")
    add(database, "b")
    assert names(database) == ["a", "b"]


def test_a_read_sees_one_state(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(select(things.c.name)).scalars().all() == []
        add(database, "a")
        assert connection.execute(select(things.c.name)).scalars().all() == []
        assert names(database) == ["a"], "single statements see the newest"


def test_a_statement_that_fails_does_not_spoil_the_reader(database: Database) -> None:
    with pytest.raises(OperationalError):
        database.reader().execute(text("SELECT * FROM missing"))
    assert names(database) == []


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_statement_that_is_wrong_is_no_trouble_of_the_disk(database: Database, kind: str) -> None:
    with pytest.raises(OperationalError), getattr(database, kind)() as connection:
        connection.execute(text("SELECT * FROM missing"))


def test_a_write_that_the_disk_refuses(database: Database) -> None:
    add(database, "a")
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 2")
    with pytest.raises(StorageFailure, match="database or disk is full"):
        add(database, "b" * 100_000)
    assert "a" in names(database)
    with database.write() as connection:
        connection.exec_driver_sql("PRAGMA query_only = ON")
    with pytest.raises(StorageFailure, match="attempt to write a readonly database"):
        add(database, "b")
    assert "b" not in names(database)


def test_writers_take_turns(database: Database, url: str) -> None:
    """Reading and then writing loses nothing, with several processes at it."""
    add(database, "counter")
    other = Database(url, durability="relaxed")

    def count(one: Database) -> None:
        for _ in range(20):
            with one.write() as connection:
                value = connection.execute(select(things.c.value)).scalar_one() or 0
                connection.execute(things.update().values(value=value + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, [database, other] * 4))
    assert database.reader().execute(select(things.c.value)).scalar_one() == 160
    other.close()


def test_a_writer_waits_for_the_one_before(database: Database) -> None:
    holds, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write() as connection:
            connection.execute(insert(things).values(name="first"))
            holds.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(hold)
        assert holds.wait(10)
        second = pool.submit(add, database, "second")
        assert names(database) == [], "readers wait for nobody"
        assert not second.done()
        go_on.set()
        first.result(10)
        second.result(10)
    assert names(database) == ["first", "second"]


def test_a_writer_waits_only_so_long(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transactions, "BUSY_TIMEOUT_MS", 50)
    database = Database(url)
    with database.write() as connection:
        _metadata.create_all(connection)
        with pytest.raises(StorageFailure, match="database is locked"), database.write():
            raise AssertionError("two writers at once")
    add(database, "a")
    database.close()


def test_threads_that_ended_give_their_connections_back(database: Database) -> None:
    for _ in range(10):
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: names(database), range(20)))
    gc.collect()
    assert database.engine.pool.checkedout() <= 1  # type: ignore[attr-defined]


def test_close_twice_and_from_another_thread(database: Database) -> None:
    names(database)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(names, database).result()
        pool.submit(database.close).result()
    database.close()


class TestUpsert:
    def test_insert_once(self, database: Database) -> None:
        with database.write() as connection:
            assert insert_once(connection, things, name="a", value=1)
            assert not insert_once(connection, things, name="a", value=2)
            assert connection.execute(select(things.c.value)).scalars().all() == [1]

    def test_put_row(self, database: Database) -> None:
        with database.write() as connection:
            put_row(connection, things, name="a", value=1, other=7)
            put_row(connection, things, name="a", value=2)
            put_row(connection, things, name="b", value=3)
            rows = connection.execute(select(things.c.name, things.c.value, things.c.other)).all()
        assert [tuple(row) for row in rows] == [("a", 2, 7), ("b", 3, None)]

    def test_put_row_heeds_other_constraints(self, database: Database) -> None:
        with database.write() as connection:
            put_row(connection, things, name="a", other=1)
        with pytest.raises(IntegrityError), database.write() as connection:
            put_row(connection, things, name="b", other=1)


class TestColumns:
    @pytest.mark.parametrize(
        "time",
        [
            datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=timezone.utc),
            datetime(1970, 1, 1, tzinfo=timezone.utc),
            datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
            datetime(9999, 12, 31, tzinfo=timezone.utc),
            datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=9))),
            None,
        ],
    )
    def test_times_come_back(self, database: Database, time: datetime | None) -> None:
        with database.write() as connection:
            connection.execute(insert(things).values(name="a", time=time))
            found = connection.execute(select(things.c.time)).scalar_one()
        assert found == time
        assert found is None or found.tzinfo is timezone.utc

    def test_a_time_without_a_zone_is_refused(self, database: Database) -> None:
        row = insert(things).values(name="a", time=datetime(2026, 1, 1))  # noqa: DTZ001
        with pytest.raises(StatementError, match="offset-naive"), database.write() as connection:
            connection.execute(row)

    def test_documents_are_compact(self, database: Database) -> None:
        with database.write() as connection:
            connection.execute(insert(things).values(name="a", document={"a": [1, "\u00e9"]}))
            stored = connection.exec_driver_sql("SELECT document FROM things").scalar_one()
            assert stored == '{"a":[1,"\\u00e9"]}'
            assert connection.execute(select(things.c.document)).scalar_one() == json.loads(stored)
