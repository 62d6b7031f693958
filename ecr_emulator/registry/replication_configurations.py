"""Replication configurations: a registry's rules, kept and read."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.replication_tables import replication_configurations
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.replication_rules import ReplicationRule, check_rules

_RULES = HotQuery(
    select(replication_configurations.c.rules).where(
        replication_configurations.c.account == bindparam("account"),
        replication_configurations.c.region == bindparam("region"),
    )
)


class ReplicationConfigurations:
    """The replication configurations of every registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: RegistryKey) -> tuple[ReplicationRule, ...]:
        """Return a registry's rules; a registry that was never configured has none."""
        return replication_rules(self._database.reader(), key)

    def put(self, key: RegistryKey, rules: Sequence[ReplicationRule]) -> None:
        """Give a registry *rules* in place of those it has.

        :raises InvalidParameter: see :func:`.replication_rules.check_rules`.
        """
        check_rules(key, rules)
        with self._database.write() as connection:
            put_row(
                connection,
                replication_configurations,
                account=key.account,
                region=key.region,
                rules=[rule.to_json() for rule in rules],
            )


def replication_rules(connection: Connection, key: RegistryKey) -> tuple[ReplicationRule, ...]:
    """Return the rules of the registry *key* as the transaction of *connection* sees them."""
    row = _RULES.first(connection, {"account": key.account, "region": key.region})
    return () if row is None else tuple(ReplicationRule.from_json(rule) for rule in row[0])
