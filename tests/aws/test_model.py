"""What is taken from botocore's models, and from where."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from botocore.exceptions import UnknownServiceError
from botocore.loaders import Loader

from ecr_emulator.aws.model import Service, load_service

from .strategies import SERVICES, described


@pytest.mark.parametrize(
    ("name", "target_prefix"),
    [("ecr", "AmazonEC2ContainerRegistry_V20150921"), ("ecr-public", "SpencerFrontendService")],
)
def test_a_service_is_addressed_as_its_model_says(name: str, target_prefix: str) -> None:
    service = load_service(name)
    assert (service.name, service.target_prefix, service.json_version) == (
        name,
        target_prefix,
        "1.1",
    )


@pytest.mark.parametrize("name", SERVICES)
def test_every_operation_of_the_model_is_there_and_compiles(name: str) -> None:
    service = load_service(name)
    assert service.operations.keys() == described(name)["operations"].keys()
    for operation in service.operations.values():
        assert operation.parse(b'{"no such member": 1}') == {}
        assert operation.serialize({}) == b"{}"


def test_errors_are_the_callers_unless_the_model_calls_them_a_fault() -> None:
    errors = load_service("ecr").operations["DescribeRepositories"].errors
    assert errors == {
        "ServerException": 500,
        "InvalidParameterException": 400,
        "RepositoryNotFoundException": 400,
    }


def test_a_service_is_read_once() -> None:
    assert load_service("ecr") is load_service("ecr")


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(UnknownServiceError):
        load_service("no-such-service")


def test_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="sts speaks query"):
        load_service("sts")


def test_an_error_may_declare_its_status() -> None:
    description = {
        "metadata": {"protocol": "json", "targetPrefix": "T", "jsonVersion": "1.1"},
        "operations": {
            "Do": {"input": {"shape": "S"}, "output": {"shape": "S"}, "errors": [{"shape": "E"}]}
        },
        "shapes": {
            "S": {"type": "structure", "members": {}},
            "E": {"type": "structure", "members": {}, "error": {"httpStatusCode": 409}},
        },
    }
    assert Service("t", description).operations["Do"].errors == {"E": 409}


def test_models_in_the_users_home_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = tmp_path / "ecr" / "2999-01-01" / "service-2.json.gz"
    newer.parent.mkdir(parents=True)
    strange = {
        "metadata": {"protocol": "json", "targetPrefix": "strange", "jsonVersion": "1.1"},
        "operations": {},
        "shapes": {},
    }
    newer.write_bytes(gzip.compress(json.dumps(strange).encode()))
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))
    assert Loader().load_service_model("ecr", "service-2")["metadata"]["targetPrefix"] == "strange"
    assert load_service.__wrapped__("ecr").target_prefix == "AmazonEC2ContainerRegistry_V20150921"
