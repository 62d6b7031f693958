"""What IAM and STS accept of the policies on the caller's side, beyond the grammar.

"Grammar of the IAM JSON policy language" (policy grammar notes) and the pages on ``Principal``
and ``Sid`` (IAM User Guide); ``AssumeRole`` (STS API reference).
"""

from __future__ import annotations

import re

from .documents import InvalidPolicy, PolicyDocument, parse_policy
from .principals import check_principals

#: ``Policy`` of AssumeRole (STS API reference).
MAX_SESSION_POLICY_CHARACTERS = 2_048

_SID = re.compile(r"[A-Za-z0-9]*")
_ASSUME_ACTION = re.compile(r"sts:[A-Za-z*?]+", re.IGNORECASE)


def parse_identity_policy(text: str) -> PolicyDocument:
    """Parse a policy for a user, group, role or permissions boundary.

    It has no principal and no Id, and every statement names resources.

    :raises InvalidPolicy: with the reason.
    """
    policy = parse_policy(text)
    if policy.id is not None:
        raise InvalidPolicy("an identity-based policy has no Id")
    for statement in policy.statements:
        where = f"statement {statement.index + 1}"
        if statement.principals is not None or statement.not_principals is not None:
            raise InvalidPolicy(f"{where}: an identity-based policy names no principal")
        if not statement.resources and not statement.not_resources:
            raise InvalidPolicy(f"{where} has no Resource")
    _check_sids(policy)
    return policy


def parse_session_policy(text: str) -> PolicyDocument:
    """Parse a policy that is passed to AssumeRole: identity-based, short, with whole ARNs.

    :raises InvalidPolicy: with the reason.
    """
    if len(text) > MAX_SESSION_POLICY_CHARACTERS:
        raise InvalidPolicy(f"the policy is longer than {MAX_SESSION_POLICY_CHARACTERS} characters")
    policy = parse_identity_policy(text)
    for statement in policy.statements:
        for resource in (*statement.resources, *statement.not_resources):
            if resource != "*" and resource.count(":") < 5:
                raise InvalidPolicy(f"{resource!r} is not a whole ARN")
    return policy


def parse_trust_policy(text: str) -> PolicyDocument:
    """Parse a role's trust policy: it names principals, STS's actions and no resource.

    :raises InvalidPolicy: with the reason.
    """
    policy = parse_policy(text)
    check_principals(policy)
    for statement in policy.statements:
        where = f"statement {statement.index + 1}"
        if statement.resources or statement.not_resources:
            raise InvalidPolicy(f"{where}: a trust policy names no resource")
        for action in (*statement.actions, *statement.not_actions):
            if not _ASSUME_ACTION.fullmatch(action):
                raise InvalidPolicy(f"{where}: {action!r} is no action of STS")
    _check_sids(policy)
    return policy


def _check_sids(policy: PolicyDocument) -> None:
    for statement in policy.statements:
        if statement.sid is not None and not _SID.fullmatch(statement.sid):
            raise InvalidPolicy(f"Sid {statement.sid!r} has characters beyond letters and digits")
