"""Answers written as JSON, and read back by the reader that boto3 has."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.aws.errors import CONTENT_TYPE, AwsError, render_error
from ecr_emulator.aws.model import load_service
from ecr_emulator.aws.serialization import compile_serializer

from .strategies import described, full, operation_names, shape_name, values

SHAPES = {
    "Output": {
        "type": "structure",
        "members": {
            "text": {"shape": "Text"},
            "count": {"shape": "Count"},
            "flag": {"shape": "Flag"},
            "ratio": {"shape": "Ratio"},
            "data": {"shape": "Data"},
            "at": {"shape": "At"},
            "texts": {"shape": "Texts"},
            "inner": {"shape": "Output2"},
            "labels": {"shape": "Labels"},
        },
    },
    "Output2": {"type": "structure", "members": {"text": {"shape": "Text"}}},
    "Text": {"type": "string"},
    "Count": {"type": "long"},
    "Flag": {"type": "boolean"},
    "Ratio": {"type": "double"},
    "Data": {"type": "blob"},
    "At": {"type": "timestamp"},
    "Texts": {"type": "list", "member": {"shape": "Text"}},
    "Labels": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
}
NOON = datetime(2019, 7, 15, 20, 47, 36, tzinfo=timezone.utc)
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
HOUR_EAST = timezone(timedelta(hours=1))


@pytest.fixture(scope="module")
def serialize() -> Callable[[dict[str, Any]], bytes]:
    return compile_serializer(SHAPES, "Output")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ({}, "{}"),
        ({"text": "a", "count": None, "texts": None}, '{"text":"a"}'),
        ({"count": 2**63 - 1, "flag": False}, '{"count":9223372036854775807,"flag":false}'),
        ({"text": 'é"\n\U0001f600'}, '{"text":"é\\"\\n\U0001f600"}'),
        ({"ratio": 1}, '{"ratio":1.0}'),
        ({"data": b"\xff\xef"}, '{"data":"/+8="}'),
        ({"data": memoryview(b"")}, '{"data":""}'),
        ({"at": NOON}, '{"at":1563223656.0}'),
        ({"at": NOON.replace(microsecond=123999)}, '{"at":1563223656.123}'),
        ({"at": NOON.replace(microsecond=100000)}, '{"at":1563223656.1}'),
        ({"at": NOON.astimezone(HOUR_EAST)}, '{"at":1563223656.0}'),
        ({"at": NOON.replace(microsecond=20999)}, '{"at":1563223656.02}'),
        ({"at": EPOCH}, '{"at":0.0}'),
        ({"at": EPOCH - timedelta(microseconds=1_999_001)}, '{"at":-2.0}'),
        ({"at": EPOCH - timedelta(milliseconds=1500)}, '{"at":-1.5}'),
        ({"texts": []}, '{"texts":[]}'),
        ({"texts": ("a", "b")}, '{"texts":["a","b"]}'),
        ({"inner": {"text": None}}, '{"inner":{}}'),
        ({"labels": {"a": "b", "c": None}}, '{"labels":{"a":"b"}}'),
    ],
)
def test_an_answer_is_written_as_aws_does(
    serialize: Callable[[dict[str, Any]], bytes], answer: dict[str, Any], body: str
) -> None:
    assert serialize(answer) == body.encode()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"other": 1}, "Output has no member 'other'"),
        ({"inner": {"other": "a"}}, "Output2 has no member 'other'"),
        ({"inner": "a"}, "a value of str where the model has Output2"),
        ({"text": 1}, "a value of int where the model has a string"),
        ({"text": b"a"}, "a value of bytes where the model has a string"),
        ({"count": True}, "a value of bool where the model has an integer"),
        ({"count": 1.0}, "a value of float where the model has an integer"),
        ({"flag": 1}, "a value of int where the model has a boolean"),
        ({"ratio": "1"}, "a value of str where the model has a number"),
        ({"data": "a"}, "a value of str where the model has bytes"),
        ({"at": 1563223656}, "a value of int where the model has an aware datetime"),
        ({"at": NOON.replace(tzinfo=None)}, "a value of datetime where"),
        ({"texts": "a"}, "a value of str where the model has Texts"),
        ({"texts": ["a", None]}, "a value of NoneType where the model has a string"),
        ({"labels": ["a"]}, "a value of list where the model has Labels"),
        ({"labels": {1: "a"}}, "a value of int where the model has a string"),
    ],
)
def test_what_the_model_does_not_have_is_a_mistake(
    serialize: Callable[[dict[str, Any]], bytes], answer: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        serialize(answer)


def test_what_json_does_not_have_is_a_mistake(
    serialize: Callable[[dict[str, Any]], bytes],
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        serialize({"ratio": float("nan")})


def test_a_shape_within_itself_is_refused() -> None:
    shapes = {"A": {"type": "list", "member": {"shape": "A"}}}
    with pytest.raises(ValueError, match="contains itself"):
        compile_serializer(shapes, "A")


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown type: character"):
        compile_serializer({"A": {"type": "character"}}, "A")


def as_boto3_reads(service: str, operation: str, status: int, body: bytes) -> dict[str, Any]:
    """Return what boto3's client would return or raise for an answer."""
    model = ServiceModel(described(service), service).operation_model(operation)
    response = {"status_code": status, "headers": {"content-type": CONTENT_TYPE}, "body": body}
    return create_parser("json").parse(response, model.output_shape)


def read_back(service: str, operation: str, answer: dict[str, Any]) -> dict[str, Any]:
    body = load_service(service).operations[operation].serialize(answer)
    read = as_boto3_reads(service, operation, 200, body)
    del read["ResponseMetadata"]
    return read


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_boto3_reads_a_full_answer_of_every_operation(service: str, operation: str) -> None:
    answer = full(service, shape_name(service, operation, "output"))
    assert read_back(service, operation, answer) == answer


@settings(deadline=None)
@given(st.data())
def test_boto3_reads_what_was_put_in(data: st.DataObject) -> None:
    service, operation = data.draw(st.sampled_from(operation_names()))
    answer = data.draw(values(service, shape_name(service, operation, "output")))
    assert read_back(service, operation, answer) == answer


def test_boto3_reads_an_error_and_its_further_members() -> None:
    error = AwsError(
        "InvalidLayerPartException",
        'Part "1" is off',
        fields={"registryId": "123456789012", "lastValidByteReceived": 9, "uploadId": None},
    )
    status, body, headers = render_error(error)
    assert status == 400
    assert headers == {"Content-Type": "application/x-amz-json-1.1"}
    assert json.loads(body) == {
        "__type": "InvalidLayerPartException",
        "message": 'Part "1" is off',
        "registryId": "123456789012",
        "lastValidByteReceived": 9,
    }
    read = as_boto3_reads("ecr", "UploadLayerPart", status, body)["Error"]
    assert read == {"Code": "InvalidLayerPartException", "Message": 'Part "1" is off'}
