"""Policy text to policy documents: the grammar of the IAM JSON policy language.

The rules come from "Grammar of the IAM JSON policy language" and the pages on the single policy
elements (IAM User Guide). What one kind of policy demands beyond the grammar (a principal, a
resource, known actions) is checked by the module of that kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .policy_json import InvalidPolicy as InvalidPolicy
from .policy_json import NumberText, load_policy_object

DEFAULT_VERSION = "2008-10-17"
VERSIONS = (DEFAULT_VERSION, "2012-10-17")

#: AWS limits a document by its size alone; these keep evaluation of a 128 KiB text short.
MAX_STATEMENTS = 1_000
MAX_VALUES = 10_000

_ACTION = re.compile(r"\*|(?:[A-Za-z0-9-]+|\*):[A-Za-z0-9*?]+")
_CONDITION_KEY = re.compile(r"[^:\s]+:[^\r\n]+")
_POLICY_MEMBERS = frozenset({"Version", "Id", "Statement"})
_STATEMENT_MEMBERS = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    }
)
_PRINCIPAL_TYPES = frozenset({"AWS", "Federated", "Service", "CanonicalUser"})

#: Condition operators by their lower-case names ("Condition operators", IAM User Guide).
OPERATORS: dict[str, str] = {
    name.lower(): name
    for name in (
        "StringEquals",
        "StringNotEquals",
        "StringEqualsIgnoreCase",
        "StringNotEqualsIgnoreCase",
        "StringLike",
        "StringNotLike",
        "NumericEquals",
        "NumericNotEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
        "DateEquals",
        "DateNotEquals",
        "DateLessThan",
        "DateLessThanEquals",
        "DateGreaterThan",
        "DateGreaterThanEquals",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "NotIpAddress",
        "ArnEquals",
        "ArnLike",
        "ArnNotEquals",
        "ArnNotLike",
        "Null",
    )
}
_QUANTIFIERS = {"foranyvalue": "ForAnyValue", "forallvalues": "ForAllValues"}


@dataclass(frozen=True)
class Principals:
    """The principals a ``Principal`` or ``NotPrincipal`` element names, by type.

    ``"Principal": "*"`` is kept as ``everyone``; it means the same as ``{"AWS": "*"}`` in a
    resource-based policy ("Principal", IAM User Guide), so either sets it.
    """

    everyone: bool = False
    aws: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    federated: tuple[str, ...] = ()
    canonical_user: tuple[str, ...] = ()


@dataclass(frozen=True)
class Condition:
    """One operator applied to one key: all of a statement's conditions must hold together."""

    operator: str
    key: str
    values: tuple[str, ...]
    if_exists: bool = False
    quantifier: str = ""

    @property
    def operator_name(self) -> str:
        """The operator as policies write it, for example ``ForAnyValue:StringLikeIfExists``."""
        prefix = f"{self.quantifier}:" if self.quantifier else ""
        return f"{prefix}{self.operator}{'IfExists' if self.if_exists else ''}"


@dataclass(frozen=True)
class Statement:
    """One statement. ``index`` is its position in the document, from 0."""

    index: int
    effect: str
    sid: str | None = None
    principals: Principals | None = None
    not_principals: Principals | None = None
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class PolicyDocument:
    """A parsed policy. ``version`` is the language's version, the default when left out."""

    statements: tuple[Statement, ...]
    version: str = DEFAULT_VERSION
    id: str | None = None


def parse_policy(text: str) -> PolicyDocument:
    """Parse *text* by the grammar of the IAM policy language.

    :returns: the document; a missing ``Version`` reads as ``2008-10-17``.
    :raises InvalidPolicy: with the reason when the text breaks the grammar.
    """
    policy = load_policy_object(text)
    _refuse_unknown(policy, _POLICY_MEMBERS, "the policy")
    version = policy.get("Version", DEFAULT_VERSION)
    if not _is_text(version) or version not in VERSIONS:
        raise InvalidPolicy("Version must be 2008-10-17 or 2012-10-17")
    policy_id = policy.get("Id")
    if "Id" in policy and not _is_text(policy_id):
        raise InvalidPolicy("Id must be a string")
    if "Statement" not in policy:
        raise InvalidPolicy("the policy has no Statement")
    written = policy["Statement"]
    statements = written if isinstance(written, list) else [written]
    if not statements:
        raise InvalidPolicy("Statement is empty")
    if len(statements) > MAX_STATEMENTS:
        raise InvalidPolicy(f"the policy has more than {MAX_STATEMENTS} statements")
    parsed = tuple(_statement(index, value) for index, value in enumerate(statements))
    _refuse_repeated_sids(parsed)
    if sum(_count_values(statement) for statement in parsed) > MAX_VALUES:
        raise InvalidPolicy(f"the policy lists more than {MAX_VALUES} values")
    return PolicyDocument(statements=parsed, version=version, id=policy_id)


def parse_operator(name: str) -> tuple[str, str, bool]:
    """Split an operator name into its quantifier (or ``""``), base name and IfExists flag.

    Names are read without regard to case; the base name comes back as the documents spell it.

    :raises InvalidPolicy: when AWS has no such operator.
    """
    quantifier = ""
    rest = name
    if ":" in name:
        prefix, rest = name.split(":", 1)
        known = _QUANTIFIERS.get(prefix.lower())
        if known is None:
            raise InvalidPolicy(f"{name!r} is not a condition operator")
        quantifier = known
    lowered = rest.lower()
    if_exists = lowered.endswith("ifexists")
    operator = OPERATORS.get(lowered[: -len("ifexists")] if if_exists else lowered)
    # Null asks whether the key exists, so IfExists is documented for all operators but this one.
    if operator is None or (operator == "Null" and if_exists):
        raise InvalidPolicy(f"{name!r} is not a condition operator")
    return quantifier, operator, if_exists


def _refuse_unknown(value: dict[str, Any], known: frozenset[str], where: str) -> None:
    for name in value:
        if name not in known:
            raise InvalidPolicy(f"{where} has the unknown element {name!r}")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not isinstance(value, NumberText)


def _texts(value: object, where: str) -> tuple[str, ...]:
    """Read a string or a non-empty list of non-empty strings."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InvalidPolicy(f"{where} is empty")
    for item in values:
        if not _is_text(item) or not item:
            raise InvalidPolicy(f"{where} must hold strings")
    return tuple(values)


def _statement(index: int, value: object) -> Statement:
    where = f"statement {index + 1}"
    if not isinstance(value, dict):
        raise InvalidPolicy(f"{where} is not an object")
    _refuse_unknown(value, _STATEMENT_MEMBERS, where)
    for first, second in (
        ("Principal", "NotPrincipal"),
        ("Action", "NotAction"),
        ("Resource", "NotResource"),
    ):
        if first in value and second in value:
            raise InvalidPolicy(f"{where} has both {first} and {second}")
    sid = value.get("Sid")
    # Amazon ECR returns Sids with spaces ("allow public pull"), so only IAM's own kinds of
    # policy narrow the characters further.
    if "Sid" in value and (not _is_text(sid) or not str(sid).isprintable()):
        raise InvalidPolicy(f"{where}: Sid must be a string of printable characters")
    effect = value.get("Effect")
    if not _is_text(effect) or effect not in ("Allow", "Deny"):
        raise InvalidPolicy(f"{where}: Effect must be Allow or Deny")
    if "Action" not in value and "NotAction" not in value:
        raise InvalidPolicy(f"{where} has neither Action nor NotAction")
    return Statement(
        index=index,
        effect=str(effect),
        sid=sid,
        principals=_principals(value, "Principal", where),
        not_principals=_principals(value, "NotPrincipal", where),
        actions=_actions(value, "Action", where),
        not_actions=_actions(value, "NotAction", where),
        resources=_resources(value, "Resource", where),
        not_resources=_resources(value, "NotResource", where),
        conditions=_conditions(value["Condition"], where) if "Condition" in value else (),
    )


def _principals(statement: dict[str, Any], element: str, where: str) -> Principals | None:
    if element not in statement:
        return None
    value = statement[element]
    if _is_text(value) and value == "*":
        return Principals(everyone=True)
    if not isinstance(value, dict) or not value:
        raise InvalidPolicy(f'{where}: {element} must be "*" or an object of principals')
    _refuse_unknown(value, _PRINCIPAL_TYPES, f"{where}: {element}")
    named = {kind: _texts(value[kind], f"{where}: {element} {kind}") for kind in value}
    aws = named.get("AWS", ())
    return Principals(
        everyone="*" in aws,
        aws=aws,
        service=named.get("Service", ()),
        federated=named.get("Federated", ()),
        canonical_user=named.get("CanonicalUser", ()),
    )


def _actions(statement: dict[str, Any], element: str, where: str) -> tuple[str, ...]:
    if element not in statement:
        return ()
    actions = _texts(statement[element], f"{where}: {element}")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise InvalidPolicy(f"{where}: {action!r} is not an action")
    return actions


def _resources(statement: dict[str, Any], element: str, where: str) -> tuple[str, ...]:
    if element not in statement:
        return ()
    resources = _texts(statement[element], f"{where}: {element}")
    for resource in resources:
        if resource != "*" and not resource.startswith("arn:"):
            raise InvalidPolicy(f'{where}: resource {resource!r} is neither an ARN nor "*"')
    return resources


def _conditions(value: object, where: str) -> tuple[Condition, ...]:
    if not isinstance(value, dict):
        raise InvalidPolicy(f"{where}: Condition is not an object")
    conditions: list[Condition] = []
    for name, keys in value.items():
        quantifier, operator, if_exists = parse_operator(name)
        if not isinstance(keys, dict):
            raise InvalidPolicy(f"{where}: condition {name} is not an object of keys")
        for key, values in keys.items():
            if not _CONDITION_KEY.fullmatch(key):
                raise InvalidPolicy(f"{where}: {key!r} is not a condition key")
            conditions.append(
                Condition(
                    operator=operator,
                    key=key,
                    values=_condition_values(values, f"{where}: condition {name} {key}"),
                    if_exists=if_exists,
                    quantifier=quantifier,
                )
            )
    return tuple(conditions)


def _condition_values(value: object, where: str) -> tuple[str, ...]:
    texts: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            texts.append("true" if item else "false")
        elif isinstance(item, str):
            texts.append(str(item))
        else:
            raise InvalidPolicy(f"{where} must hold strings, numbers or booleans")
    return tuple(texts)


def _refuse_repeated_sids(statements: Iterable[Statement]) -> None:
    seen: set[str] = set()
    for statement in statements:
        # The empty Sid is what consoles write for "none"; several statements may carry it.
        if not statement.sid:
            continue
        if statement.sid in seen:
            raise InvalidPolicy(f"Sid {statement.sid!r} is given twice")
        seen.add(statement.sid)


def _count_values(statement: Statement) -> int:
    principals = statement.principals or statement.not_principals or Principals()
    return (
        len(statement.actions)
        + len(statement.not_actions)
        + len(statement.resources)
        + len(statement.not_resources)
        + len(principals.aws)
        + len(principals.service)
        + len(principals.federated)
        + len(principals.canonical_user)
        + sum(1 + len(condition.values) for condition in statement.conditions)
    )
