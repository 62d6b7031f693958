"""What a registry has one of for each prefix: pull-through cache rules, creation templates.

Their tables have the columns ``account``, ``region`` and ``path`` (:func:`.prefixes.path_of`) as
their key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Table, bindparam, delete, func, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.registry.prefixes import path_of, paths_covering


class PrefixedRows:
    """The rows of one such table. Its statements are built once."""

    def __init__(self, table: Table) -> None:
        columns = table.c
        of_registry = (
            columns.account == bindparam("key_account"),
            columns.region == bindparam("key_region"),
        )
        by_path = (*of_registry, columns.path == bindparam("key_path"))
        self._table = table
        self._all = select(table).where(*of_registry).order_by(columns.path)
        self._count = select(func.count()).select_from(table).where(*of_registry)
        self._one = select(table).where(*by_path).with_for_update()
        self._update = update(table).where(*by_path)
        self._delete = delete(table).where(*by_path)
        paths = columns.path.in_(bindparam("paths", expanding=True))
        self._covering = select(table).where(*of_registry, paths)

    def all(self, connection: Connection, key: RegistryKey) -> list[Row[Any]]:
        """Return all rows of a registry in the order of their prefixes."""
        return list(connection.execute(self._all, _of(key)))

    def count(self, connection: Connection, key: RegistryKey) -> int:
        """Return how many rows a registry has."""
        count: int = connection.execute(self._count, _of(key)).scalar_one()
        return count

    def find(self, connection: Connection, key: RegistryKey, prefix: str) -> Row[Any] | None:
        """Return the row of a prefix, locked until the transaction ends; ``None`` if none is."""
        return connection.execute(self._one, _of(key, prefix)).one_or_none()

    def covering(self, connection: Connection, key: RegistryKey, name: str) -> list[Row[Any]]:
        """Return the rows whose prefixes cover the repository *name*, the longest one first.

        The one for ``ROOT`` covers every name, and comes last.
        """
        paths = paths_covering(name)
        found = connection.execute(self._covering, {**_of(key), "paths": paths})
        by_path = {row.path: row for row in found}
        return [by_path[path] for path in paths if path in by_path]

    def insert(
        self, connection: Connection, key: RegistryKey, prefix: str, values: Mapping[str, Any]
    ) -> bool:
        """Store a row; say whether there was none of the prefix."""
        return insert_once(
            connection,
            self._table,
            account=key.account,
            region=key.region,
            path=path_of(prefix),
            **values,
        )

    def update(
        self, connection: Connection, key: RegistryKey, prefix: str, values: Mapping[str, Any]
    ) -> None:
        """Change the row of a prefix."""
        connection.execute(self._update.values(values), _of(key, prefix))

    def delete(self, connection: Connection, key: RegistryKey, prefix: str) -> None:
        """Delete the row of a prefix."""
        connection.execute(self._delete, _of(key, prefix))


def _of(key: RegistryKey, prefix: str | None = None) -> dict[str, str]:
    parameters = {"key_account": key.account, "key_region": key.region}
    return parameters if prefix is None else {**parameters, "key_path": path_of(prefix)}
