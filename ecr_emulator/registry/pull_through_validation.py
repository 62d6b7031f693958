"""Trying a pull-through cache rule (``ValidatePullThroughCacheRule``)."""

from __future__ import annotations

from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.pull_through_errors import (
    ACCESS_DENIED,
    REASONS,
    SECRET_NOT_ACCESSIBLE,
    UNAVAILABLE,
)
from ecr_emulator.registry.pull_through_rules import PullThroughRule, PullThroughRules
from ecr_emulator.registry.upstream_sources import SecretMissing, UpstreamSources
from ecr_emulator.upstreams.http import UpstreamState

#: What fails; the texts are those of pulls.
_FAILURES = {
    UpstreamState.OPEN: None,
    UpstreamState.DENIED: REASONS[ACCESS_DENIED],
    UpstreamState.UNAVAILABLE: REASONS[UNAVAILABLE],
}


class PullThroughValidation:
    """Tries rules."""

    def __init__(self, rules: PullThroughRules, sources: UpstreamSources) -> None:
        self._rules = rules
        self._sources = sources

    def validate(self, key: RegistryKey, prefix: str) -> tuple[PullThroughRule, str | None]:
        """Try the rule for *prefix*; return it, and what fails, if anything does.

        A registry is asked over the network, with the credentials of the rule's secret where it
        takes them; a secret that is nowhere, or holds no login, cannot be used. An ECR registry
        of this emulator lets in the same account, and a role that ECR can assume and that may
        log in; what the role may read is seen when something is pulled.

        :raises PullThroughRuleNotFound: there is none.
        """
        (rule,) = self._rules.named(key, [prefix])
        try:
            return rule, _FAILURES[self._sources.check(key, rule)]
        except SecretMissing:
            return rule, SECRET_NOT_ACCESSIBLE
