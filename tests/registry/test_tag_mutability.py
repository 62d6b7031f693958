"""Which tags stay with their image: the filters' wildcards, held against another matcher.

What ECR answers to a push then is tried in ``tests/aws/ecr/test_put_image.py``.
"""

from __future__ import annotations

import time
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.tag_mutability import TagMutability, tag_mutability

# Of what a filter and a tag may hold: what regular expressions read otherwise, and letters
# that are alike often enough.
PATTERN = st.text("ab.*", min_size=1, max_size=8).filter(lambda text: text.count("*") <= 2)
TAG = st.text("ab.", min_size=1, max_size=10)


@given(patterns=st.lists(PATTERN, min_size=1, max_size=5), tag=TAG)
def test_filters(patterns: list[str], tag: str) -> None:
    excluded = any(fnmatchcase(tag, pattern) for pattern in patterns)
    mutable = tag_mutability("MUTABLE_WITH_EXCLUSION", patterns)
    assert mutable.is_immutable(tag) == excluded
    immutable = tag_mutability("IMMUTABLE_WITH_EXCLUSION", patterns)
    assert immutable.is_immutable(tag) != excluded


@given(tag=TAG)
def test_plain_settings(tag: str) -> None:
    assert not TagMutability().is_immutable(tag)
    assert not tag_mutability(None, None).is_immutable(tag)
    assert not tag_mutability("MUTABLE", None).is_immutable(tag)
    assert tag_mutability("IMMUTABLE", None).is_immutable(tag)


def test_case_counts() -> None:
    assert tag_mutability("MUTABLE_WITH_EXCLUSION", ["Dev*"]).is_immutable("Dev1")
    assert not tag_mutability("MUTABLE_WITH_EXCLUSION", ["Dev*"]).is_immutable("dev1")


def test_the_slowest_filter_is_fast() -> None:
    setting = tag_mutability("MUTABLE_WITH_EXCLUSION", ["*" + "a" * 126 + "*"] * 5)
    started = time.monotonic()
    for _ in range(100):
        assert not setting.is_immutable("a" * 125 + "b" + "aa")
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("pattern", ["***", "a*b*c*", "*" * 128])
def test_too_many_wildcards(pattern: str) -> None:
    with pytest.raises(InvalidParameter, match="more than 2 wildcards"):
        tag_mutability("IMMUTABLE_WITH_EXCLUSION", ["fine", pattern])
