"""Resource tags of repositories: the rules AWS has for them, and where they are kept.

Source: API reference ``Tag``, ``TagResource``; "Tagging your AWS resources" (reserved
prefix, lengths, fifty tags a resource).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select

from ecr_emulator.arns import parse_repository_arn
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import repositories, repository_tags
from ecr_emulator.registry.errors import (
    InvalidParameter,
    InvalidTagParameter,
    RepositoryNotFound,
    TooManyTags,
)

TAGS_PER_REPOSITORY = 50
#: Letters, digits and separators (Unicode's categories L, N and Z), and these signs.
_ALLOWED = re.compile(
    r"[\w\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000.:/=+\-@]*\Z"
)


class ResourceTags:
    """The tags of repositories, by the repository's ARN."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, arn: str) -> dict[str, str]:
        """Return the tags of the repository *arn*, by key.

        :raises InvalidParameter: *arn* names no repository.
        :raises RepositoryNotFound: there is no such repository.
        """
        with self._database.read() as connection:
            repository_id, _ = _repository_of(connection, arn)
            return tags_of(connection, repository_id)

    def add(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add *tags* to the repository *arn*, or change the values of those it has.

        :raises InvalidTagParameter: a key or value is not allowed.
        :raises TooManyTags: the repository would have more than fifty.
        """
        with self._database.write() as connection:
            repository_id, name = _repository_of(connection, arn, for_update=True)
            check_tags(tags)
            merged = {**tags_of(connection, repository_id), **tags}
            if len(merged) > TAGS_PER_REPOSITORY:
                raise TooManyTags(name, TAGS_PER_REPOSITORY)
            _remove_tags(connection, repository_id, tags)
            add_tags(connection, repository_id, tags)

    def remove(self, arn: str, keys: Sequence[str]) -> None:
        """Remove the tags *keys* from the repository *arn*; missing ones do not matter.

        :raises InvalidTagParameter: a key is not allowed.
        """
        with self._database.write() as connection:
            repository_id, _ = _repository_of(connection, arn, for_update=True)
            for key in keys:
                _check_key(key)
            # Of ever so many keys, only those that are there go into the statement.
            present = tags_of(connection, repository_id).keys() & set(keys)
            _remove_tags(connection, repository_id, present)


def check_tags(tags: Mapping[str, str]) -> None:
    """Check keys and values against AWS's rules.

    :raises InvalidTagParameter: one of them breaks a rule (wordings: likeliest).
    """
    for key, value in tags.items():
        _check_key(key)
        if len(value) > 256 or not _ALLOWED.match(value):
            raise InvalidTagParameter(f"Invalid tag value for key: '{key}'")


def _check_key(key: str) -> None:
    if key.lower().startswith("aws:"):
        raise InvalidTagParameter("aws: prefixed tag key names are not allowed for external use.")
    if not 1 <= len(key) <= 128 or not _ALLOWED.match(key):
        raise InvalidTagParameter(f"Invalid tag key: '{key[:128]}'")


def tags_of(connection: Connection, repository_id: int) -> dict[str, str]:
    """Return a repository's tags in the order of their keys."""
    query = (
        select(repository_tags.c.key, repository_tags.c.value)
        .where(repository_tags.c.repository_id == repository_id)
        .order_by(repository_tags.c.key)
    )
    return {row.key: row.value for row in connection.execute(query)}


def add_tags(connection: Connection, repository_id: int, tags: Mapping[str, str]) -> None:
    """Insert *tags*, none of which the repository has yet."""
    if tags:
        connection.execute(
            insert(repository_tags),
            [
                {"repository_id": repository_id, "key": key, "value": value}
                for key, value in tags.items()
            ],
        )


def _remove_tags(connection: Connection, repository_id: int, keys: Iterable[str]) -> None:
    connection.execute(
        delete(repository_tags).where(
            repository_tags.c.repository_id == repository_id,
            repository_tags.c.key.in_(list(keys)),
        )
    )


def _repository_of(
    connection: Connection, arn: str, *, for_update: bool = False
) -> tuple[int, str]:
    parsed = parse_repository_arn(arn)
    if parsed is None:
        raise InvalidParameter.at("resourceArn", "Invalid ARN")
    key, name = parsed
    query = select(repositories.c.id).where(
        repositories.c.account == key.account,
        repositories.c.region == key.region,
        repositories.c.name == name,
    )
    # Two writers of one repository's tags take turns (PostgreSQL; SQLite's always do).
    query = query.with_for_update() if for_update else query
    repository_id = connection.execute(query).scalar()
    if repository_id is None:
        raise RepositoryNotFound(name, key.account)
    return repository_id, name
