"""A registry's own rules, all that a push is asked of, in one statement."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.sql import ColumnElement

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.replication_tables import replication_configurations
from ecr_emulator.db.scanning_tables import registry_scanning_configurations
from ecr_emulator.db.signing_tables import signing_configurations
from ecr_emulator.registry.replication_rules import ReplicationRule
from ecr_emulator.registry.scanning_rules import ScanningConfiguration
from ecr_emulator.registry.signing_rules import SigningRule


def _column(table: Table, name: str) -> ColumnElement[Any]:
    return (
        select(table.c[name])
        .where(
            table.c.account == bindparam("account"),
            table.c.region == bindparam("region"),
        )
        .scalar_subquery()
    )


#: What :meth:`RegistryRules.from_columns` takes, of the registry ``account`` and ``region``.
RULE_COLUMNS = (
    _column(replication_configurations, "rules"),
    _column(registry_scanning_configurations, "scan_type"),
    _column(registry_scanning_configurations, "rules"),
    _column(signing_configurations, "rules"),
)
_RULES = HotQuery(select(*RULE_COLUMNS))


class RegistryRules(NamedTuple):
    """What a registry does of itself with the images that are pushed to it."""

    replication: tuple[ReplicationRule, ...]
    scanning: ScanningConfiguration
    signing: tuple[SigningRule, ...]

    @classmethod
    def from_columns(
        cls, replication: Any, scan_type: str | None, scanning: Any, signing: Any
    ) -> RegistryRules:
        """Build them from :data:`RULE_COLUMNS`; each is ``None`` if it was never configured."""
        if replication is scan_type is signing is None:
            return _NONE
        return cls(
            tuple(map(ReplicationRule.from_json, replication or ())),
            ScanningConfiguration.from_columns(scan_type, scanning),
            tuple(map(SigningRule.from_json, signing or ())),
        )


_NONE = RegistryRules((), ScanningConfiguration(), ())


def registry_rules(connection: Connection, key: RegistryKey) -> RegistryRules:
    """Return the rules of the registry *key* as the transaction of *connection* sees them."""
    parameters = {"account": key.account, "region": key.region}
    return RegistryRules.from_columns(*_RULES.all(connection, parameters)[0])
