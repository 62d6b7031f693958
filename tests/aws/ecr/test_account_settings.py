"""GetAccountSetting, PutAccountSetting.

Sources: API reference; user guide "Private registry settings"; the wording of refusals is the
likeliest, that of the service's enumeration checks.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app import STRANGER, App
from tests.support.refusals import refusal

SETTINGS = [
    ("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE", "CLAIR"),
    ("REGISTRY_POLICY_SCOPE", "V2", "V1"),
    ("BLOB_MOUNTING", "DISABLED", "ENABLED"),
]


def setting(ecr: Any, name: str) -> str:
    answer = ecr.get_account_setting(name=name)
    assert answer.keys() == {"name", "value", "ResponseMetadata"}
    assert answer["name"] == name
    return str(answer["value"])


@pytest.mark.parametrize(("name", "default", "other"), SETTINGS)
def test_a_setting(app: App, ecr: Any, name: str, default: str, other: str) -> None:
    assert setting(ecr, name) == default
    for value in (other, other, default):
        answer = ecr.put_account_setting(name=name, value=value)
        del answer["ResponseMetadata"]
        assert answer == {"name": name, "value": value}
        assert setting(ecr, name) == value
    ecr.put_account_setting(name=name, value=other)
    assert setting(app.another_process().ecr(), name) == other
    for client in (app.ecr(STRANGER), app.ecr(region="eu-west-1")):
        assert setting(client, name) == default


@pytest.mark.parametrize("name", ["OTHER", "blob_mounting", "a" * 64, "BLOB_MOUNTING\n"])
def test_a_setting_that_there_is_not(ecr: Any, name: str) -> None:
    expected = (
        "InvalidParameterException",
        "Invalid parameter at 'name' failed to satisfy constraint: 'Member must satisfy enum "
        "value set: [BASIC_SCAN_TYPE_VERSION, REGISTRY_POLICY_SCOPE, BLOB_MOUNTING]'",
    )
    assert refusal(ecr.get_account_setting, name=name) == expected
    assert refusal(ecr.put_account_setting, name=name, value="ENABLED") == expected


@pytest.mark.parametrize(("name", "default", "other"), SETTINGS)
@pytest.mark.parametrize("value", ["", "V3", "enabled", "\u00e9", "x" * 10_000])
def test_a_value_that_there_is_not(
    ecr: Any, name: str, default: str, other: str, value: str
) -> None:
    assert refusal(ecr.put_account_setting, name=name, value=value) == (
        "InvalidParameterException",
        "Invalid parameter at 'value' failed to satisfy constraint: 'Member must satisfy enum "
        f"value set: [{default}, {other}]'",
    )
    assert setting(ecr, name) == default


@pytest.mark.parametrize("name", ["", "a" * 65])
def test_what_the_model_refuses(app: App, name: str) -> None:
    for operation, others in [("GetAccountSetting", {}), ("PutAccountSetting", {"value": "V1"})]:
        status, answer = app.call(operation, {"name": name, **others})
        assert (status, answer["__type"]) == (400, "ValidationException")
        assert "'name'" in answer["message"]
