"""An operation's input held against the constraints of its service's model.

:func:`compile_validator` makes, once for each operation, a function over the input that
:mod:`.parsing` read: required members, lengths, ranges, patterns and enumerations, at every
depth. A violation is answered in one of two forms:

* ``InvalidParameterException``, for the first violation:
  ``Invalid parameter at 'maxResults' failed to satisfy constraint: 'Member must have value
  less than or equal to 1000'``. Seen from ECR for scalars (imageTagMutability,
  ecrRepositoryPrefix, lifecyclePolicyText), for lists (imageIds) and for a list's members
  (registryIds: ``Member must satisfy constraint: [...]``). A few members of ECR's first
  years say it in other words: see :data:`OWN_WORDS`.
* ``ValidationException``, for all violations at once: ``1 validation error detected: Value
  'x' at 'name' failed to satisfy constraint: Member must ...``, for the operations of
  :data:`COUNTED_FORM`.

Paths name members with a small first letter and list places from one:
``tags.2.member.key`` (seen from ECR).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from .errors import AwsError

# The operations whose violations come in the counted form, under ValidationException: the
# families of 2020 and later that model it. UNCERTAIN. Neither form was seen from ECR for
# any of these. ValidationException is certain only for their refusals of meaning. Two
# families that model it too, lifecycle policies and pull-through cache rules, were seen to
# answer InvalidParameterException, so these may; then this set becomes empty, and nothing
# else changes. Everything of ECR Public, which does not model it, is in the first form.
COUNTED_FORM = frozenset(
    {
        # repository creation templates
        "CreateRepositoryCreationTemplate",
        "DeleteRepositoryCreationTemplate",
        "DescribeRepositoryCreationTemplates",
        "UpdateRepositoryCreationTemplate",
        # replication and its backfill
        "DescribeImageReplicationStatus",
        "DescribeReplicationBackfillResults",
        "ListReplicationBackfills",
        "PutReplicationConfiguration",
        "StartReplicationBackfill",
        "StopReplicationBackfill",
        # registry policy and account settings
        "GetAccountSetting",
        "PutAccountSetting",
        "PutRegistryPolicy",
        # signing
        "DescribeImageSigningStatus",
        "PutSigningConfiguration",
        # pull time update exclusions
        "DeregisterPullTimeUpdateExclusion",
        "ListPullTimeUpdateExclusions",
        "RegisterPullTimeUpdateExclusion",
        # storage class, referrers
        "ListImageReferrers",
        "UpdateImageStorageClass",
    }
)

# Members of an input itself whose violations are worded "must ..." instead of "Member must
# ...", with the pattern in quotes of its own. Seen: repositoryName (pattern, least length),
# registryId (pattern). uploadId and layerDigest are their contemporaries: likely, not seen.
OWN_WORDS = frozenset({"repositoryName", "registryId", "uploadId", "layerDigest"})

# Patterns that are printed otherwise than the model writes them. ECR's pattern for a
# repository name: seen so in 2026, in two places; until 2024 what was printed was
# (?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*, which the service no longer
# means (it takes "a__b" and "a--b"), and which is still the model's for ECR Public.
PRINTED_PATTERNS = {
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*": (
        r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
    ),
}

# Enumerations that are printed in another order than the model's (seen).
PRINTED_ENUMS = (("IMMUTABLE", "MUTABLE", "MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"),)

# Patterns that a backtracking matcher takes exponential time for, with an equivalent that
# it does not. Scanning filters: any character of the second class may also be matched by
# the first, so a run of letters can be cut in 2^n ways; all it says is that separators stand
# alone, and not at an end.
SAFE_PATTERNS = {
    r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$": r"[a-z0-9*]+(?:[._\-/][a-z0-9*]+)*",
}

# A bound on the answer's size, not AWS's.
_MAX_REPORTED = 100


class Violation(NamedTuple):
    """A value that fails a constraint.

    :ivar path: where, from the value that was checked; empty for that value itself.
    :ivar constraint: which, in words.
    :ivar value: what was there; None if nothing was.
    """

    path: str
    constraint: str
    value: Any


# Returns nothing for a good value, so that a good value costs no allocation.
Check = Callable[[Any], "Sequence[Violation] | None"]


def compile_validator(
    shapes: Mapping[str, Any], operation: str, input_shape: str
) -> Callable[[Mapping[str, Any]], None]:
    """Return the function that holds an input of *operation* against the model.

    :param shapes: the model's shapes by name.
    :param operation: the operation's name, which decides the form of a refusal.
    :param input_shape: the name of the operation's input structure.
    :returns: a function that raises :class:`AwsError` (``InvalidParameterException`` or
        ``ValidationException``, status 400) for an input that breaks a constraint.
    """
    counted = operation in COUNTED_FORM
    limit = _MAX_REPORTED if counted else 1
    own_words: frozenset[str] = frozenset() if counted else OWN_WORDS
    check = _compile_structure(shapes, shapes[input_shape], limit, own_words)
    refuse = _all_counted if counted else _first_as_parameter

    def validate(params: Mapping[str, Any]) -> None:
        violations = check(params) if check is not None else None
        if violations:
            raise refuse(violations)

    return validate


def _first_as_parameter(violations: Sequence[Violation]) -> AwsError:
    path, constraint, _ = violations[0]
    return AwsError(
        "InvalidParameterException",
        f"Invalid parameter at '{path}' failed to satisfy constraint: '{constraint}'",
    )


def _all_counted(violations: Sequence[Violation]) -> AwsError:
    plural = "" if len(violations) == 1 else "s"
    listed = "; ".join(
        f"Value {_shown(value)} at '{path}' failed to satisfy constraint: {constraint}"
        for path, constraint, value in violations
    )
    return AwsError(
        "ValidationException", f"{len(violations)} validation error{plural} detected: {listed}"
    )


def _shown(value: Any) -> str:
    return "null" if value is None else f"'{_as_java(value)}'"


def _as_java(value: Any) -> str:
    """Return *value* as Java's toString would; that of a structure is a guess."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"java.nio.HeapByteBuffer[pos=0 lim={len(value)} cap={len(value)}]"
    if isinstance(value, list):
        return f"[{', '.join(map(_as_java, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}={_as_java(item)}' for name, item in value.items())}}}"
    return str(value)


def _compile(shapes: Mapping[str, Any], name: str, limit: int) -> Check | None:
    """Return the check for a value of the shape *name*; None if any value will do."""
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        return _compile_structure(shapes, shape, limit, frozenset())
    if kind == "list":
        return _compile_list(shapes, shape, limit)
    if kind == "map":
        return _compile_map(shapes, shape, limit)
    if kind in ("string", "blob"):
        return _compile_text(shape, own_words=False)
    if kind in ("integer", "long", "double", "float"):
        return _compile_range(shape)
    return None


def _compile_structure(
    shapes: Mapping[str, Any], shape: Mapping[str, Any], limit: int, own_words: frozenset[str]
) -> Check | None:
    required = frozenset(shape.get("required", ()))
    members: list[tuple[str, str, str | None, Check | None]] = []
    for name, reference in shape["members"].items():
        target = shapes[reference["shape"]]
        own = name in own_words and target["type"] == "string"
        if own:
            check = _compile_text(target, own_words=True)
        else:
            check = _compile(shapes, reference["shape"], limit)
        missing = None
        if name in required:
            missing = "must not be null" if own else "Member must not be null"
        if check or missing:
            members.append((name, name[0].lower() + name[1:], missing, check))
    if not members:
        return None

    def check_structure(value: Mapping[str, Any]) -> Sequence[Violation] | None:
        found: list[Violation] | None = None
        for name, path, missing, check in members:
            item = value.get(name)
            if item is None:
                if missing is None:
                    continue
                inside: Sequence[Violation] | None = (Violation("", missing, None),)
            else:
                inside = check(item) if check is not None else None
            if inside:
                found = found or []
                found.extend(_at(path, inside))
                if len(found) >= limit:
                    return found[:limit]
        return found

    return check_structure


def _compile_list(shapes: Mapping[str, Any], shape: Mapping[str, Any], limit: int) -> Check | None:
    length = _compile_length(shape, own_words=False)
    member = shape["member"]["shape"]
    check = _compile(shapes, member, limit)
    if check is None:
        return length
    # Members that have no members of their own are judged together, by all they should be.
    together = None
    if shapes[member]["type"] not in ("structure", "list", "map"):
        constraints = ", ".join(_constraints(shapes[member], own_words=False))
        together = f"Member must satisfy constraint: [{constraints}]"

    def check_list(value: Sequence[Any]) -> Sequence[Violation] | None:
        found: list[Violation] | None = None
        if length is not None:
            wrong = length(value)
            if wrong:
                if limit == 1:
                    return wrong
                found = list(wrong)
        for place, item in enumerate(value, 1):
            inside = check(item)
            if inside:
                found = found or []
                if together is not None:
                    found.append(Violation("", together, value))
                    return found
                found.extend(_at(f"{place}.member", inside))
                if len(found) >= limit:
                    return found[:limit]
        return found

    return check_list


def _compile_map(shapes: Mapping[str, Any], shape: Mapping[str, Any], limit: int) -> Check | None:
    if any(_compile(shapes, shape[part]["shape"], limit) for part in ("key", "value")):
        # No input has a map. AWS words these otherwise ("Map keys must ...").
        raise ValueError("constraints within maps are not known to this protocol layer")
    return _compile_length(shape, own_words=False)


def _at(path: str, inside: Sequence[Violation]) -> Iterator[Violation]:
    for violation in inside:
        deeper = f"{path}.{violation.path}" if violation.path else path
        yield violation._replace(path=deeper)


def _compile_length(shape: Mapping[str, Any], *, own_words: bool) -> Check | None:
    """Check the length: characters of a string, bytes of a blob, members of a list or map."""
    least, greatest = shape.get("min", 0), shape.get("max", float("inf"))
    if not least and "max" not in shape:
        return None
    too_long, too_short = _length_words(shape, own_words)

    def check_length(value: Any) -> Sequence[Violation] | None:
        length = len(value)
        if length < least:
            return (Violation("", too_short, value),)
        if length > greatest:
            return (Violation("", too_long, value),)
        return None

    return check_length


def _compile_text(shape: Mapping[str, Any], *, own_words: bool) -> Check | None:
    length = _compile_length(shape, own_words=own_words)
    allowed: Callable[[Any], object] | None = None
    if "enum" in shape:
        allowed = frozenset(shape["enum"]).__contains__
    elif "pattern" in shape:
        allowed = _matcher(shape["pattern"])
    if allowed is None:
        return length
    within = allowed
    disallowed = list(_constraints(shape, own_words=own_words))[-1]
    greatest = shape.get("max", float("inf"))

    def check_text(value: str) -> Sequence[Violation] | None:
        wrong = length(value) if length is not None else None
        # Nothing too long is put to a pattern.
        if len(value) > greatest or within(value):
            return wrong
        return (*(wrong or ()), Violation("", disallowed, value))

    return check_text


def _compile_range(shape: Mapping[str, Any]) -> Check | None:
    least, greatest = shape.get("min", float("-inf")), shape.get("max", float("inf"))
    if "min" not in shape and "max" not in shape:
        return None
    too_great, too_small = _range_words(shape)

    def check_range(value: float) -> Sequence[Violation] | None:
        if value < least:
            return (Violation("", too_small, value),)
        if value > greatest:
            return (Violation("", too_great, value),)
        return None

    return check_range


def _constraints(shape: Mapping[str, Any], *, own_words: bool) -> Iterator[str]:
    """All that the model asks of a scalar, in words and in the order that AWS lists it."""
    if shape["type"] in ("string", "blob"):
        too_long, too_short = _length_words(shape, own_words)
    else:
        too_long, too_short = _range_words(shape)
    if "max" in shape:
        yield too_long
    if "min" in shape:
        yield too_short
    if "enum" in shape:
        yield f"Member must satisfy enum value set: [{', '.join(_printed_enum(shape['enum']))}]"
    elif "pattern" in shape:
        pattern = PRINTED_PATTERNS.get(shape["pattern"], shape["pattern"])
        if own_words:
            yield f"must satisfy regular expression '{pattern}'"
        else:
            yield f"Member must satisfy regular expression pattern: {pattern}"


def _length_words(shape: Mapping[str, Any], own_words: bool) -> tuple[str, str]:
    must = "must" if own_words else "Member must"
    return (
        f"{must} have length less than or equal to {shape.get('max')}",
        f"{must} have length greater than or equal to {shape.get('min')}",
    )


def _range_words(shape: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Member must have value less than or equal to {shape.get('max')}",
        f"Member must have value greater than or equal to {shape.get('min')}",
    )


def _printed_enum(values: Sequence[str]) -> Sequence[str]:
    for printed in PRINTED_ENUMS:
        if set(printed) == set(values):
            return printed
    return values


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Callable[[str], object]:
    # The model's are Java's patterns, held against the whole text; Java's \w and \S are
    # those of ASCII.
    return re.compile(SAFE_PATTERNS.get(pattern, pattern), re.ASCII).fullmatch
