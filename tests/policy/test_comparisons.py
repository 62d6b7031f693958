"""Comparisons where the documents leave room, and values that do not have an operator's form."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.policy.comparisons import (
    address_within,
    binaries_equal,
    booleans_equal,
    dates_compare,
    numbers_compare,
    seconds_of,
)
from ecr_emulator.policy.conditions import condition_holds
from ecr_emulator.policy.context import RequestContext
from ecr_emulator.policy.documents import OPERATORS, Condition

VERSION = "2012-10-17"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970", "0"),
        ("1970-01", "0"),
        ("1970-01-02", "86400"),
        ("1970-01-01T00:01Z", "60"),
        ("1970-01-01T00:00:01Z", "1"),
        ("1970-01-01t00:00:01z", "1"),
        ("1970-01-01T00:00:01.25Z", "1.25"),
        ("1970-01-01T00:00:01", "1"),
        ("1970-01-01T02:00:00+02:00", "0"),
        ("1969-12-31T22:00:00-0200", "0"),
        ("1969-12-31T23:59:59Z", "-1"),
        ("1577836801", "1577836801"),
        ("1577836801.5", "1577836801.5"),
    ],
)
def test_dates(text: str, seconds: str) -> None:
    assert str(seconds_of(text)) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "now", "197", "1970-13", "1970-02-30", "1970-01-01T24:00Z", "0000", "1970-01-01 00:00"],
)
def test_what_is_no_date(text: str) -> None:
    assert seconds_of(text) is None
    assert not dates_compare("Equals", text, text)


@pytest.mark.parametrize(
    ("given_address", "wanted", "within"),
    [
        ("::ffff:203.0.113.7", "203.0.113.0/24", True),
        ("fe80::1%eth0", "fe80::/10", True),
        ("203.0.113.7", "203.0.113.7/24", True),
        ("203.0.113.7", "203.0.113.0/255.255.255.0", False),
        ("203.0.113.7", "203.0.113.0/33", False),
        ("203.0.113.7", "203.0.113.0/", False),
        ("203.0.113.7", "0.0.0.0/0", True),
        ("2001:db8::1", "0.0.0.0/0", False),
        ("2001:db8::1", "::/0", True),
        ("nobody", "0.0.0.0/0", False),
    ],
)
def test_addresses(given_address: str, wanted: str, within: bool) -> None:
    assert address_within(given_address, wanted) is within


def test_forms_that_compare_equal_to_nothing() -> None:
    assert not numbers_compare("Equals", "NaN", "NaN")
    assert not numbers_compare("Equals", "1e9999", "1e9999")
    assert numbers_compare("Equals", "1e2", "100")
    assert not booleans_equal("yes", "yes")
    assert not binaries_equal("not base64!", "not base64!")
    assert binaries_equal("", "")


def holds(operator: str, values: tuple[str, ...], given_values: list[str]) -> bool:
    condition = Condition(operator=operator, key="a:b", values=values)
    return condition_holds(condition, RequestContext({"a:b": given_values}), version=VERSION)


def test_a_multivalued_key_without_a_set_operator() -> None:
    assert holds("StringEquals", ("a",), ["a", "b"])
    assert not holds("StringNotEquals", ("a",), ["a", "b"])
    assert holds("StringNotEquals", ("a",), ["b", "c"])


def test_an_asterisk_alone_is_any_arn() -> None:
    assert holds("ArnLike", ("*",), ["arn:aws:iam::111122223333:user/alice"])
    assert not holds("ArnNotLike", ("*",), ["arn:aws:iam::111122223333:user/alice"])


def test_no_values_match_nothing() -> None:
    assert not holds("StringEquals", (), ["a"])
    assert holds("StringNotEquals", (), ["a"])


texts = st.text(max_size=30) | st.sampled_from(["9" * 100, "1e999", "/32", "::", "2020-01-01T"])


@settings(deadline=None)
@given(
    st.sampled_from([name for name in OPERATORS.values() if "Not" in name]),
    st.lists(texts, max_size=3).map(tuple),
    texts,
)
def test_a_negated_operator_is_the_opposite(
    operator: str, wanted: tuple[str, ...], given_value: str
) -> None:
    positive = operator.replace("Not", "", 1)
    assert holds(operator, wanted, [given_value]) is not holds(positive, wanted, [given_value])


@settings(deadline=None)
@given(st.sampled_from(list(OPERATORS.values())), texts, texts)
def test_every_operator_has_an_answer_for_every_text(
    operator: str, wanted: str, given_value: str
) -> None:
    assert holds(operator, (wanted,), [given_value]) in (True, False)
