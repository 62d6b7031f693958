"""Changes of rows on hot paths: compiled once, run by the driver (as :mod:`.hot_queries`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection, Delete, Insert, Table, Update
from sqlalchemy.engine import Dialect

from ecr_emulator.db.hot_plans import Plan
from ecr_emulator.db.transactions import driver_of
from ecr_emulator.db.upsert import insert_once_statement, put_row_statement

Statement: TypeAlias = Insert | Update | Delete

#: Rows that one statement inserts. Each number is a statement of its own to the driver, which keeps
#: a hundred of them ready.
_ROWS_AT_ONCE = 16


class HotWrite:
    """A statement that changes rows.

    :param statement: an INSERT, whose parameters are the columns it is given, or an UPDATE or
        a DELETE, whose parameters are all ``bindparam`` s.
    """

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._plans: dict[tuple[str, tuple[str, ...]], Plan] = {}

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Run it in the transaction of *connection*; return how many rows it changed.

        :raises IntegrityError: SQLAlchemy's, as its other errors.
        """
        plan = self._plan(connection.dialect, tuple(parameters))
        changed: int = plan.run(driver_of(connection), parameters).rowcount
        return changed

    def _plan(self, dialect: Dialect, names: tuple[str, ...]) -> Plan:
        plan = self._plans.get((dialect.name, names))
        if plan is None:
            statement = self._for(dialect, names)
            keys = list(names) if isinstance(statement, Insert) else None
            compiled = statement.compile(dialect=dialect, column_keys=keys)
            columns = [column.type for column in statement.exported_columns]
            plan = self._plans[dialect.name, names] = Plan(compiled, dialect, columns)
        return plan

    def _for(self, _dialect: Dialect, _names: tuple[str, ...]) -> Statement:
        return self._statement


class HotInsert(HotWrite):
    """An INSERT into a table whose rows have an ``id`` of the database's making."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.insert())
        self._with_id = table.insert().returning(table.c.id)

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> int:
        """Insert a row and return its id; raises as :meth:`HotWrite.run`."""
        plan = self._plan(connection.dialect, tuple(parameters))
        cursor = plan.run(driver_of(connection), parameters)
        row_id: int = cursor.lastrowid if _is_sqlite(connection.dialect) else cursor.fetchone()[0]
        return row_id

    def _for(self, dialect: Dialect, _names: tuple[str, ...]) -> Statement:
        return self._statement if _is_sqlite(dialect) else self._with_id


class _TableWrite(HotWrite):
    """An INSERT that is made of the table."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.insert())
        self._table = table


class HotRows(_TableWrite):
    """An INSERT of several rows into a table."""

    def __init__(self, table: Table) -> None:
        super().__init__(table)
        self._texts: dict[tuple[tuple[str, ...], int], str] = {}

    def run_many(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert *rows*, which all have the same columns; raises as :meth:`HotWrite.run`."""
        if not rows:
            return
        dialect, driver, names = connection.dialect, driver_of(connection), tuple(rows[0])
        plan = self._plan(dialect, names)
        if _is_sqlite(dialect) and len(rows) <= _ROWS_AT_ONCE:
            plan.run_as(self._text(dialect, names, len(rows)), driver, rows)
        else:
            plan.run_many(driver, rows)

    def _text(self, dialect: Dialect, names: tuple[str, ...], number: int) -> str:
        """Return the statement as it is for so many rows."""
        text = self._texts.get((names, number))
        if text is None:
            rows = self._table.insert().values([dict.fromkeys(names)] * number)
            text = self._texts[names, number] = str(rows.compile(dialect=dialect))
        return text


class HotInsertOnce(_TableWrite):
    """An INSERT that does nothing if a row with its key is there."""

    def _for(self, dialect: Dialect, _names: tuple[str, ...]) -> Statement:
        return insert_once_statement(dialect.name, self._table)


class HotPut(_TableWrite):
    """An INSERT that gives a row with the same primary key the new values instead."""

    def _for(self, dialect: Dialect, names: tuple[str, ...]) -> Statement:
        return put_row_statement(dialect.name, self._table, names)


def _is_sqlite(dialect: Dialect) -> bool:
    # Its builds of before 2021 have no RETURNING, its driver has the id at hand.
    return dialect.name == "sqlite"
