"""The way of a body through the operations of a service, and the protocol's own errors."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest

from ecr_emulator.aws import errors
from ecr_emulator.aws.errors import AwsError, render_error
from ecr_emulator.aws.operations import Operations


@pytest.fixture
def operations() -> Operations[str]:
    return Operations("ecr")


def refusal(operations: Operations[str], name: str, body: bytes) -> AwsError:
    with pytest.raises(AwsError) as caught:
        operations.dispatch(name, "context", body)
    return caught.value


def test_a_request_is_parsed_validated_served_and_written(operations: Operations[str]) -> None:
    seen = []

    @operations.operation("CreateRepository")
    def create_repository(context: str, params: dict[str, Any]) -> dict[str, Any]:
        seen.append((context, params))
        created = datetime(2019, 7, 15, 20, 47, 36, tzinfo=timezone.utc)
        return {"repository": {"repositoryName": params["repositoryName"], "createdAt": created}}

    body = b'{"repositoryName": "app", "tags": null, "imageScanningConfiguration": {}, "x": 1}'
    assert operations.dispatch("CreateRepository", "context", body) == (
        b'{"repository":{"repositoryName":"app","createdAt":1563223656.0}}'
    )
    assert seen == [("context", {"repositoryName": "app", "imageScanningConfiguration": {}})]


def test_a_function_is_still_itself_when_registered(operations: Operations[str]) -> None:
    def describe_registry(context: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"registryId": context}

    assert operations.operation("DescribeRegistry")(describe_registry) is describe_registry


def test_the_form_of_a_body_is_settled_before_its_values(operations: Operations[str]) -> None:
    @operations.operation("DescribeRepositories")
    def describe_repositories(context: str, params: dict[str, Any]) -> dict[str, Any]:
        raise AssertionError("not to be reached")

    error = refusal(operations, "DescribeRepositories", b'{"registryId": "1", "maxResults": "1"}')
    assert error.code == "SerializationException"
    error = refusal(operations, "DescribeRepositories", b'{"registryId": "1", "maxResults": 1}')
    assert error.code == "InvalidParameterException"


def test_an_operations_own_refusal_passes_through(operations: Operations[str]) -> None:
    refused = AwsError("RepositoryNotFoundException", "The repository is not there")

    @operations.operation("DeleteRepository")
    def delete_repository(context: str, params: dict[str, Any]) -> dict[str, Any]:
        raise refused

    assert refusal(operations, "DeleteRepository", b'{"repositoryName": "app"}') is refused


def test_an_answer_that_the_model_does_not_have_is_a_mistake(operations: Operations[str]) -> None:
    @operations.operation("DescribeRegistry")
    def describe_registry(context: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"registry": "1"}

    with pytest.raises(TypeError, match="DescribeRegistryResponse has no member 'registry'"):
        operations.dispatch("DescribeRegistry", "context", b"{}")


@pytest.mark.parametrize("name", ["NoSuchOperation", "", "createRepository", "__class__"])
def test_an_unknown_operation_has_no_text(operations: Operations[str], name: str) -> None:
    error = refusal(operations, name, b"not even JSON")
    assert render_error(error)[:2] == (400, b'{"__type":"UnknownOperationException"}')


def test_an_operation_that_nothing_serves_says_so(operations: Operations[str]) -> None:
    status, body, _ = render_error(refusal(operations, "StartImageScan", b"{}"))
    assert status == 400
    assert json.loads(body) == {
        "__type": "UnknownOperationException",
        "message": "The operation StartImageScan of ecr is not provided by this emulator.",
    }


def test_a_name_that_the_model_does_not_have_cannot_be_served(operations: Operations[str]) -> None:
    with pytest.raises(ValueError, match="the model of ecr has no operation CreateRepositry"):
        operations.operation("CreateRepositry")


def test_an_operation_is_served_once(operations: Operations[str]) -> None:
    def serve(context: str, params: dict[str, Any]) -> dict[str, Any]:
        return {}

    operations.operation("ListImages")(serve)
    with pytest.raises(ValueError, match="ListImages of ecr is served already"):
        operations.operation("ListImages")(serve)


def test_what_is_missing_is_told_by_name(operations: Operations[str]) -> None:
    assert operations.missing() == sorted(operations.service.operations)

    @operations.operation("ListImages")
    def list_images(context: str, params: dict[str, Any]) -> dict[str, Any]:
        return {"imageIds": []}

    assert "ListImages" not in operations.missing()
    assert len(operations.missing()) == len(operations.service.operations) - 1


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        (errors.unknown_operation(), 400, {"__type": "UnknownOperationException"}),
        (errors.serialization(), 400, {"__type": "SerializationException"}),
        (
            errors.serialization("Expected null"),
            400,
            {"__type": "SerializationException", "Message": "Expected null"},
        ),
        (
            errors.access_denied("User: x is not authorized"),
            400,
            {"__type": "AccessDeniedException", "Message": "User: x is not authorized"},
        ),
        (errors.throttling(), 400, {"__type": "ThrottlingException", "message": "Rate exceeded"}),
        (errors.request_entity_too_large(), 413, {"__type": "RequestEntityTooLargeException"}),
        (errors.server_exception(), 500, {"__type": "ServerException"}),
        (
            errors.from_authentication_failure("UnrecognizedClientException", "Who?"),
            400,
            {"__type": "UnrecognizedClientException", "message": "Who?"},
        ),
    ],
)
def test_the_protocols_own_errors(error: AwsError, status: int, body: dict[str, str]) -> None:
    rendered = render_error(error)
    assert (rendered[0], json.loads(rendered[1])) == (status, body)


def test_an_error_can_echo_anything() -> None:
    _, body, _ = render_error(AwsError("InvalidParameterException", "\ud800 é \0"))
    assert json.loads(body)["message"] == "\ud800 é \0"
