"""Lifecycle policies: from text to rules, and back to the text that ECR echoes.

The grammar and what the rules of one policy must not do to each other are the user guide's
("Lifecycle policy properties in Amazon ECR", "Lifecycle policy evaluation rules").
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from ecr_emulator.registry import lifecycle_schema as schema
from ecr_emulator.registry import lifecycle_texts as texts

TAGGED = "tagged"
UNTAGGED = "untagged"
ANY = "any"

STANDARD = "standard"
ARCHIVE = "archive"

IMAGE_COUNT_MORE_THAN = "imageCountMoreThan"
SINCE_IMAGE_PUSHED = "sinceImagePushed"
SINCE_IMAGE_PULLED = "sinceImagePulled"
SINCE_IMAGE_TRANSITIONED = "sinceImageTransitioned"

EXPIRE = "expire"
TRANSITION = "transition"

#: User guide: "a maximum limit of four wildcards (*) per string".
_WILDCARDS_PER_PATTERN = 4
#: User guide: an archived image may be deleted by a rule after 90 days at the earliest.
_MIN_DAYS_IN_ARCHIVE = 90
#: ECR's numbers are Java's int: it cannot map a greater one.
_MAX_NUMBER = 2**31 - 1
#: Longer numbers are cut to so many digits before they are read: they are out of range
#: anyhow, and reading them exactly takes time that grows with the square of their length.
_MAX_DIGITS = 20


class InvalidLifecyclePolicy(ValueError):
    """A text that ECR would refuse.

    :param message: all of the text that ECR puts between the quotation marks of
        ``Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: '...'``.
    """

    def __init__(self, message: str) -> None:
        # Half a surrogate pair, which JSON may name, has no place in an answer's UTF-8.
        self.message = _encodable(message)
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class LifecycleSelection:
    """The images a rule is about. At most one of the two tag lists holds anything."""

    tag_status: str
    count_type: str
    count_number: int
    count_unit: str | None = None
    tag_prefixes: tuple[str, ...] = ()
    tag_patterns: tuple[str, ...] = ()
    #: As written; :attr:`images_of` has the default filled in.
    storage_class: str | None = None

    @property
    def images_of(self) -> str:
        """The storage class whose images the rule is about."""
        return self.storage_class or STANDARD


@dataclass(frozen=True, slots=True)
class LifecycleAction:
    """What a rule does to an image: ``expire``, or ``transition`` to another class."""

    type: str
    target_storage_class: str | None = None


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """One rule; the lowest priority number is applied first."""

    priority: int
    selection: LifecycleSelection
    action: LifecycleAction
    description: str | None = None


@dataclass(frozen=True, slots=True)
class LifecyclePolicy:
    """The rules of a policy, lowest priority number first."""

    rules: tuple[LifecycleRule, ...]


def parse_lifecycle_policy(text: str) -> LifecyclePolicy:
    """Read and check a lifecycle policy's *text*.

    The limits on the length of the text are the service model's and not checked here.

    :raises InvalidLifecyclePolicy: with ECR's words for the first kind of failure found: no
        JSON object, the schema, a value that does not map, the rules among each other.
    """
    try:
        document = json.loads(text, parse_int=_integer, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidLifecyclePolicy(texts.COULD_NOT_MAP) from None
    if not isinstance(document, dict):
        raise InvalidLifecyclePolicy(texts.COULD_NOT_MAP)
    messages = schema.violations(document)
    if messages:
        raise InvalidLifecyclePolicy(texts.schema_failure(messages))
    rules = sorted((_rule(rule) for rule in document["rules"]), key=lambda rule: rule.priority)
    failure = _broken_rule(rules)
    if failure is not None:
        raise InvalidLifecyclePolicy(texts.rule_failure(failure))
    return LifecyclePolicy(tuple(rules))


def render_lifecycle_policy(policy: LifecyclePolicy) -> str:
    """Return the text that Put- and GetLifecyclePolicy answer with.

    It is not the text that was put: no spaces, members in a fixed order, rules by ascending
    priority (CLI reference samples, public notes on Terraform). A member that was absent stays
    so. Where ``storageClass`` stands is taken from the user guide's template.
    """
    document = {"rules": [_rendered(rule) for rule in policy.rules]}
    return _encodable(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _integer(digits: str) -> int:
    return int(digits[:_MAX_DIGITS])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def _rule(document: dict[str, Any]) -> LifecycleRule:
    """Map a rule that the schema allows.

    :raises InvalidLifecyclePolicy: when a number is out of range or a transition's target is
        missing.
    """
    selection, action = document["selection"], document["action"]
    if (
        document["rulePriority"] > _MAX_NUMBER
        or selection["countNumber"] > _MAX_NUMBER
        or (action["type"] == TRANSITION and "targetStorageClass" not in action)
    ):
        raise InvalidLifecyclePolicy(texts.COULD_NOT_MAP)
    return LifecycleRule(
        priority=document["rulePriority"],
        description=document.get("description"),
        selection=LifecycleSelection(
            tag_status=selection["tagStatus"],
            # An empty list counts as none: for tagged images ECR asks for one, and for others
            # only a list that holds something is known to be refused.
            tag_prefixes=tuple(selection.get("tagPrefixList", ())),
            tag_patterns=tuple(selection.get("tagPatternList", ())),
            storage_class=selection.get("storageClass"),
            count_type=selection["countType"],
            count_unit=selection.get("countUnit"),
            count_number=selection["countNumber"],
        ),
        action=LifecycleAction(action["type"], action.get("targetStorageClass")),
    )


def _broken_rule(rules: list[LifecycleRule]) -> str | None:
    """Return ECR's words for the first thing wrong with *rules*, sorted by priority.

    Which failure ECR names when there are several is not known; priorities, single rules, then
    rules together is our order.
    """
    if len({rule.priority for rule in rules}) < len(rules):
        return texts.DUPLICATE_PRIORITY
    for rule in rules:
        failure = _broken_tag_selection(rule.selection) or _broken_combination(rule)
        if failure is not None:
            return failure
    return _conflict(rules)


def _broken_tag_selection(selection: LifecycleSelection) -> str | None:
    lists = {"tagPrefixList": selection.tag_prefixes, "tagPatternList": selection.tag_patterns}
    given = [member for member, items in lists.items() if items]
    if selection.tag_status != TAGGED:
        return texts.tag_list_forbidden(given[0], selection.tag_status) if given else None
    if not given:
        return texts.TAG_LIST_NEEDED
    if len(given) > 1:
        return texts.ONE_TAG_LIST
    if any(pattern.count("*") > _WILDCARDS_PER_PATTERN for pattern in selection.tag_patterns):
        return texts.INVALID_TAG_PATTERN
    return None


def _broken_combination(rule: LifecycleRule) -> str | None:
    selection = rule.selection
    if selection.count_type != SINCE_IMAGE_TRANSITIONED:
        if selection.images_of != STANDARD:
            return texts.STANDARD_ONLY
        if selection.count_type == SINCE_IMAGE_PULLED and rule.action.type != TRANSITION:
            return texts.TRANSITION_ONLY
        return None
    if selection.images_of != ARCHIVE:
        return texts.ARCHIVE_ONLY
    if rule.action.type != EXPIRE:
        return texts.EXPIRE_ONLY
    if selection.count_number < _MIN_DAYS_IN_ARCHIVE:
        return texts.too_soon_after_transition(_MIN_DAYS_IN_ARCHIVE)
    return None


def _conflict(rules: list[LifecycleRule]) -> str | None:
    """Return what is wrong between rules, which is a matter of each storage class alone."""
    for storage_class in (STANDARD, ARCHIVE):
        selections = [rule.selection for rule in rules if rule.selection.images_of == storage_class]
        statuses = [selection.tag_status for selection in selections]
        if statuses.count(UNTAGGED) > 1:
            return texts.ONE_UNTAGGED_RULE
        if statuses.count(ANY) > 1:
            return texts.ONE_ANY_RULE
        if ANY in statuses[:-1]:
            return texts.ANY_RULE_LAST
        # The user guide wants "a unique set of tag prefixes" and says no more: we compare whole
        # lists, without their order, so that rules may share some prefixes but not all.
        for member, lists in (
            ("tagPrefixList", [selection.tag_prefixes for selection in selections]),
            ("tagPatternList", [selection.tag_patterns for selection in selections]),
        ):
            sets = [frozenset(items) for items in lists if items]
            if len(set(sets)) < len(sets):
                return texts.duplicate_tag_list(member)
    return None


def _rendered(rule: LifecycleRule) -> dict[str, Any]:
    selection = rule.selection
    members: dict[str, Any] = {
        "rulePriority": rule.priority,
        "description": rule.description,
        "selection": _present(
            {
                "tagStatus": selection.tag_status,
                "tagPatternList": list(selection.tag_patterns) or None,
                "tagPrefixList": list(selection.tag_prefixes) or None,
                "storageClass": selection.storage_class,
                "countType": selection.count_type,
                "countUnit": selection.count_unit,
                "countNumber": selection.count_number,
            }
        ),
        "action": _present(
            {
                "type": rule.action.type,
                "targetStorageClass": rule.action.target_storage_class,
            }
        ),
    }
    return _present(members)


def _present(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
