"""Policies as Amazon ECR gives them back: the same document in one fixed style.

ECR reads a policy and writes it again with Jackson's default pretty printer (seen in the samples
of GetRepositoryPolicy and CreateRepositoryCreationTemplate, API reference): two-space indent,
spaces on both sides of the colon, arrays on one line. Members keep the order, and single values
the form (string or list), in which the caller wrote them.
"""

from __future__ import annotations

import re
from typing import Any

from .policy_json import NumberText, load_policy_object

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_ESCAPES = {code: f"\\u{code:04X}" for code in range(0x20)}
_ESCAPES.update(
    {
        ord('"'): '\\"',
        ord("\\"): "\\\\",
        ord("\b"): "\\b",
        ord("\t"): "\\t",
        ord("\n"): "\\n",
        ord("\f"): "\\f",
        ord("\r"): "\\r",
    }
)


def render_policy(text: str, *, partition: str = "aws") -> str:
    """Write the policy *text* as Amazon ECR returns it.

    Account ids among the AWS principals become the account's root ARN ("Principal", IAM User
    Guide: the service might convert the short form).

    :param partition: the partition of those ARNs, that of the registry's region.
    :raises InvalidPolicy: when *text* is no JSON object.
    """
    policy = load_policy_object(text)
    statements = policy.get("Statement")
    for statement in statements if isinstance(statements, list) else [statements]:
        if isinstance(statement, dict):
            for element in ("Principal", "NotPrincipal"):
                _expand_accounts(statement.get(element), partition)
    return _render(policy, 0)


def _expand_accounts(principals: object, partition: str) -> None:
    if not isinstance(principals, dict) or "AWS" not in principals:
        return
    named = principals["AWS"]
    if isinstance(named, list):
        principals["AWS"] = [_expand_account(value, partition) for value in named]
    else:
        principals["AWS"] = _expand_account(named, partition)


def _expand_account(value: Any, partition: str) -> Any:
    if (
        isinstance(value, str)
        and not isinstance(value, NumberText)
        and _ACCOUNT_ID.fullmatch(value)
    ):
        return f"arn:{partition}:iam::{value}:root"
    return value


def _render(value: object, level: int) -> str:
    """Render one value; *level* counts the objects around it, as arrays do not indent."""
    if isinstance(value, dict):
        if not value:
            return "{ }"
        indent = "  " * (level + 1)
        members = ",\n".join(
            f"{indent}{_quote(name)} : {_render(member, level + 1)}"
            for name, member in value.items()
        )
        return f"{{\n{members}\n{'  ' * level}}}"
    if isinstance(value, list):
        if not value:
            return "[ ]"
        return f"[ {', '.join(_render(item, level) for item in value)} ]"
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null"


def _quote(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
