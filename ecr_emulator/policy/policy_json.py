"""Policy text as JSON: strict, bounded, and with the order and the numbers as written."""

from __future__ import annotations

import json
from typing import Any, NoReturn

#: IAM's own limit on a policy document in a request; each kind of policy has a lower one.
MAX_POLICY_CHARACTERS = 131_072
#: policy > statements > statement > Condition > operator > values, and a little slack.
MAX_DEPTH = 8


class InvalidPolicy(ValueError):
    """A policy text that AWS would not accept; the message says why."""

    @property
    def reason(self) -> str:
        """What is wrong with the text, in words."""
        return str(self)


class NumberText(str):
    """A JSON number as it was written, so that it can be compared and rendered unchanged."""


def load_policy_object(text: str) -> dict[str, Any]:
    """Read *text* as one JSON object, with duplicate members and endless nesting refused.

    :returns: the members in the order they were written; numbers are :class:`NumberText`.
    :raises InvalidPolicy: when the text is too long, too deep, not JSON or not an object.
    """
    if len(text) > MAX_POLICY_CHARACTERS:
        raise InvalidPolicy(f"the policy is longer than {MAX_POLICY_CHARACTERS} characters")
    _check_depth(text)
    try:
        # A string that holds half of a surrogate pair is no text: nothing could store it.
        text.encode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_members,
            parse_int=NumberText,
            parse_float=NumberText,
            parse_constant=_refuse_constant,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except InvalidPolicy:
        raise
    except UnicodeEncodeError:
        raise InvalidPolicy("the policy has a character that is not Unicode text") from None
    except ValueError as error:
        raise InvalidPolicy(f"the policy is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidPolicy("the policy is not a JSON object")
    return value


def _check_depth(text: str) -> None:
    """Refuse deep nesting before the JSON parser recurses into it."""
    depth = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                in_string = False
        elif character == '"':
            in_string = True
        elif character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidPolicy(f"the policy nests deeper than {MAX_DEPTH} levels")
        elif character in "}]":
            depth -= 1


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidPolicy(f"{name!r} is given twice")
            seen.add(name)
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidPolicy(f"{name} is not JSON")
