"""ECR's words for a lifecycle policy that it refuses.

Each text is what follows ``Invalid parameter at 'LifecyclePolicyText' failed to satisfy
constraint: '`` in ECR's answer. How sure each is:

* "observed": quoted from ECR's answer in a public issue thread or a recorded rule set;
* "library": ECR checks the text with the Java library json-schema-validator (its observed
  answers are that library's, word for word), and this is the library's message for the case;
* "likeliest": no source shows the wording; it is made after the ones around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

_VALIDATION = "Lifecycle policy validation failure: "
#: Observed in 2026. Older sources have this failure under the validation prefix too.
_PARSING = "Lifecycle policy parsing failure: "

#: Observed, for a text that is no JSON object and for a transition without its target.
COULD_NOT_MAP = f"{_PARSING}Could not map policyString into LifecyclePolicy."


def schema_failure(messages: Iterable[str]) -> str:
    """Return the text for what the schema found: one message a line.

    The line break after the last message too is observed: the quotation mark that closes
    ECR's text stands on a line of its own.
    """
    return _VALIDATION + "".join(f"{message}\n" for message in messages)


def rule_failure(message: str) -> str:
    """Return the text for a rule that the schema cannot state."""
    return _VALIDATION + message


# --- what the schema finds -----------------------------------------------------------------


def missing(names: Iterable[str]) -> str:
    """Observed."""
    return f"object has missing required properties ({_array(names)})"


def not_allowed(names: Iterable[str]) -> str:
    """Observed as far as the colon, the rest is the library's (moto has brackets around it)."""
    return f"object instance has properties which are not allowed by the schema: {_array(names)}"


def wrong_type(found: str, allowed: str) -> str:
    """Observed."""
    return (
        f"instance type ({found}) does not match any allowed primitive type "
        f"(allowed: {_array([allowed])})"
    )


def not_in_enum(value: str, possible: Iterable[str]) -> str:
    """Library (moto has the value without quotes and a colon before the bracket)."""
    values = _array(possible)
    return f"instance value ({_json(value)}) not found in enum (possible values: {values})"


def below_minimum(minimum: int, found: int) -> str:
    """Observed as far as the bracket, the rest is the library's."""
    return (
        f"numeric instance is lower than the required minimum (minimum: {minimum}, found: {found})"
    )


def too_many_elements(maximum: int, found: int) -> str:
    """Observed as far as the colon, the rest is the library's."""
    return (
        f"array is too long: must have at most {maximum} elements but instance has {found} elements"
    )


def too_few_elements(minimum: int, found: int) -> str:
    """Observed as far as the colon, the rest is the library's."""
    return (
        f"array is too short: must have at least {minimum} elements "
        f"but instance has {found} elements"
    )


def not_exactly_one(matched: int, schemas: int) -> str:
    """Observed, with 2 schemas (an action's) and with 4 (a selection's, since 2025)."""
    return f"instance failed to match exactly one schema (matched {matched} out of {schemas})"


# --- what the rules say to each other ------------------------------------------------------

#: Observed.
DUPLICATE_PRIORITY = "Duplicate priority in multiple rules"
#: Observed.
ONE_UNTAGGED_RULE = "Only one rule can select Untagged images per storage class"
#: Observed (perhaps cut short).
ONE_ANY_RULE = "Only one rule can specify tagStatus=ANY"
#: Observed ("must have the highest rulePriority" in another source).
ANY_RULE_LAST = "Rule for tagStatus=ANY must have the lowest priority per storage class"
#: Observed.
TAG_LIST_NEEDED = "Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED."
#: Observed.
ONE_TAG_LIST = (
    "If policy has a tagged rule, it must specify only one of tagPrefixList or tagPatternList"
)
#: Observed (perhaps cut short).
INVALID_TAG_PATTERN = "Invalid tag pattern provided"
#: Observed.
STANDARD_ONLY = (
    "SINCE_IMAGE_PUSHED, SINCE_IMAGE_PULLED and IMAGE_COUNT_MORE_THAN support the STANDARD "
    "storage class only"
)
#: Likeliest. (Without any storage class the schema refuses the rule first.)
ARCHIVE_ONLY = "SINCE_IMAGE_TRANSITIONED supports the ARCHIVE storage class only"
#: Likeliest; that ECR refuses the combination is observed.
TRANSITION_ONLY = "SINCE_IMAGE_PULLED supports the TRANSITION action only"
#: Likeliest.
EXPIRE_ONLY = "SINCE_IMAGE_TRANSITIONED supports the EXPIRE action only"


def tag_list_forbidden(member: str, tag_status: str) -> str:
    """Observed."""
    return f"Cannot specify {member} with tagStatus {tag_status}"


def too_soon_after_transition(days: int) -> str:
    """Likeliest."""
    return f"SINCE_IMAGE_TRANSITIONED supports a countNumber of at least {days} only"


def duplicate_tag_list(member: str) -> str:
    """Likeliest."""
    return f"Only one rule can select the same {member} per storage class"


def _array(items: Iterable[str]) -> str:
    return json.dumps(list(items), ensure_ascii=False, separators=(",", ":"))


def _json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
