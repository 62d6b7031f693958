"""Wildcards: equal to a plain reference, and quick on patterns made to be slow."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.matching import (
    Wildcard,
    action_matches,
    arn_matches,
    glob,
    glob_matches,
    resource_matches,
    split_arn,
    wildcard_match,
)
from ecr_emulator.policy.variables import expand_glob, expand_resource, expand_text

VERSION = "2012-10-17"


def reference(pattern: str, value: str) -> bool:
    """The definition itself, in exponential time."""
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(reference(pattern[1:], value[skip:]) for skip in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and reference(pattern[1:], value[1:])


@settings(deadline=None)
@given(st.text("ab*?", max_size=8), st.text("ab*?", max_size=8))
@example("*a?b*", "aab")
@example("a*a", "a")
@example("**", "")
@example("?*", "")
@example("*?a?*", "ab")
def test_the_matcher_equals_the_definition(pattern: str, value: str) -> None:
    assert wildcard_match(pattern, value) is reference(pattern, value)


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "ab", "?", "*", "?a?"]), max_size=8),
    st.text("ab", max_size=12),
)
def test_and_regular_expressions_agree(pieces: list[str], value: str) -> None:
    pattern = "".join(pieces)
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert wildcard_match(pattern, value) is bool(re.fullmatch(expression, value, re.DOTALL))


@settings(deadline=None)
@given(st.text(max_size=20))
def test_a_literal_matches_itself_alone(text: str) -> None:
    literal = (text,) if text else ()
    assert glob_matches(literal, text)
    assert not glob_matches(literal, text + "x")


@pytest.mark.parametrize(
    ("pattern", "value"),
    [
        ("*a" * 5_000 + "b", "a" * 10_000),
        ("*" * 10_000 + "b", "a" * 10_000),
        ("*?" * 3_000 + "b", "a" * 10_000),
        ("*" + "a?" * 2_500 + "b*", "a" * 10_000),
        ("*" + "?" * 4_000 + "b" + "?" * 4_000 + "*", "a" * 10_000),
        ("*" + "a" * 5_000 + "b*", "a" * 10_000),
        ("*".join(["a?"] * 3_000) + "*c*", "ab" * 5_000),
    ],
)
def test_patterns_made_to_be_slow(pattern: str, value: str) -> None:
    start = time.perf_counter()
    assert not wildcard_match(pattern, value)
    assert time.perf_counter() - start < 1


def test_variables_made_to_be_slow() -> None:
    context = RequestContext({"a:b": "c"})
    for text in ("${" * 50_000, "${a:b" * 20_000, "${a, 'b" * 15_000, "${" + "a" * 100_000):
        start = time.perf_counter()
        expand_text(text, context, version=VERSION)
        expand_glob(text, context, version=VERSION)
        assert time.perf_counter() - start < 1


def test_actions_know_no_case() -> None:
    assert action_matches("ECR:get*", "ecr:GetRepositoryPolicy")
    assert not action_matches("ecr:get*", "ecr-public:GetRepositoryPolicy")


def test_arns_are_split_at_their_first_five_colons() -> None:
    assert split_arn(glob("arn:aws:sns:us-east-1:1:topic:sub*")) == (
        ("arn",),
        ("aws",),
        ("sns",),
        ("us-east-1",),
        ("1",),
        ("topic:sub", Wildcard.ANY),
    )
    assert split_arn(glob("arn:aws:s3:::b"))[3:] == ((), (), ("b",))
    assert split_arn(glob("*")) == ((Wildcard.ANY,),)


def test_arn_patterns_stay_within_their_components() -> None:
    assert arn_matches(glob("arn:aws:sns:*:1:a:*"), "arn:aws:sns:x:1:a:b:c")
    assert not arn_matches(glob("arn:aws:sns:*:a"), "arn:aws:sns:x:1:a")
    assert not arn_matches(glob("*"), "arn:aws:sns:x:1:a")
    assert not arn_matches(glob("arn:*:*:*:*:*"), "not an arn")


def test_resources() -> None:
    arn = "arn:aws:ecr:us-east-1:1:repository/a"
    assert resource_matches(glob("**"), arn)
    assert resource_matches(glob("*"), "*")
    assert not resource_matches(glob("arn:aws:ecr"), arn)
    assert resource_matches(glob("arn:aws:ecr"), arn, complete=True)
    assert not resource_matches(glob(""), "")


def test_variables_fill_in_literal_text() -> None:
    context = RequestContext({"aws:username": "a*b", "aws:TagKeys": ["x"], "aws:empty": ""})
    assert expand_glob("u-${aws:username}-*", context, version=VERSION) == (
        "u-",
        "a*b",
        "-",
        Wildcard.ANY,
    )
    assert expand_glob("${aws:empty}x", context, version=VERSION) == ("x",)
    assert expand_text("${AWS:UserName}${*}${?}${$}", context, version=VERSION) == "a*b*?$"
    assert expand_text("${aws:none, 'x y'}", context, version=VERSION) == "x y"
    assert expand_text("${aws:none,'x'}", context, version=VERSION) == "x"
    assert expand_text("${aws:none, ''}", context, version=VERSION) == ""
    assert expand_text("${aws:none}", context, version=VERSION) is None
    assert expand_text("${aws:TagKeys}", context, version=VERSION) is None
    assert expand_text("${aws:username", context, version=VERSION) == "${aws:username"
    assert expand_text("${aws:username}", context, version="2008-10-17") == "${aws:username}"
    assert expand_resource("arn:aws:s3:::${aws:username}", context, version=VERSION) == (
        "arn:aws:s3:::",
        "a*b",
    )
    assert expand_resource("arn:aws:${aws:username}", context, version=VERSION) == (
        "arn:aws:${aws:username}",
    )
    assert expand_resource("arn:aws:s3:::${aws:none}", context, version=VERSION) is None
