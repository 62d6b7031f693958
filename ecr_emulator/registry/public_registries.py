"""Public registries: their aliases and what the gallery shows of them.

Sources: API reference of ECR Public (``Registry``, ``RegistryAlias``, ``RegistryCatalogData``),
user guide "Public registries".
"""

from __future__ import annotations

import hashlib
import itertools
from string import ascii_lowercase, digits

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.arns import RegistryKey, public_registry
from ecr_emulator.db.engine import Database
from ecr_emulator.db.public_tables import (
    public_registry_aliases,
    public_registry_catalog_data,
)
from ecr_emulator.db.upsert import insert_once, put_row
from ecr_emulator.registry.errors import RegistryError

_ALIAS_LENGTH = 8
_ACCOUNT_ID_LENGTH = 12

_ALIAS_OF = select(public_registry_aliases.c.alias).where(
    public_registry_aliases.c.account == bindparam("account")
)
_ACCOUNT_OF = select(public_registry_aliases.c.account).where(
    public_registry_aliases.c.alias == bindparam("alias")
)


class RegistryNotFound(RegistryError):
    """No public registry of that alias."""

    code = "RegistryNotFoundException"

    def __init__(self, registry_id: str) -> None:
        # Likeliest.
        super().__init__(f"The registry with id '{registry_id}' does not exist")


class PublicRegistries:
    """The public registry of every account; it comes to be with its first repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def alias(self, account: str) -> str | None:
        """Return the alias of an account's registry; ``None`` before its first repository."""
        alias: str | None = (
            self._database.reader().execute(_ALIAS_OF, {"account": account}).scalar()
        )
        return alias

    def account(self, alias: str) -> str | None:
        """Return the account whose registry *alias* names, if it names one."""
        account: str | None = (
            self._database.reader().execute(_ACCOUNT_OF, {"alias": alias}).scalar()
        )
        return account

    def find(self, registry_id: str) -> RegistryKey:
        """Return the registry that an account id or an alias names.

        An account id always names a registry, as every account has one; whether anything is in
        it, the repository tells.

        :raises RegistryNotFound: there is no such alias.
        """
        if len(registry_id) == _ACCOUNT_ID_LENGTH and set(registry_id) <= set(digits):
            return public_registry(registry_id)
        account = self.account(registry_id)
        if account is None:
            raise RegistryNotFound(registry_id)
        return public_registry(account)

    def display_name(self, account: str) -> str | None:
        """Return the registry's display name, if it was given one."""
        query = select(public_registry_catalog_data.c.display_name).where(
            public_registry_catalog_data.c.account == account
        )
        name: str | None = self._database.reader().execute(query).scalar()
        return name

    def set_display_name(self, account: str, name: str | None) -> None:
        """Give the registry a display name, or take it away."""
        with self._database.write() as connection:
            put_row(connection, public_registry_catalog_data, account=account, display_name=name)


def assign_alias(connection: Connection, account: str) -> None:
    """Give the public registry of *account* its default alias, unless it has one.

    AWS draws letters and digits at random. Here they follow from the account, so that an
    emulator that starts empty gives the same ``repositoryUri`` every time.
    """
    for attempt in itertools.count():
        if connection.execute(_ALIAS_OF, {"account": account}).scalar() is not None:
            return
        # It is not inserted when another account has the alias, or (with PostgreSQL) when
        # another transaction has just given this account one.
        insert_once(
            connection,
            public_registry_aliases,
            alias=_default_alias(account, attempt),
            account=account,
        )


def _default_alias(account: str, attempt: int) -> str:
    """Return letters and digits by turns, as in the aliases that AWS assigns (``j5e7d8c3``)."""
    number = int.from_bytes(hashlib.sha256(f"{account}/{attempt}".encode()).digest(), "big")
    alias = ""
    for place in range(_ALIAS_LENGTH):
        alphabet = digits if place % 2 else ascii_lowercase
        number, index = divmod(number, len(alphabet))
        alias += alphabet[index]
    return alias
