"""Scanning configurations: which repositories are scanned when, and what ECR takes as rules.

Sources: API reference ``PutRegistryScanningConfiguration``, ``RegistryScanningRule``; user
guide "Filters to choose which repositories are scanned" (meaning of filters, precedence). The
limits on the number of rules and filters are stated in the service model and checked with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecr_emulator.registry.errors import InvalidParameter, ValidationFailure

BASIC = "BASIC"
ENHANCED = "ENHANCED"

MANUAL = "MANUAL"
SCAN_ON_PUSH = "SCAN_ON_PUSH"
CONTINUOUS_SCAN = "CONTINUOUS_SCAN"

#: API reference ``RegistryScanningRule``: what each type of scanning supports.
_FREQUENCIES = {
    BASIC: frozenset({SCAN_ON_PUSH, MANUAL}),
    ENHANCED: frozenset({SCAN_ON_PUSH, CONTINUOUS_SCAN}),
}
#: User guide: "a maximum of four wildcards".
_WILDCARDS_PER_FILTER = 4


@dataclass(frozen=True, slots=True)
class ScanningRule:
    """How often the repositories that any of *filters* matches are scanned."""

    frequency: str
    filters: tuple[str, ...]

    def matching(self, repository_name: str) -> tuple[str, ...]:
        """Return the filters that match the repository *repository_name*."""
        return tuple(item for item in self.filters if filter_matches(item, repository_name))

    def to_json(self) -> dict[str, Any]:
        """Return the rule in the form in which it is stored."""
        return {"frequency": self.frequency, "filters": list(self.filters)}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> ScanningRule:
        """Return the rule that :meth:`to_json` wrote."""
        return cls(stored["frequency"], tuple(stored["filters"]))


@dataclass(frozen=True, slots=True)
class ScanningConfiguration:
    """A registry's scanning configuration; without arguments, that of a new registry."""

    scan_type: str = BASIC
    rules: tuple[ScanningRule, ...] = ()

    @classmethod
    def from_columns(cls, scan_type: str | None, rules: Any) -> ScanningConfiguration:
        """Build a configuration from the columns of its row, ``None`` where there is no row."""
        if scan_type is None:
            return cls()
        return cls(scan_type, tuple(map(ScanningRule.from_json, rules)))

    def frequency_of(
        self, repository_name: str, *, scan_on_push: bool
    ) -> tuple[str, tuple[str, ...]]:
        """Return how often a repository's images are scanned, and the filters that say so.

        A repository that no rule matches is scanned on push where basic scanning finds its
        own setting on; otherwise ``MANUAL``, which with enhanced scanning means never.

        :param scan_on_push: the repository's own setting.
        """
        applied = {rule.frequency: rule.matching(repository_name) for rule in self.rules}
        for frequency in (CONTINUOUS_SCAN, SCAN_ON_PUSH):
            if applied.get(frequency):
                return frequency, applied[frequency]
        if self.scan_type == BASIC and scan_on_push:
            return SCAN_ON_PUSH, ()
        return MANUAL, applied.get(MANUAL, ())


def check_configuration(configuration: ScanningConfiguration) -> None:
    """Check what a registry is to be configured with.

    :raises ValidationFailure: two rules have the same frequency, or one has a frequency that
        the scan type does not support. The texts are the live service's, the exception's
        class is likeliest.
    :raises InvalidParameter: a filter has too many wildcards.
    """
    frequencies = [rule.frequency for rule in configuration.rules]
    for frequency in frequencies:
        if frequency not in _FREQUENCIES[configuration.scan_type]:
            raise ValidationFailure(
                f"Invalid scan frequency for scanType {configuration.scan_type}: {frequency}"
            )
    twice = sorted({item for item in frequencies if frequencies.count(item) > 1})
    if twice:
        raise ValidationFailure(
            f"Invalid input. Contains duplicate scan frequencies: [{', '.join(twice)}]"
        )
    for rule in configuration.rules:
        if any(item.count("*") > _WILDCARDS_PER_FILTER for item in rule.filters):
            # Likeliest wording.
            raise InvalidParameter.at(
                "repositoryFilters",
                f"Filter cannot contain more than {_WILDCARDS_PER_FILTER} wildcards",
            )


def filter_matches(pattern: str, repository_name: str) -> bool:
    """Say whether a filter matches a repository's name.

    A ``*`` stands for any number of characters; a filter without one matches every name that
    contains it.
    """
    parts = pattern.split("*")
    if len(parts) == 1:
        return pattern in repository_name
    first, last = parts[0], parts[-1]
    if len(repository_name) < len(first) + len(last):
        return False
    if not (repository_name.startswith(first) and repository_name.endswith(last)):
        return False
    return _in_order(parts[1:-1], repository_name[len(first) : len(repository_name) - len(last)])


def _in_order(parts: Sequence[str], text: str) -> bool:
    """Say whether *parts* stand in *text* one after another; the first place is the best."""
    position = 0
    for part in parts:
        found = text.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return True
