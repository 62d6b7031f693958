"""The repository as every part of the registry sees it, and the one way to look it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import repositories
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.tag_mutability import TagMutability


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it is stored."""

    id: int
    key: RegistryKey
    name: str
    created_at: datetime
    tag_mutability: TagMutability
    scan_on_push: bool
    encryption_type: str
    kms_key: str | None
    policy_text: str | None

    @property
    def arn(self) -> str:
        """The repository's ARN."""
        return self.key.repository_arn(self.name)

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Repository:
        """Build a repository from a row of its table."""
        row_id, account, region, name, created_at, mode, filters, *others = row
        key = RegistryKey(account, region)
        return cls(row_id, key, name, created_at, TagMutability(mode, tuple(filters)), *others)


_BY_NAME_QUERY = select(repositories).where(
    repositories.c.account == bindparam("account"),
    repositories.c.region == bindparam("region"),
    repositories.c.name == bindparam("name"),
)
_BY_NAME = HotQuery(_BY_NAME_QUERY)
#: PostgreSQL locks the row, so that a repository does not change under a push to it;
#: SQLite leaves the clause out: its writers take turns anyway.
_BY_NAME_FOR_UPDATE = HotQuery(_BY_NAME_QUERY.with_for_update())


def find_repository(
    where: Connection | Database, key: RegistryKey, name: str, *, for_update: bool = False
) -> Repository:
    """Return the repository *name* of the registry *key*.

    :param where: the transaction to look in, or the database for one of its own.
    :param for_update: keep it as it is until the transaction ends.
    :raises RepositoryNotFound: there is none.
    """
    statement = _BY_NAME_FOR_UPDATE if for_update else _BY_NAME
    parameters = {"account": key.account, "region": key.region, "name": name}
    row = statement.first(where, parameters)
    if row is None:
        raise RepositoryNotFound(name, key.account)
    return Repository.from_row(row)
