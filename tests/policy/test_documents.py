"""The grammar of the policy language (IAM User Guide, reference_policies_grammar)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.policy.documents import (
    Condition,
    InvalidPolicy,
    Principals,
    parse_policy,
)


def policy(**statement: Any) -> str:
    """A policy of one statement; what is given replaces or adds members, None removes one."""
    members: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "ecr:BatchGetImage",
        **statement,
    }
    kept = {name: value for name, value in members.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def outcome(text: str) -> str:
    """What becomes of *text*: "parsed", or the reason it is refused."""
    try:
        parse_policy(text)
    except InvalidPolicy as error:
        return error.reason
    return "parsed"


def test_a_whole_document_is_read() -> None:
    document = parse_policy(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Id": "pull",
                "Statement": {
                    "Sid": "allow public pull",
                    "Effect": "Deny",
                    "NotPrincipal": {
                        "AWS": ["123456789012", "arn:aws:iam::123456789012:root"],
                        "Service": "lambda.amazonaws.com",
                    },
                    "NotAction": ["ecr:Get*", "ecr:PutImage"],
                    "NotResource": "arn:aws:ecr:us-east-1:123456789012:repository/a",
                    "Condition": {
                        "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a*", "b"]},
                        "Bool": {"aws:SecureTransport": False},
                        "NumericLessThan": {"s3:max-keys": 10.50},
                    },
                },
            }
        ).replace("10.5", "10.50")
    )
    assert (document.version, document.id) == ("2012-10-17", "pull")
    (statement,) = document.statements
    assert statement.index == 0
    assert statement.sid == "allow public pull"
    assert statement.effect == "Deny"
    assert statement.principals is None
    assert statement.not_principals == Principals(
        aws=("123456789012", "arn:aws:iam::123456789012:root"), service=("lambda.amazonaws.com",)
    )
    assert statement.actions == ()
    assert statement.not_actions == ("ecr:Get*", "ecr:PutImage")
    assert statement.not_resources == ("arn:aws:ecr:us-east-1:123456789012:repository/a",)
    assert statement.conditions == (
        Condition("StringLike", "aws:TagKeys", ("a*", "b"), True, "ForAnyValue"),
        Condition("Bool", "aws:SecureTransport", ("false",)),
        Condition("NumericLessThan", "s3:max-keys", ("10.50",)),
    )
    assert statement.conditions[0].operator_name == "ForAnyValue:StringLikeIfExists"


def test_version_defaults_to_the_older_language() -> None:
    text = '{"Statement": {"Effect": "Allow", "Action": "*"}}'
    assert parse_policy(text).version == "2008-10-17"


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["123456789012", "*"]}])
def test_everyone_is_written_in_several_ways(principal: object) -> None:
    principals = parse_policy(policy(Principal=principal)).statements[0].principals
    assert principals is not None
    assert principals.everyone


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ("null", "not a JSON object"),
        ('"{}"', "not a JSON object"),
        ("{}", "no Statement"),
        ('{"Statement": []}', "empty"),
        ('{"Statement": [[]]}', "not an object"),
        ('{"Statement": null}', "not an object"),
        ('{"Version": "2012-10-18", "Statement": []}', "Version"),
        ('{"Version": 20121017, "Statement": []}', "Version"),
        ('{"Id": 5, "Statement": []}', "Id"),
        ('{"statement": []}', "unknown element"),
        ('{"Statement": [], "Statement": []}', "given twice"),
        ('{"Statement": NaN}', "not JSON"),
        ("[" * 100_000, "deeper"),
        ('{"a":' * 20_000, "deeper"),
        ('{"Statement": "' + "a" * 200_000 + '"}', "longer"),
        ('{"Id": "\\ud800", "Statement": []}', "Unicode"),
        ('{"Id": "\ud800", "Statement": []}', "Unicode"),
        (policy(Effect="allow"), "Effect"),
        (policy(Effect=None), "Effect"),
        (policy(Effect=["Allow"]), "Effect"),
        (policy(Action=None), "neither Action nor NotAction"),
        (policy(Action=[]), "empty"),
        (policy(Action=""), "must hold strings"),
        (policy(Action=["ecr:GetImage", 5]), "must hold strings"),
        (policy(Action="BatchGetImage"), "not an action"),
        (policy(Action="ecr:Batch Get"), "not an action"),
        (policy(Action="ecr:"), "not an action"),
        (policy(NotAction="ecr:*"), "both Action and NotAction"),
        (policy(NotPrincipal="*"), "both Principal and NotPrincipal"),
        (policy(Resource="*", NotResource="*"), "both Resource and NotResource"),
        (policy(Principal="123456789012"), "Principal"),
        (policy(Principal={}), "Principal"),
        (policy(Principal=["*"]), "Principal"),
        (policy(Principal={"aws": "*"}), "unknown element"),
        (policy(Principal={"AWS": []}), "empty"),
        (policy(Principal={"AWS": 123456789012}), "must hold strings"),
        (policy(Resource="repository/a"), "neither an ARN"),
        (policy(Resource=[]), "empty"),
        (policy(Sid=5), "Sid"),
        (policy(Sid="a\nb"), "Sid"),
        (policy(Conditions={}), "unknown element"),
        (policy(Condition=[]), "not an object"),
        (policy(Condition={"StringIs": {"aws:a": "b"}}), "not a condition operator"),
        (policy(Condition={"ForSomeValue:Bool": {"aws:a": "b"}}), "not a condition operator"),
        (policy(Condition={"NullIfExists": {"aws:a": "true"}}), "not a condition operator"),
        (policy(Condition={"Bool": {"SecureTransport": "true"}}), "not a condition key"),
        (policy(Condition={"Bool": "true"}), "not an object of keys"),
        (policy(Condition={"Bool": {"aws:SecureTransport": None}}), "must hold"),
        (policy(Condition={"Bool": {"aws:SecureTransport": [["true"]]}}), "must hold"),
        (policy(Condition={"Bool": {"aws:SecureTransport": {}}}), "must hold"),
    ],
)
def test_what_breaks_the_grammar_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidPolicy, match=reason):
        parse_policy(text)


def test_a_sid_is_unique_but_may_be_empty_more_than_once() -> None:
    def with_sids(*sids: str) -> str:
        return json.dumps(
            {"Statement": [{"Sid": sid, "Effect": "Allow", "Action": "*"} for sid in sids]}
        )

    assert len(parse_policy(with_sids("", "", "a")).statements) == 3
    with pytest.raises(InvalidPolicy, match="given twice"):
        parse_policy(with_sids("a", "b", "a"))


def test_numbers_of_any_length_cost_no_time() -> None:
    start = time.perf_counter()
    document = parse_policy(
        policy(Condition={"NumericEquals": {"aws:n": 0}}).replace(
            ": 0}", ": " + "9" * 100_000 + "}"
        )
    )
    assert len(document.statements[0].conditions[0].values[0]) == 100_000
    assert time.perf_counter() - start < 2


@settings(deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    assert outcome(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.sampled_from(
        ["Sid", "Effect", "Principal", "Action", "Resource", "Condition", "NotPrincipal"]
    ),
    json_values,
)
def test_any_value_in_any_element_is_parsed_or_refused(element: str, value: object) -> None:
    assert outcome(policy(**{element: value}))
