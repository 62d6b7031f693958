"""The Query protocol: parameters in, XML out."""

from __future__ import annotations

from datetime import datetime, timezone
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.auth.canonical import SignedRequest
from ecr_emulator.aws.query import (
    QueryError,
    find_operation,
    parse_parameters,
    read_input,
    render_error,
    render_result,
    service_model,
)

MODEL = service_model("sts")
VERSION = "2011-06-15"


def request(method: str = "POST", query: str = "", body: bytes = b"") -> SignedRequest:
    return SignedRequest(method, "/", query, {}, body)


def test_parameters_come_from_the_form_else_from_the_query_string() -> None:
    form = request(query="a=query", body=b"a=1&b=x+y%26%C3%A9&c=")
    assert parse_parameters(form) == {"a": "1", "b": "x y&é", "c": ""}
    assert parse_parameters(request(query="a=query")) == {"a": "query"}
    assert parse_parameters(request("GET", query="a=query", body=b"a=1")) == {"a": "query"}
    assert parse_parameters(request()) == {}


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert parse_parameters(request(body=b"a=\xff&b=%FF")) == {"a": "\ufffd", "b": "\ufffd"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"a=" + b"x" * 1024 * 1024, 413, "RequestEntityTooLarge"),
        (b"&" * 1001, 404, "MalformedQueryString"),
        (b"a=1&" * 200_000, 404, "MalformedQueryString"),
    ],
)
def test_too_much_is_refused(body: bytes, status: int, code: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_parameters(request(body=body))
    assert (caught.value.status, caught.value.code) == (status, code)


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ({}, "MissingAction", "The request is missing an action or a required parameter."),
        (
            {"Action": "", "Version": VERSION},
            "MissingAction",
            "The request is missing an action or a required parameter.",
        ),
        (
            {"Action": "Fly", "Version": VERSION},
            "InvalidAction",
            "Could not find operation Fly for version 2011-06-15",
        ),
        (
            {"Action": "GetCallerIdentity", "Version": "2010-01-01"},
            "InvalidAction",
            "Could not find operation GetCallerIdentity for version 2010-01-01",
        ),
        (
            {"Action": "GetCallerIdentity"},
            "InvalidAction",
            "Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED",
        ),
    ],
)
def test_operations_that_are_not(parameters: dict[str, str], code: str, message: str) -> None:
    with pytest.raises(QueryError) as caught:
        find_operation(MODEL, parameters)
    assert (caught.value.status, caught.value.code, caught.value.message) == (400, code, message)


def test_long_names_are_cut_in_the_answer() -> None:
    with pytest.raises(QueryError) as caught:
        find_operation(MODEL, {"Action": "x" * 100_000, "Version": "y" * 100_000})
    assert len(caught.value.message) < 3000


def complaint(operation: str, parameters: dict[str, str]) -> tuple[int, str, str]:
    with pytest.raises(QueryError) as caught:
        read_input(MODEL.operation_model(operation), parameters)
    return caught.value.status, caught.value.code, caught.value.message


def test_input_is_converted_and_unknown_parameters_are_left_out() -> None:
    operation = MODEL.operation_model("GetSessionToken")
    parameters = {"DurationSeconds": "900", "TokenCode": "123456", "Other": "x"}
    assert read_input(operation, parameters) == {"DurationSeconds": 900, "TokenCode": "123456"}


@pytest.mark.parametrize(
    ("seconds", "rule"),
    [
        ("899", "Member must have value greater than or equal to 900"),
        ("-1", "Member must have value greater than or equal to 900"),
        ("129601", "Member must have value less than or equal to 129600"),
    ],
)
def test_numbers_out_of_range(seconds: str, rule: str) -> None:
    assert complaint("GetSessionToken", {"DurationSeconds": seconds}) == (
        400,
        "ValidationError",
        f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy "
        f"constraint: {rule}",
    )


@pytest.mark.parametrize("text", ["", "-", "x", "1.5", "1e3", "+900", " 900", "9²", "9" * 5000])
def test_numbers_that_are_none(text: str) -> None:
    assert complaint("GetSessionToken", {"DurationSeconds": text}) == (
        400,
        "MalformedInput",
        "'durationSeconds' is not an integer",
    )


def test_all_complaints_at_once() -> None:
    assert complaint("GetSessionToken", {"SerialNumber": "a b", "TokenCode": "1234567"}) == (
        400,
        "ValidationError",
        "3 validation errors detected: "
        "Value 'a b' at 'serialNumber' failed to satisfy constraint: "
        "Member must have length greater than or equal to 9; "
        "Value 'a b' at 'serialNumber' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\w+=/:,.@-]*; "
        "Value '1234567' at 'tokenCode' failed to satisfy constraint: "
        "Member must have length less than or equal to 6",
    )


def test_required_members() -> None:
    assert complaint("AssumeRole", {"RoleArn": "arn:aws:iam::123456789012:role/r"}) == (
        400,
        "ValidationError",
        "1 validation error detected: Value null at 'roleSessionName' failed to satisfy "
        "constraint: Member must not be null",
    )


def test_a_result_holds_structures_numbers_and_times() -> None:
    operation = MODEL.operation_model("GetSessionToken")
    text = render_result(
        MODEL,
        operation,
        {
            "Credentials": {
                "AccessKeyId": "ASIA",
                "SecretAccessKey": "<&>\x00",
                "Expiration": datetime(2026, 3, 1, 12, tzinfo=timezone.utc),
            },
            "SessionTokenSize": 7,
        },
        "an-id",
    )
    namespace = {"s": "https://sts.amazonaws.com/doc/2011-06-15/"}
    root = ElementTree.fromstring(text)
    assert root.tag == "{https://sts.amazonaws.com/doc/2011-06-15/}GetSessionTokenResponse"
    result = root.find("s:GetSessionTokenResult", namespace)
    assert result is not None
    credentials = result.find("s:Credentials", namespace)
    assert credentials is not None
    assert [element.text for element in credentials] == ["ASIA", "<&>?", "2026-03-01T12:00:00Z"]
    assert result.findtext("s:SessionTokenSize", namespaces=namespace) == "7"
    assert root.findtext("s:ResponseMetadata/s:RequestId", namespaces=namespace) == "an-id"


@given(st.text() | st.characters(max_codepoint=0x20) | st.just("\ud800\uffff"))
def test_any_message_makes_wellformed_xml(message: str) -> None:
    for status, fault in ((400, "Sender"), (501, "Receiver")):
        text = render_error(MODEL, QueryError(status, "Code", message), "an-id")
        root = ElementTree.fromstring(text.encode())
        assert [element.text for element in root[0]][:2] == [fault, "Code"]
