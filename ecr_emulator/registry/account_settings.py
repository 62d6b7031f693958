"""Account settings of a registry (GetAccountSetting, PutAccountSetting).

Source: API reference ``PutAccountSetting``, user guide "Registry settings".
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import account_settings
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.errors import InvalidParameter

BASIC_SCAN_TYPE_VERSION = "BASIC_SCAN_TYPE_VERSION"
REGISTRY_POLICY_SCOPE = "REGISTRY_POLICY_SCOPE"
BLOB_MOUNTING = "BLOB_MOUNTING"

#: For each setting the values it may have; the first is the one of a new account.
_VALUES = {
    BASIC_SCAN_TYPE_VERSION: ("AWS_NATIVE", "CLAIR"),
    REGISTRY_POLICY_SCOPE: ("V2", "V1"),
    BLOB_MOUNTING: ("DISABLED", "ENABLED"),
}


class AccountSettings:
    """The settings of every registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: RegistryKey, name: str) -> str:
        """Return the value of a setting.

        :raises InvalidParameter: there is no such setting.
        """
        return self.get_in(self._database.reader(), key, name)

    def get_in(self, connection: Connection, key: RegistryKey, name: str) -> str:
        """Return the value of a setting as the transaction of *connection* sees it."""
        _check_name(name)
        query = select(account_settings.c.value).where(
            account_settings.c.account == key.account,
            account_settings.c.region == key.region,
            account_settings.c.name == name,
        )
        value: str | None = connection.execute(query).scalar()
        return value if value is not None else _VALUES[name][0]

    def put(self, key: RegistryKey, name: str, value: str) -> None:
        """Change a setting.

        :raises InvalidParameter: there is no such setting, or it cannot have this value.
        """
        _check_name(name)
        if value not in _VALUES[name]:
            raise InvalidParameter.at("value", _one_of(_VALUES[name]))
        with self._database.write() as connection:
            put_row(
                connection,
                account_settings,
                account=key.account,
                region=key.region,
                name=name,
                value=value,
            )


def _check_name(name: str) -> None:
    if name not in _VALUES:
        raise InvalidParameter.at("name", _one_of(_VALUES))


def _one_of(values: Iterable[str]) -> str:
    # Likeliest: the wording of the service's enum checks.
    return f"Member must satisfy enum value set: [{', '.join(values)}]"
