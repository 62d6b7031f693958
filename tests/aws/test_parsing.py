"""Bodies read as typed input, and the refusals of those that cannot be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.model import load_service
from ecr_emulator.aws.parsing import compile_parser

from .strategies import near_json, operation_names

SHAPES = {
    "Input": {
        "type": "structure",
        "members": {
            "text": {"shape": "Text"},
            "count": {"shape": "Count"},
            "size": {"shape": "Size"},
            "flag": {"shape": "Flag"},
            "ratio": {"shape": "Ratio"},
            "data": {"shape": "Data"},
            "at": {"shape": "At"},
            "texts": {"shape": "Texts"},
            "inner": {"shape": "Inner"},
            "labels": {"shape": "Labels"},
        },
    },
    "Inner": {"type": "structure", "members": {"text": {"shape": "Text"}}},
    "Text": {"type": "string"},
    "Count": {"type": "integer"},
    "Size": {"type": "long"},
    "Flag": {"type": "boolean"},
    "Ratio": {"type": "double"},
    "Data": {"type": "blob"},
    "At": {"type": "timestamp"},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
    "Labels": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
}
NO_TEXT = None
LIST = "Start of list found where not expected"
STRUCTURE = "Start of structure or map found where not expected."


@pytest.fixture(scope="module")
def parse() -> Callable[[bytes], dict[str, Any]]:
    return compile_parser(SHAPES, "Input")


def refusal(parse: Callable[[bytes], dict[str, Any]], body: bytes) -> str | None:
    with pytest.raises(AwsError) as caught:
        parse(body)
    error = caught.value
    assert (error.code, error.status, error.message_key) == (
        "SerializationException",
        400,
        "Message",
    )
    return error.message


def outcome(function: Callable[[Any], Any], argument: Any) -> Any:
    """Return what *function* returns, or the AwsError that it raises."""
    try:
        return function(argument)
    except AwsError as error:
        return error


@pytest.mark.parametrize(
    ("member", "literal", "value"),
    [
        ("text", '"a"', "a"),
        ("text", '""', ""),
        ("text", '"\\u00e9\\ud83d\\ude00 \u00e9"', "\u00e9\U0001f600 \u00e9"),
        ("count", "-7", -7),
        ("count", "1.0", 1),
        ("count", "1.9", 1),
        ("count", "-1.9", -1),
        ("count", "1e3", 1000),
        ("count", "99999999999", 2**31 - 1),
        ("count", "-99999999999", -(2**31)),
        ("count", "1e999", 2**31 - 1),
        ("count", "9" * 1000, 2**31 - 1),
        ("size", "99999999999", 99999999999),
        ("size", "9223372036854775808", 2**63 - 1),
        ("size", "-1e999", -(2**63)),
        ("flag", "true", True),
        ("flag", "false", False),
        ("flag", '"Yes"', True),
        ("flag", '"0"', False),
        ("ratio", "1", 1.0),
        ("ratio", "0.5", 0.5),
        ("data", '""', b""),
        ("data", '"AAEC"', b"\0\1\2"),
        ("data", '"/+8="', b"\xff\xef"),
        ("at", "1563223656.5", datetime(2019, 7, 15, 20, 47, 36, 500000, tzinfo=timezone.utc)),
        ("at", "0", datetime(1970, 1, 1, tzinfo=timezone.utc)),
        ("texts", "[]", []),
        ("texts", '["a", null, "b"]', ["a", "b"]),
        ("inner", "{}", {}),
        ("inner", '{"text": null, "other": [[{}]]}', {}),
        ("inner", '{"text": "a"}', {"text": "a"}),
        ("labels", '{"a": "b", "c": null}', {"a": "b"}),
    ],
)
def test_a_member_is_read_as_its_type(
    parse: Callable[[bytes], dict[str, Any]], member: str, literal: str, value: Any
) -> None:
    read = parse(f'{{"{member}": {literal}}}'.encode())
    assert read == {member: value}
    assert type(read[member]) is type(value)


@pytest.mark.parametrize("member", SHAPES["Input"]["members"])
def test_null_is_absence(parse: Callable[[bytes], dict[str, Any]], member: str) -> None:
    assert parse(f'{{"{member}": null}}'.encode()) == {}


def test_unknown_members_are_passed_over(parse: Callable[[bytes], dict[str, Any]]) -> None:
    assert parse(b' {"other": {"text": [1, null, {"a": 1.5}]}, "Text": 1, "text": "a"}\n') == {
        "text": "a"
    }


def test_texts_are_utf8(parse: Callable[[bytes], dict[str, Any]]) -> None:
    assert parse('{"text": "名前"}'.encode()) == {"text": "名前"}


@pytest.mark.parametrize(
    ("member", "literal", "text"),
    [
        ("count", '"1"', "STRING_VALUE can not be converted to an Integer"),
        ("count", "true", "TRUE_VALUE can not be converted to an Integer"),
        ("count", "false", "FALSE_VALUE can not be converted to an Integer"),
        ("count", "[1]", LIST),
        ("count", "{}", STRUCTURE),
        ("size", '"1"', "STRING_VALUE can not be converted to a Long"),
        ("size", "true", "TRUE_VALUE can not be converted to a Long"),
        ("text", "1", "NUMBER_VALUE can not be converted to a String"),
        ("text", "1.5", "NUMBER_VALUE can not be converted to a String"),
        ("text", "true", "TRUE_VALUE can not be converted to a String"),
        ("text", "false", "FALSE_VALUE can not be converted to a String"),
        ("text", '["a"]', LIST),
        ("text", '{"a": 1}', STRUCTURE),
        ("flag", "1", "NUMBER_VALUE can not be converted to a Boolean"),
        ("flag", '"maybe"', "STRING_VALUE can not be converted to an Boolean"),
        ("flag", "[]", LIST),
        ("ratio", '"1"', "STRING_VALUE can not be converted to a Double"),
        ("ratio", "true", "TRUE_VALUE can not be converted to a Double"),
        ("at", '"2019-07-15T20:47:36Z"', "STRING_VALUE can not be converted to a Timestamp"),
        ("at", "true", "TRUE_VALUE can not be converted to a Timestamp"),
        ("at", "1e30", NO_TEXT),
        ("at", "1e999", NO_TEXT),
        ("texts", '"a"', "Expected list or null"),
        ("texts", "true", "Expected list or null"),
        ("texts", "{}", STRUCTURE),
        ("texts", '["a", 1]', "NUMBER_VALUE can not be converted to a String"),
        ("texts", '[["a"]]', LIST),
        ("inner", '"a"', "Expected null"),
        ("inner", "1", "Expected null"),
        ("inner", "[]", LIST),
        ("inner", '{"text": 1}', "NUMBER_VALUE can not be converted to a String"),
        ("labels", '"a"', "Expected map or null"),
        ("labels", "[]", LIST),
        ("labels", '{"a": 1}', "NUMBER_VALUE can not be converted to a String"),
        ("data", "1", "NUMBER_VALUE can not be converted to a Blob"),
        ("data", "true", "TRUE_VALUE can not be converted to a Blob"),
        ("data", "[]", LIST),
        (
            "data",
            '"23456"',
            "'23456' can not be converted to a Blob: "
            "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        ),
        ("data", '"=+/="', "'=+/=' can not be converted to a Blob: Invalid Base64 character: '='"),
        (
            "data",
            '"+/+="',
            "'+/+=' can not be converted to a Blob: "
            "Invalid last non-pad Base64 character dectected",
        ),
        (
            "data",
            '"AB=="',
            "'AB==' can not be converted to a Blob: "
            "Invalid last non-pad Base64 character dectected",
        ),
        ("data", '"===="', "'====' can not be converted to a Blob: Invalid Base64 character: '='"),
        ("data", '"A-_A"', "'A-_A' can not be converted to a Blob: Invalid Base64 character: '-'"),
        ("data", '"AA\u00e9A"', "'AA\u00e9A' can not be converted to a Blob: "
         "Invalid Base64 character: '\u00e9'"),
        ("data", '"AA A"', "'AA A' can not be converted to a Blob: Invalid Base64 character: ' '"),
        ("text", '"\\ud800"', NO_TEXT),
        ("texts", '["\\udc00x"]', NO_TEXT),
        ("labels", '{"\\ud800": "a"}', NO_TEXT),
        ("text", '"a\\u0000"', NO_TEXT),
        ("texts", '["a", "\\u0000"]', NO_TEXT),
    ],
)  # fmt: skip
def test_another_type_is_refused(
    parse: Callable[[bytes], dict[str, Any]], member: str, literal: str, text: str | None
) -> None:
    assert refusal(parse, f'{{"{member}": {literal}}}'.encode()) == text


def test_a_large_blob_is_not_echoed_whole(parse: Callable[[bytes], dict[str, Any]]) -> None:
    text = refusal(parse, b'{"data": "' + b"A" * 1001 + b'"}')
    assert text is not None
    assert text.startswith("'" + "A" * 100 + "...' can not be converted to a Blob: ")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", NO_TEXT),
        (b" ", NO_TEXT),
        (b"{", NO_TEXT),
        (b"null", NO_TEXT),
        (b'"text"', NO_TEXT),
        (b"1", NO_TEXT),
        (b"true", NO_TEXT),
        (b"[]", LIST),
        (b'[{"text": "a"}]', LIST),
        (b'{"text": "a",}', NO_TEXT),
        (b'{"text": "a"} {}', NO_TEXT),
        (b"{'text': 'a'}", NO_TEXT),
        (b'{"text": "a\nb"}', NO_TEXT),
        (b'{"count": NaN}', NO_TEXT),
        (b'{"other": Infinity}', NO_TEXT),
        (b'{"other": -Infinity}', NO_TEXT),
        (b'{"count": 01}', NO_TEXT),
        (b'{"count": ' + b"9" * 1001 + b"}", NO_TEXT),
        (b'{"ratio": 0.' + b"9" * 1001 + b"}", NO_TEXT),
        (b'{"text": "\xff"}', NO_TEXT),
        (b'{"text": "\xed\xa0\x80"}', NO_TEXT),
        (b'\xef\xbb\xbf{"text": "a"}', NO_TEXT),
        ('{"text": "a"}'.encode("utf-16"), NO_TEXT),
        ('{"text": "a"}'.encode("utf-32"), NO_TEXT),
        (b'{"text": "a", "text": "b"}', NO_TEXT),
        (b'{"text": "a", "te\\u0078t": "b"}', NO_TEXT),
        (b'{"other": {"x": 1, "x": 1}}', NO_TEXT),
    ],
)
def test_what_is_not_an_object_in_json_is_refused(
    parse: Callable[[bytes], dict[str, Any]], body: bytes, text: str | None
) -> None:
    assert refusal(parse, body) == text


def nested(depth: int) -> bytes:
    """Return an object with lists in it, *depth* deep in all."""
    return b'{"other": ' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_depth_is_bounded(parse: Callable[[bytes], dict[str, Any]]) -> None:
    assert parse(nested(64)) == {}
    for body in (nested(65), nested(100_000), b"[" * 1_000_000, b'{"other":' * 200_000):
        assert refusal(parse, body) is NO_TEXT


def test_brackets_within_texts_are_not_depth(parse: Callable[[bytes], dict[str, Any]]) -> None:
    manifest = json.dumps({"layers": ["[" * 10, '\\"[{', "\\"] * 200})
    assert parse(json.dumps({"text": manifest}).encode()) == {"text": manifest}
    # ... and what stands after such a text still is.
    body = b'{"text": ' + json.dumps(manifest).encode() + b', "other": ' + b"[" * 64 + b"]" * 64
    assert refusal(parse, body + b"}") is NO_TEXT


def test_the_number_of_values_is_bounded(parse: Callable[[bytes], dict[str, Any]]) -> None:
    assert len(parse(b'{"texts": [' + b'"",' * 90_000 + b'""]}')["texts"]) == 90_001
    for values_ in (b"0," * 200_000, b"[]," * 200_000, b'"",' * 2_000_000):
        assert refusal(parse, b'{"texts": [' + values_ + b"0]}") is NO_TEXT
    # Commas within a text are not values.
    assert parse(b'{"text": "' + b"," * 200_000 + b'"}') == {"text": "," * 200_000}


@given(st.binary(max_size=300))
def test_every_blob_comes_through(data: bytes) -> None:
    parse = compile_parser(SHAPES, "Input")
    body = json.dumps({"data": base64.b64encode(data).decode()}).encode()
    assert parse(body) == {"data": data}


@given(st.text("AQgwB8/+=", max_size=9))
def test_base64_is_read_only_in_the_one_form_that_says_the_same_bytes(encoded: str) -> None:
    parse = compile_parser(SHAPES, "Input")
    read = outcome(parse, json.dumps({"data": encoded}).encode())
    if isinstance(read, AwsError):
        assert str(read.message).startswith(f"'{encoded}' can not be converted to a Blob: ")
        assert base64.b64encode(_decoded(encoded)).decode() != encoded
    else:
        assert base64.b64encode(read["data"]).decode() == encoded


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded)
    except ValueError:
        return b"not it at all"


def test_a_shape_within_itself_is_refused() -> None:
    shapes = {"A": {"type": "structure", "members": {"a": {"shape": "A"}}}}
    with pytest.raises(ValueError, match="contains itself"):
        compile_parser(shapes, "A")


def test_an_unknown_type_is_refused() -> None:
    shapes = {
        "A": {"type": "structure", "members": {"a": {"shape": "B"}}},
        "B": {"type": "character"},
    }
    with pytest.raises(ValueError, match="unknown type: character"):
        compile_parser(shapes, "A")


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_any_body_at_all_is_read_or_refused(data: st.DataObject) -> None:
    service, name = data.draw(st.sampled_from(operation_names()))
    document = data.draw(near_json(service) | st.binary(max_size=60))
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    operation = load_service(service).operations[name]
    read = outcome(operation.parse, body)
    if isinstance(read, AwsError):
        assert (read.code, read.status) == ("SerializationException", 400)
        return
    refused = outcome(operation.validate, read)
    if isinstance(refused, AwsError):
        assert operation.errors[refused.code] == refused.status == 400
        assert refused.message
