"""Conditions: whether a statement's ``Condition`` element holds for a request.

All operators and all keys must hold together; one of several values suffices, none of them may
match for a negated operator ("Conditions with multiple context keys or values", IAM User Guide).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .comparisons import (
    address_within,
    binaries_equal,
    booleans_equal,
    dates_compare,
    numbers_compare,
)
from .context import RequestContext
from .documents import Condition
from .matching import Wildcard, arn_matches, glob_matches
from .variables import expand_glob, expand_text

#: One value of the request against all values of the policy: true when one of them matches.
_Matcher = Callable[[str], bool]


def first_unmet(
    conditions: Iterable[Condition], context: RequestContext, *, version: str
) -> Condition | None:
    """Return the first of *conditions* that does not hold, or None when all do.

    :param version: the policy's language version; 2008-10-17 knows no variables.
    """
    for condition in conditions:
        if not condition_holds(condition, context, version=version):
            return condition
    return None


def condition_holds(condition: Condition, context: RequestContext, *, version: str) -> bool:
    """Tell whether *condition* holds in *context*.

    A key that is missing fails a positive operator and satisfies a negated one, ``IfExists`` and
    ``ForAllValues``; for ``ForAnyValue`` there must be a value. An empty string counts as no
    value for ``Null`` and for the set operators ("Condition operators", IAM User Guide).
    """
    given = context.get(condition.key, ())
    if condition.operator == "Null":
        return _null_holds(condition, given)
    negated = "Not" in condition.operator
    if condition.quantifier:
        given = tuple(value for value in given if value)
    if not given:
        if condition.if_exists:
            return True
        if condition.quantifier:
            return condition.quantifier == "ForAllValues"
        return negated
    matches = _matcher(condition, context, version)
    outcomes = (matches(value) != negated for value in given)
    if condition.quantifier == "ForAllValues":
        return all(outcomes)
    if condition.quantifier == "ForAnyValue":
        return any(outcomes)
    # A multivalued key wants a set operator. Without one, the documents leave the outcome open;
    # a negated operator stays the exact opposite of the positive one.
    return all(outcomes) if negated else any(outcomes)


def _null_holds(condition: Condition, given: tuple[str, ...]) -> bool:
    is_null = not any(given)
    return any(value.lower() == ("true" if is_null else "false") for value in condition.values)


def _matcher(condition: Condition, context: RequestContext, version: str) -> _Matcher:
    """Return the test of one request value, the negation left out."""
    operator = condition.operator.replace("Not", "", 1)
    if operator in ("StringLike", "ArnEquals", "ArnLike"):
        return _pattern_matcher(operator, condition.values, context, version)
    if operator in ("StringEquals", "StringEqualsIgnoreCase", "Bool"):
        return _text_matcher(operator, condition.values, context, version)
    if operator.startswith("Numeric"):
        order = operator[len("Numeric") :]
        return lambda value: any(
            numbers_compare(order, value, wanted) for wanted in condition.values
        )
    if operator.startswith("Date"):
        order = operator[len("Date") :]
        return lambda value: any(dates_compare(order, value, wanted) for wanted in condition.values)
    compare = binaries_equal if operator == "BinaryEquals" else address_within
    return lambda value: any(compare(value, wanted) for wanted in condition.values)


def _pattern_matcher(
    operator: str, values: tuple[str, ...], context: RequestContext, version: str
) -> _Matcher:
    patterns = [
        pattern
        for value in values
        if (pattern := expand_glob(value, context, version=version)) is not None
    ]
    if operator == "StringLike":
        return lambda value: any(glob_matches(pattern, value) for pattern in patterns)
    # "*" alone is no ARN pattern of six components, yet policies write it for "any ARN".
    if (Wildcard.ANY,) in patterns:
        return lambda value: True
    return lambda value: any(arn_matches(pattern, value) for pattern in patterns)


def _text_matcher(
    operator: str, values: tuple[str, ...], context: RequestContext, version: str
) -> _Matcher:
    texts = {
        text
        for value in values
        if (text := expand_text(value, context, version=version)) is not None
    }
    if operator == "StringEquals":
        return lambda value: value in texts
    if operator == "StringEqualsIgnoreCase":
        lowered = {text.lower() for text in texts}
        return lambda value: value.lower() in lowered
    return lambda value: any(booleans_equal(value, text) for text in texts)
