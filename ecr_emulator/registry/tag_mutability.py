"""Tag mutability: whether a tag that names an image may be moved to another.

Sources: ECR user guide "Image tag mutability", API reference
``ImageTagMutabilityExclusionFilter``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ecr_emulator.policy.matching import wildcard_match
from ecr_emulator.registry.errors import InvalidParameter

MUTABLE = "MUTABLE"
IMMUTABLE = "IMMUTABLE"
MUTABLE_WITH_EXCLUSION = "MUTABLE_WITH_EXCLUSION"
IMMUTABLE_WITH_EXCLUSION = "IMMUTABLE_WITH_EXCLUSION"
_WITH_EXCLUSION = frozenset({MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION})
_MEMBER = "imageTagMutabilityExclusionFilters"
_MEMBER_IN_TEXT = "ImageTagMutabilityExclusionFilters"
#: User guide: "a maximum of two wildcards".
_WILDCARDS_PER_FILTER = 2


@dataclass(frozen=True, slots=True)
class TagMutability:
    """A repository's setting and the wildcard filters that are exceptions to it."""

    mode: str = MUTABLE
    filters: tuple[str, ...] = ()

    def is_immutable(self, tag: str) -> bool:
        """Say whether *tag*, once it names an image, must stay with it."""
        if self.mode in (MUTABLE, IMMUTABLE):
            return self.mode == IMMUTABLE
        excluded = any(wildcard_match(pattern, tag) for pattern in self.filters)
        return excluded == (self.mode == MUTABLE_WITH_EXCLUSION)


def tag_mutability(mode: str | None, filters: Sequence[str] | None) -> TagMutability:
    """Return the setting for a request's *mode* and *filters*.

    :raises InvalidParameter: when filters are missing, not wanted, or have too many wildcards.
    """
    mode = mode or MUTABLE
    if mode in _WITH_EXCLUSION and not filters:
        raise InvalidParameter.at(
            _MEMBER,
            f"{_MEMBER_IN_TEXT} can't be null when imageTagMutability is set to {mode}",
        )
    if mode not in _WITH_EXCLUSION and filters is not None:
        raise InvalidParameter.at(
            _MEMBER,
            f"{_MEMBER_IN_TEXT} are not allowed when imageTagMutability is set to {mode}",
        )
    for pattern in filters or ():
        if pattern.count("*") > _WILDCARDS_PER_FILTER:
            # Likeliest wording.
            raise InvalidParameter.at(
                _MEMBER, f"Filter cannot contain more than {_WILDCARDS_PER_FILTER} wildcards"
            )
    return TagMutability(mode, tuple(filters or ()))
