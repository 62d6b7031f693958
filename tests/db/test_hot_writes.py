"""Hot writes do what SQLAlchemy's statements do, in the transaction that they are given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotInsert, HotPut, HotRows, HotWrite
from ecr_emulator.db.schema import repositories, repository_tags

CREATED = datetime(2026, 2, 3, 4, 5, 6, 789_123, timezone.utc)
INSERT, TAG = HotInsert(repositories), HotPut(repository_tags)
TAGS = HotQuery(
    select(repository_tags.c.key, repository_tags.c.value)
    .where(repository_tags.c.key.in_(bindparam("keys", expanding=True)))
    .order_by(repository_tags.c.key),
    expanding="keys",
)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/hot.sqlite3", durability="relaxed")
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


def values(name: str) -> dict[str, Any]:
    return {
        "account": "123456789012",
        "region": "us-east-1",
        "name": name,
        "created_at": CREATED,
        "tag_mutability": "MUTABLE",
        "tag_mutability_filters": ["dev-*"],
        "scan_on_push": True,
        "encryption_type": "AES256",
    }


def add(database: Database, name: str) -> int:
    with database.write() as connection:
        return INSERT.run(connection, values(name))


def test_a_row_comes_back_as_it_went_in_under_the_id_that_was_told(database: Database) -> None:
    for name in ("first", "second"):
        row_id = add(database, name)
        query = select(repositories).where(repositories.c.id == row_id)
        row = database.reader().execute(query).one()._mapping
        assert {key: row[key] for key in values(name)} == values(name)


def test_a_constraint_is_sqlalchemys_error_and_undoes_the_transaction(database: Database) -> None:
    add(database, "first")

    def add_two() -> None:
        with database.write() as connection:
            INSERT.run(connection, values("second"))
            INSERT.run(connection, values("first"))

    with pytest.raises(IntegrityError):
        add_two()
    names = database.reader().execute(select(repositories.c.name)).scalars().all()
    assert names == ["first"]


def test_an_update_counts_its_rows(database: Database) -> None:
    row_id = add(database, "first")
    statement = HotWrite(
        update(repositories)
        .where(repositories.c.id == bindparam("row_id"))
        .values(policy_text=bindparam("text"))
    )
    with database.write() as connection:
        assert statement.run(connection, {"row_id": row_id, "text": "{}"}) == 1
        assert statement.run(connection, {"row_id": row_id + 1, "text": "{}"}) == 0
    assert database.reader().execute(select(repositories.c.policy_text)).scalar_one() == "{}"


def test_put_takes_the_place_of_the_row_with_its_key(database: Database) -> None:
    row_id = add(database, "first")
    with database.write() as connection:
        for value in ("old", "new"):
            TAG.run(connection, {"repository_id": row_id, "key": "a", "value": value})
        assert TAGS.all(connection, {"keys": ["a"]}) == [("a", "new")]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 16, 17, 40])
def test_lists_of_every_length(database: Database, count: int) -> None:
    row_id = add(database, "first")
    keys = [f"key-{number}" for number in range(count)]
    tags = HotRows(repository_tags)
    with database.write() as connection:
        tags.run_many(
            connection, [{"repository_id": row_id, "key": key, "value": "x"} for key in keys]
        )
        tags.run_many(connection, [{"repository_id": row_id, "key": "other", "value": "x"}])
    assert TAGS.all(database, {"keys": keys}) == [(key, "x") for key in sorted(keys)]
