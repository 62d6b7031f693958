"""Signing rules: which repositories' images are signed, by which signing profiles.

Sources: API reference ``SigningRule``, ``SigningRepositoryFilter``; user guide "Managed
signing".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.signing_tables import signing_configurations
from ecr_emulator.policy.matching import wildcard_match

_RULES = HotQuery(
    select(signing_configurations.c.rules).where(
        signing_configurations.c.account == bindparam("account"),
        signing_configurations.c.region == bindparam("region"),
    )
)


@dataclass(frozen=True, slots=True)
class SigningRule:
    """One rule of a registry's signing configuration.

    :ivar profile_arn: the signing profile.
    :ivar filters: wildcard patterns of repositories' names; ``None`` for all repositories.
    """

    profile_arn: str
    filters: tuple[str, ...] | None = None

    def covers(self, repository_name: str) -> bool:
        """Say whether the images of a repository are signed by this rule."""
        if self.filters is None:
            return True
        return any(wildcard_match(pattern, repository_name) for pattern in self.filters)

    def to_json(self) -> dict[str, Any]:
        """Return the rule as the database keeps it."""
        return {
            "profile": self.profile_arn,
            "filters": None if self.filters is None else list(self.filters),
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SigningRule:
        """Build a rule from what the database keeps."""
        filters = document["filters"]
        return cls(document["profile"], None if filters is None else tuple(filters))


def signing_rules(connection: Connection, key: RegistryKey) -> tuple[SigningRule, ...] | None:
    """Return the rules of a registry; ``None`` when it has no signing configuration."""
    row = _RULES.first(connection, {"account": key.account, "region": key.region})
    return None if row is None else tuple(SigningRule.from_json(rule) for rule in row[0])


def profiles_for(rules: Iterable[SigningRule], repository_name: str) -> list[str]:
    """Return the profiles that sign the images of a repository, each once."""
    return list(dict.fromkeys(rule.profile_arn for rule in rules if rule.covers(repository_name)))
