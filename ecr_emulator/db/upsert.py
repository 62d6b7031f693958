"""Inserts that a concurrent twin cannot break, in either database."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_once(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row unless one with its key is there; say whether it was inserted."""
    statement = insert_once_statement(connection.dialect.name, table)
    return connection.execute(statement, values).rowcount == 1


def put_row(connection: Connection, table: Table, **values: Any) -> None:
    """Insert a row, or give the row with the same primary key these values."""
    connection.execute(put_row_statement(connection.dialect.name, table, tuple(values)), values)


# Built once for each table: to build a statement takes longer than to run it.
@lru_cache(maxsize=256)
def insert_once_statement(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """Return the statement of :func:`insert_once`."""
    return _insert(dialect, table).on_conflict_do_nothing()


@lru_cache(maxsize=256)
def put_row_statement(
    dialect: str, table: Table, names: tuple[str, ...]
) -> sqlite.Insert | postgresql.Insert:
    """Return the statement of :func:`put_row`, for the columns *names*."""
    key = [column.name for column in table.primary_key]
    statement = _insert(dialect, table)
    changed = {name: statement.excluded[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=key, set_=changed)


def _insert(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
