"""Replication rules: what a registry replicates where, and which rules ECR takes.

Sources: API reference ``PutReplicationConfiguration``, ``ReplicationRule``,
``DeleteReplication``; user guide "Private image replication". The limits on the number of
rules, and of destinations and filters in one rule, are stated in the service model and
checked with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.errors import InvalidParameter

#: User guide, "Amazon ECR service quotas": unique destinations across all rules.
UNIQUE_DESTINATIONS = 25

_MEMBER = "replicationConfiguration"


@dataclass(frozen=True, slots=True)
class ReplicationRule:
    """What is replicated to which registries.

    :ivar prefixes: the beginnings of the names of the repositories concerned; ``None`` when
        the rule names none, and so is about all repositories.
    :ivar deletes: whether deletes and removals of tags are replicated too; ``None`` when the
        rule does not say, which means no.
    """

    destinations: tuple[RegistryKey, ...]
    prefixes: tuple[str, ...] | None = None
    deletes: bool | None = None

    def covers(self, repository_name: str) -> bool:
        """Say whether the rule is about the repository *repository_name*."""
        return self.prefixes is None or repository_name.startswith(self.prefixes)

    def to_json(self) -> dict[str, Any]:
        """Return the rule in the form in which it is stored."""
        return {
            "destinations": [[key.account, key.region] for key in self.destinations],
            "prefixes": None if self.prefixes is None else list(self.prefixes),
            "deletes": self.deletes,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ReplicationRule:
        """Return the rule that :meth:`to_json` wrote."""
        prefixes = stored["prefixes"]
        return cls(
            tuple(RegistryKey(account, region) for account, region in stored["destinations"]),
            None if prefixes is None else tuple(prefixes),
            stored["deletes"],
        )


def check_rules(source: RegistryKey, rules: Sequence[ReplicationRule]) -> None:
    """Check the rules that the registry *source* is to replicate by.

    :raises InvalidParameter: a destination is the registry itself or in another partition,
        a rule names something twice, or there are too many destinations.
    """
    for rule in rules:
        for destination in rule.destinations:
            if destination == source:
                raise InvalidParameter.at(
                    _MEMBER, "Replication destination cannot be the same as the source registry"
                )
            # The words are the live service's; that they stand in this sentence is likeliest.
            if destination.is_public or destination.partition != source.partition:
                raise InvalidParameter.at(_MEMBER, f"Invalid region '{destination.region}'")
        # Likeliest, this text and the ones below.
        if _has_duplicates(rule.destinations):
            raise InvalidParameter.at(_MEMBER, "Replication destinations of a rule must be unique")
        if _has_duplicates(rule.prefixes or ()):
            raise InvalidParameter.at(_MEMBER, "Repository filters of a rule must be unique")
    if len({destination for rule in rules for destination in rule.destinations}) > (
        UNIQUE_DESTINATIONS
    ):
        raise InvalidParameter.at(
            _MEMBER,
            f"The number of unique replication destinations cannot exceed {UNIQUE_DESTINATIONS}",
        )


def destinations_of(
    rules: Iterable[ReplicationRule], repository_name: str, *, deletes: bool = False
) -> tuple[RegistryKey, ...]:
    """Return the registries that images of a repository are replicated to, each once.

    :param deletes: only those that deletes are replicated to.
    """
    found = dict.fromkeys(
        destination
        for rule in rules
        if rule.covers(repository_name) and (rule.deletes or not deletes)
        for destination in rule.destinations
    )
    return tuple(found)


def _has_duplicates(values: Sequence[object]) -> bool:
    return len(set(values)) < len(values)
