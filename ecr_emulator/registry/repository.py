"""The repository as every part of the registry sees it, and the one way to look it up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select

from ecr_emulator.arns import RegistryKey
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
    def from_row(cls, row: Row[Any]) -> Repository:
        """Build a repository from a row of its table."""
        return cls(
            id=row.id,
            key=RegistryKey(row.account, row.region),
            name=row.name,
            created_at=row.created_at,
            tag_mutability=TagMutability(row.tag_mutability, tuple(row.tag_mutability_filters)),
            scan_on_push=row.scan_on_push,
            encryption_type=row.encryption_type,
            kms_key=row.kms_key,
            policy_text=row.policy_text,
        )


_BY_NAME = select(repositories).where(
    repositories.c.account == bindparam("account"),
    repositories.c.region == bindparam("region"),
    repositories.c.name == bindparam("name"),
)
#: PostgreSQL locks the row, so that a repository does not change under a push to it;
#: SQLite leaves the clause out: its writers take turns anyway.
_BY_NAME_FOR_UPDATE = _BY_NAME.with_for_update()


def find_repository(
    connection: Connection, key: RegistryKey, name: str, *, for_update: bool = False
) -> Repository:
    """Return the repository *name* of the registry *key*.

    :param for_update: keep it as it is until the transaction ends.
    :raises RepositoryNotFound: there is none.
    """
    statement = _BY_NAME_FOR_UPDATE if for_update else _BY_NAME
    parameters = {"account": key.account, "region": key.region, "name": name}
    row = connection.execute(statement, parameters).one_or_none()
    if row is None:
        raise RepositoryNotFound(name, key.account)
    return Repository.from_row(row)
