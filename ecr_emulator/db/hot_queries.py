"""SELECTs on hot paths: compiled once, run by the driver itself.

SQLAlchemy's execution costs several times what SQLite takes to read a row by its key, and a
pull is little else than two such reads. A hot query is written in SQLAlchemy like any other,
so that it stays portable; its text, the order of its parameters and the conversions of its
results are worked out once for each dialect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, SelectBase
from sqlalchemy.engine import Dialect

from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_plans import Plan
from ecr_emulator.db.transactions import driver_of

#: What a row takes beside its texts: the tuple, its values' heads.
_ROW_BYTES = 500


class HotQuery:
    """A SELECT whose parameters are ``bindparam`` s; one of them may be a list for an ``IN``.

    Given the database, it is run in a transaction of its own, and what it returned is remembered
    until the next commit (:mod:`.remembered`); given a connection, it is run in its transaction.
    Nobody may change what it returns.

    :param expanding: the name of the ``bindparam(…, expanding=True)``.
    """

    def __init__(self, statement: SelectBase, *, expanding: str | None = None) -> None:
        self._statement = statement
        self._expanding = expanding
        self._plans: dict[tuple[str, int], Plan] = {}

    def first(
        self, where: Database | Connection, parameters: Mapping[str, Any]
    ) -> tuple[Any, ...] | None:
        """Return the first row, or ``None``."""
        found = self.all(where, parameters)
        return found[0] if found else None

    def all(
        self, where: Database | Connection, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Return all rows; none when the list is empty."""
        if not isinstance(where, Database):
            return self._run(driver_of(where), where.dialect, parameters)
        if self._expanding is not None:
            items = tuple(parameters[self._expanding])
            parameters = {**parameters, self._expanding: items}
        # What was read since the last commit is not read again.
        return where.remember(
            (self, *parameters.items()),
            lambda: self._run(where.reader_driver(), where.engine.dialect, parameters),
            _size,
        )

    def _run(
        self, driver: Any, dialect: Dialect, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        length = 0
        if self._expanding is not None:
            items = list(parameters[self._expanding])
            if not items:
                return []
            # As many as a power of two, so that there are few plans.
            length = 1 << (len(items) - 1).bit_length()
            items += items[-1:] * (length - len(items))
            parameters = {**parameters, self._expanding: items}
        plan = self._plans.get((dialect.name, length))
        if plan is None:
            columns = [column.type for column in self._statement.selected_columns]
            lists = {} if self._expanding is None else {self._expanding: length}
            compiled = self._statement.compile(dialect=dialect)
            plan = self._plans[dialect.name, length] = Plan(compiled, dialect, columns, lists)
        # The rows are read at once, so that no read transaction stays open.
        return plan.convert(plan.run(driver, parameters).fetchall())


def _size(rows: list[tuple[Any, ...]]) -> int:
    """Return how many bytes rows take, roughly."""
    size = 0
    for row in rows:
        size += _ROW_BYTES
        for value in row:
            if isinstance(value, (str, bytes)):
                size += len(value)
    return size
