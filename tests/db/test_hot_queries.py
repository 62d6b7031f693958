"""Hot queries give what SQLAlchemy gives."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from sqlalchemy import bindparam, insert, select

from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import repositories

_BY_NAME = select(repositories).where(repositories.c.name == bindparam("name"))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/hot.sqlite3", durability="relaxed")
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


def add(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(
            insert(repositories).values(
                account="123456789012",
                region="us-east-1",
                name=name,
                created_at=datetime(2026, 2, 3, 4, 5, 6, 789_000, timezone.utc),
                tag_mutability="MUTABLE",
                tag_mutability_filters=["dev-*"],
                scan_on_push=True,
                encryption_type="AES256",
            )
        )


def test_every_type_is_converted(database: Database) -> None:
    add(database, "first")
    add(database, "second")
    query = HotQuery(_BY_NAME)
    for name in ("first", "second"):
        expected = database.reader().execute(_BY_NAME, {"name": name}).one()
        assert query.first(database, {"name": name}) == tuple(expected)
    assert query.first(database, {"name": "third"}) is None


def test_constants_of_the_statement(database: Database) -> None:
    add(database, "first")
    query = HotQuery(
        select(repositories.c.name)
        .where(repositories.c.region == "us-east-1", repositories.c.name > bindparam("after"))
        .limit(1)
    )
    assert query.first(database, {"after": ""}) == ("first",)
    assert query.first(database, {"after": "first"}) is None


def test_what_was_committed_is_seen(database: Database) -> None:
    query = HotQuery(_BY_NAME)
    assert query.first(database, {"name": "first"}) is None
    add(database, "first")
    assert query.first(database, {"name": "first"}) is not None


def test_each_thread_has_its_connection(database: Database) -> None:
    add(database, "first")
    query = HotQuery(_BY_NAME)
    found: list[object] = []
    threads = [
        threading.Thread(target=lambda: found.append(query.first(database, {"name": "first"})))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(repr, found))) == 1
    assert found[0] is not None
