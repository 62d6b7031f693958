"""Policies made to be slow or big: refused, or decided in bounded time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.documents import (
    MAX_STATEMENTS,
    MAX_VALUES,
    InvalidPolicy,
    parse_policy,
)
from ecr_emulator.policy.evaluation import evaluate
from ecr_emulator.policy.policy_sets import NamedPolicy, PolicySet
from ecr_emulator.policy.requesters import requester_from_arn
from ecr_emulator.policy.statements import AccessRequest

from .cases import ALICE, PULL

REPOSITORY = "arn:aws:ecr:us-east-1:111122223333:repository/" + "a" * 256
TAGS = [f"{number:03}" + "a" * 125 for number in range(50)]
CONTEXT = RequestContext({"aws:TagKeys": TAGS, "aws:UserAgent": "a" * 8_000, "aws:b": "1" * 200})


def policy(**members: Any) -> str:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr:*", **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.mark.parametrize(
    "text",
    [
        policy(Resource="arn:aws:ecr:*:*:" + "*a" * 4_900 + "b"),
        policy(Resource="arn:aws:ecr:*:*:" + "*a?" * 3_200 + "b"),
        policy(Resource=["arn:*a*a*a*b"] * 600),
        policy(Action=["ecr:*a*?*b*"] * 600),
        policy(Condition={"StringLike": {"aws:UserAgent": "*a?" * 3_200 + "b"}}),
        policy(Condition={"ForAnyValue:StringLike": {"aws:TagKeys": ["*a?*b"] * 1_000}}),
        policy(
            Effect="Deny",
            Condition={"ForAllValues:StringNotLike": {"aws:TagKeys": ["*a*a*b"] * 800}},
        ),
        policy(Condition={"ForAnyValue:ArnLike": {"aws:TagKeys": ["*:*:*:*:*:*b"] * 600}}),
        policy(Condition={"NumericLessThan": {"aws:b": ["9" * 200] * 45}}),
        policy(Condition={"DateEquals": {"aws:b": ["9" * 200] * 45}}),
        policy(Condition={"IpAddress": {"aws:b": ["9" * 200] * 45}}),
        policy(Condition={"StringLike": {"aws:UserAgent": ["${aws:UserAgent}*b"] * 500}}),
        policy(Resource=["arn:aws:ecr:*:*:${aws:UserAgent}"] * 250),
    ],
    ids=lambda text: text[75:120],
)
def test_a_hostile_repository_policy_is_decided_in_bounded_time(text: str) -> None:
    assert len(text) < 12_000
    request = AccessRequest(requester_from_arn(ALICE), PULL, REPOSITORY, CONTEXT)
    repository = NamedPolicy("app", parse_policy(text))
    start = time.perf_counter()
    assert not evaluate(request, PolicySet(repository=repository)).allowed
    assert time.perf_counter() - start < 3


def test_counts_are_limited() -> None:
    statement = {"Effect": "Allow", "Action": "*"}
    many = [statement] * (MAX_STATEMENTS + 1)
    with pytest.raises(InvalidPolicy, match="statements"):
        parse_policy(json.dumps({"Statement": many}))
    assert len(parse_policy(json.dumps({"Statement": many[1:]})).statements) == MAX_STATEMENTS
    with pytest.raises(InvalidPolicy, match="values"):
        parse_policy(policy(Action=["*"] * (MAX_VALUES + 1)))
