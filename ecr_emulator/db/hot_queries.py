"""SELECTs on the hottest paths: compiled once, run by the driver itself.

SQLAlchemy's execution costs several times what SQLite takes to read a row by its key, and a
pull is little else than two such reads. A hot query is written in SQLAlchemy like any other,
so that it stays portable; its text, the order of its parameters and the conversions of its
results are worked out once for each dialect.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect

from ecr_emulator.db.engine import Database

_Convert = Callable[[Any], Any]


class HotQuery:
    """A SELECT whose parameters are all ``bindparam`` texts or numbers."""

    def __init__(self, statement: Select[Any]) -> None:
        self._statement = statement
        self._plans: dict[str, _Plan] = {}

    def first(self, database: Database, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """Return the first row, or ``None``; read in a transaction of its own."""
        dialect = database.engine.dialect
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = _Plan(self._statement, dialect)
        connection = database.reader_driver()
        values = plan.values(parameters)
        # Both drivers' connections take statements themselves; the row is read at once, so
        # that no read transaction stays open.
        row = next(iter(connection.execute(plan.text, values).fetchall()), None)
        return None if row is None else plan.convert(row)


class _Plan:
    """A hot query for one dialect."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.text = str(compiled)
        positions = getattr(compiled, "positiontup", None)
        self._positions: list[str] | None = list(positions) if positions else None
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        self._converts: list[tuple[int, _Convert]] = []
        for index, column in enumerate(statement.selected_columns):
            convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
            if convert is not None:
                self._converts.append((index, convert))

    def values(self, parameters: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver takes them."""
        if self._positions is None:
            return {**self._constants, **parameters}
        constants = self._constants
        return [
            parameters[name] if name in parameters else constants[name] for name in self._positions
        ]

    def convert(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row of the driver's with the values that SQLAlchemy would give."""
        if not self._converts:
            return row
        converted = list(row)
        for index, convert in self._converts:
            converted[index] = convert(converted[index])
        return tuple(converted)
