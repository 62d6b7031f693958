"""Lists of structures given as rows: written as the same structures are one by one, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.aws.row_writers import Member, Microseconds, Rows
from ecr_emulator.aws.serialization import compile_serializer

NAMES = ("text", "count", "flag", "at", "texts", "inner")
SHAPES = {
    "Output": {"type": "structure", "members": {"items": {"shape": "Items"}}},
    "Items": {"type": "list", "member": {"shape": "Item"}},
    "Item": {
        "type": "structure",
        "members": {
            "text": {"shape": "Text"},
            "count": {"shape": "Count"},
            "flag": {"shape": "Flag"},
            "at": {"shape": "At"},
            "texts": {"shape": "Texts"},
            "inner": {"shape": "Inner"},
            'a"{0}': {"shape": "Text"},
        },
    },
    "Inner": {"type": "structure", "members": {"text": {"shape": "Text"}}},
    "Text": {"type": "string"},
    "Count": {"type": "long"},
    "Flag": {"type": "boolean"},
    "At": {"type": "timestamp"},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
}
NOON = datetime(2019, 7, 15, 20, 47, 36, 120000, tzinfo=timezone.utc)

Serialize = Callable[[dict[str, Any]], bytes]


@pytest.fixture(scope="module")
def serialize() -> Serialize:
    return compile_serializer(SHAPES, "Output")


def written(
    serialize: Serialize, *rows: tuple[Any, ...], members: tuple[Member, ...] = NAMES
) -> str:
    return serialize({"items": Rows(members, rows)}).decode()


def test_rows_are_written_as_structures(serialize: Serialize) -> None:
    first = ("a", 1, True, NOON, ("x", 'y"'), {"text": "b"})
    second = ("a", 2, None, None, (), None)
    assert written(serialize, first, second) == (
        '{"items":[{"text":"a","count":1,"flag":true,"at":1563223656.12,"texts":["x","y\\""],'
        '"inner":{"text":"b"}},{"text":"a","count":2,"texts":[]}]}'
    )


def test_no_rows_and_rows_of_nothing(serialize: Serialize) -> None:
    assert written(serialize) == '{"items":[]}'
    assert written(serialize, (None,), (None,), members=("text",)) == '{"items":[{},{}]}'
    assert written(serialize, (None, 1), members=("text", "count")) == '{"items":[{"count":1}]}'


def test_the_order_is_that_of_the_rows_members(serialize: Serialize) -> None:
    assert written(serialize, (1, "a"), members=("count", "text")) == (
        '{"items":[{"count":1,"text":"a"}]}'
    )


def test_a_name_is_never_code(serialize: Serialize) -> None:
    assert json.loads(written(serialize, ('"+{1}',), members=('a"{0}',))) == {
        "items": [{'a"{0}': '"+{1}'}]
    }


_ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["", "a", "b", '"\n']),
        st.none() | st.integers(-5, 5),
        st.none() | st.booleans(),
        st.none() | st.datetimes(timezones=st.just(timezone.utc)),
        st.none() | st.lists(st.text(max_size=3), max_size=3).map(tuple),
        st.none() | st.fixed_dictionaries({"text": st.text(max_size=3)}),
    ),
    max_size=6,
)


@given(rows=_ROWS)
def test_rows_and_dicts_are_written_alike(rows: list[tuple[Any, ...]]) -> None:
    serialize = compile_serializer(SHAPES, "Output")
    dicts = [dict(zip(NAMES, row, strict=True)) for row in rows]
    assert serialize({"items": Rows(NAMES, rows)}) == serialize({"items": dicts})


@pytest.mark.parametrize(
    ("members", "row", "message"),
    [
        (("other",), ("a",), "Item has no member 'other'"),
        (("text",), (1,), "a value of int where the model has a string"),
        (("text",), (b"a",), "a value of bytes where the model has a string"),
        (("count",), (True,), "a value of bool where the model has an integer"),
        (("count",), ("1",), "a value of str where the model has an integer"),
        (("flag",), (1,), "a value of int where the model has a boolean"),
        (("at",), (1563223656,), "a value of int where the model has an aware datetime"),
        (("texts",), ("a",), "a value of str where the model has Texts"),
        (("texts",), ((1,),), "a value of int where the model has a string"),
        (("texts",), (("a", None),), "a value of NoneType where the model has a string"),
        (("inner",), ({"other": "a"},), "Inner has no member 'other'"),
    ],
)
def test_what_the_model_does_not_have_is_a_mistake(
    serialize: Serialize, members: tuple[str, ...], row: tuple[Any, ...], message: str
) -> None:
    good: tuple[Any, ...] = (None,) * len(members)
    with pytest.raises(TypeError, match=message):
        written(serialize, row, members=members)
    with pytest.raises(TypeError, match=message):
        written(serialize, good, row, members=members)


EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@given(st.datetimes(timezones=st.just(timezone.utc)))
def test_microseconds_are_written_as_their_datetime(moment: datetime) -> None:
    serialize = compile_serializer(SHAPES, "Output")
    since_epoch = (moment - EPOCH) // timedelta(microseconds=1)
    assert written(serialize, (since_epoch,), members=(Microseconds("at"),)) == (
        written(serialize, (moment,), members=("at",))
    )


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("at", NOON, "a value of datetime where the model has microseconds"),
        ("at", True, "a value of bool where the model has microseconds"),
        ("at", 1.5, "a value of float where the model has microseconds"),
        ("count", 1, "the member 'count' of Item is no time"),
        ("other", 1, "Item has no member 'other'"),
    ],
)
def test_microseconds_are_integers_of_times(
    serialize: Serialize, member: str, value: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        written(serialize, (value,), members=(Microseconds(member),))


@pytest.mark.parametrize("row", [("a",), ("a", 1, 2)])
def test_a_row_of_another_length_is_a_mistake(serialize: Serialize, row: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="values to unpack"):
        written(serialize, ("a", 1), row, members=("text", "count"))


def test_rows_where_the_model_has_no_list_of_structures_are_a_mistake() -> None:
    shapes = {**SHAPES, "Items": {"type": "list", "member": {"shape": "Text"}}}
    with pytest.raises(TypeError, match="a value of Rows where the model has Items"):
        written(compile_serializer(shapes, "Output"), ("a",), members=("text",))
