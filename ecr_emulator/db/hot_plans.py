"""Statements compiled once for each dialect: the text, and how values go in and come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NoReturn

from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from ecr_emulator.db.schema import UtcTime, microseconds, utc_time

Convert = Callable[[Any], Any]


def _moment(value: datetime | None) -> int | None:
    return None if value is None else microseconds(value)


class Plan:
    """A statement for one dialect.

    :param compiled: the statement, compiled.
    :param columns: the types of the columns of its result.
    :param lists: how many items each of its ``bindparam(…, expanding=True)`` gets.
    """

    def __init__(
        self,
        compiled: SQLCompiler,
        dialect: Dialect,
        columns: Sequence[TypeEngine[Any]] = (),
        lists: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self._dialect = dialect
        # What stands in the statement itself, as the bound of a LIMIT.
        constants = {
            name: bound.effective_value
            for bound, name in compiled.bind_names.items()
            if not bound.required
        }
        items: dict[str, Any] = {name: [""] * length for name, length in lists.items()}
        expanded = compiled.construct_expanded_state({**compiled.params, **items})
        self.text = expanded.statement
        positions = expanded.positiontup
        self._names: list[str] | None = None if positions is None else list(positions)
        self._lists = {name: expanded.parameter_expansion[name] for name in lists}
        self._in: dict[str, Convert] = {}
        for bound, name in compiled.bind_names.items():
            convert = (
                _moment
                if isinstance(bound.type, UtcTime)
                else bound.type.dialect_impl(dialect).bind_processor(dialect)
            )
            if convert is not None:
                self._in.update(dict.fromkeys(self._lists.get(name, (name,)), convert))
        self._constants = {
            name: self._in[name](value) if name in self._in else value
            for name, value in constants.items()
        }
        # Most statements have neither constants nor lists: their values are taken as they stand.
        self._is_plain = self._names is not None and not self._constants and not self._lists
        self._in_at = [
            (place, self._in[name])
            for place, name in enumerate(self._names or ())
            if name in self._in
        ]
        self._out: list[tuple[int, Convert]] = []
        for index, column in enumerate(columns):
            if isinstance(column, UtcTime):
                self._out.append((index, utc_time))
                continue
            processor = column.dialect_impl(dialect).result_processor(dialect, None)
            if processor is not None:
                self._out.append((index, processor))

    def values(self, parameters: Mapping[str, Any]) -> Any:
        """Return the parameters as the driver takes them."""
        if self._is_plain and self._names is not None:
            plain = [parameters[name] for name in self._names]
            for place, convert in self._in_at:
                plain[place] = convert(plain[place])
            return plain
        values = {**self._constants, **parameters}
        for name, names in self._lists.items():
            values.update(zip(names, values.pop(name), strict=True))
        for name, convert in self._in.items():
            if name in values and name not in self._constants:
                values[name] = convert(values[name])
        return values if self._names is None else [values[name] for name in self._names]

    def convert(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return rows of the driver's with the values that SQLAlchemy would give."""
        if not self._out:
            return rows
        found = []
        for row in rows:
            converted = list(row)
            for index, convert in self._out:
                value = converted[index]
                # No type of ours makes something of NULL.
                if value is not None:
                    converted[index] = convert(value)
            found.append(tuple(converted))
        return found

    def run(self, driver: Any, parameters: Mapping[str, Any]) -> Any:
        """Run the statement on the driver's connection and return its cursor.

        :raises DBAPIError: SQLAlchemy's form of what the driver raises.
        """
        values = self.values(parameters)
        try:
            return driver.execute(self.text, values)
        except self._dialect.loaded_dbapi.Error as error:
            self._fail(values, error)

    def run_many(self, driver: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run the statement once for each of *rows*; raises as :meth:`run`."""
        values = [self.values(row) for row in rows]
        try:
            driver.cursor().executemany(self.text, values)
        except self._dialect.loaded_dbapi.Error as error:
            self._fail(values, error)

    def run_as(self, text: str, driver: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run *text*, which is the statement for all of *rows* at once; raises as :meth:`run`."""
        values = [value for row in rows for value in self.values(row)]
        try:
            driver.execute(text, values)
        except self._dialect.loaded_dbapi.Error as error:
            self._fail(values, error)

    def _fail(self, values: Any, error: Exception) -> NoReturn:
        base = self._dialect.loaded_dbapi.Error
        raise DBAPIError.instance(self.text, values, error, base, dialect=self._dialect) from error
