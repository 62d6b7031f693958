"""What IAM and STS accept as identity-based, session and trust policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.identity_policy import (
    parse_identity_policy,
    parse_session_policy,
    parse_trust_policy,
)


def text(**members: Any) -> str:
    policy_id = members.pop("Id", None)
    policy: dict[str, Any] = {"Version": "2012-10-17", "Statement": [members]}
    if policy_id is not None:
        policy["Id"] = policy_id
    return json.dumps(policy)


PULL: dict[str, Any] = {"Effect": "Allow", "Action": "ecr:BatchGetImage", "Resource": "*"}
TRUST: dict[str, Any] = {
    "Sid": "",
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "ecs.amazonaws.com"},
}


def test_identity_policy() -> None:
    assert parse_identity_policy(text(**PULL, Sid="Pull1")).statements[0].resources == ("*",)


@pytest.mark.parametrize(
    "members",
    [
        {**PULL, "Principal": "*"},
        {**PULL, "NotPrincipal": {"AWS": "111122223333"}},
        {"Effect": "Allow", "Action": "ecr:BatchGetImage"},
        {**PULL, "Id": "pull"},
        {**PULL, "Sid": "allow pull"},
    ],
)
def test_what_no_identity_policy_may_hold(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        parse_identity_policy(text(**members))


def test_session_policy() -> None:
    whole = {**PULL, "Resource": "arn:aws:ecr:*:*:*"}
    assert parse_session_policy(text(**whole)).statements
    with pytest.raises(InvalidPolicy, match="whole ARN"):
        parse_session_policy(text(**{**PULL, "Resource": "arn:aws:ecr"}))
    with pytest.raises(InvalidPolicy, match="2048"):
        parse_session_policy(text(**PULL) + " " * 2_048)


def test_trust_policy() -> None:
    assert parse_trust_policy(text(**TRUST)).statements[0].actions == ("sts:AssumeRole",)
    assert parse_trust_policy(text(**{**TRUST, "Action": ["sts:AssumeRole", "sts:Tag*"]}))


@pytest.mark.parametrize(
    "members",
    [
        {**TRUST, "Resource": "*"},
        {**TRUST, "Action": "*"},
        {**TRUST, "Action": "ecr:BatchGetImage"},
        {**TRUST, "Principal": {"AWS": "arn:aws:iam::111122223333:user/*"}},
        {"Effect": "Allow", "Action": "sts:AssumeRole"},
        {**TRUST, "Sid": "a b"},
    ],
)
def test_what_no_trust_policy_may_hold(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        parse_trust_policy(text(**members))
