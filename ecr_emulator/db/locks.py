"""Locks that a transaction takes where the databases differ."""

from __future__ import annotations

from sqlalchemy import Connection, Table, text


def keep_others_from_writing(connection: Connection, table: Table) -> None:
    """Wait until every write to *table* is committed or undone, and let no other begin.

    In SQLite a write transaction is alone anyway (``BEGIN IMMEDIATE``).
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE"))
