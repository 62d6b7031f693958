"""The tables of actions against the service models and against themselves."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest

from ecr_emulator.policy.actions import (
    ACTIONS,
    OPERATIONS,
    PERMISSION_ONLY,
    ResourceType,
    When,
    action_names,
)
from ecr_emulator.policy.data_plane import PRIVATE_CALLS, PUBLIC_CALLS, Call
from ecr_emulator.policy.registry_policy import V1_ACTIONS, governs

SERVICES = ["ecr", "ecr-public"]


def model_operations(service: str) -> set[str]:
    return set(botocore.session.Session().get_service_model(service).operation_names)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_of_the_model_is_in_the_table(service: str) -> None:
    assert set(OPERATIONS[service]) == model_operations(service)


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_needs_a_known_action(service: str) -> None:
    for operation, requirements in OPERATIONS[service].items():
        first = requirements[0]
        assert first.when is When.ALWAYS
        expected = f"{service}:{operation}"
        if operation == "ListImageReferrers":
            expected = "ecr:BatchGetImage"
        assert first.action == expected
        for requirement in requirements:
            prefix = requirement.action.partition(":")[0]
            if prefix == service:
                action = ACTIONS[service][requirement.action]
                assert action.resource is requirement.resource
            else:
                assert prefix in ("iam", "kms", "signer", "sts")


@pytest.mark.parametrize("service", SERVICES)
def test_names_for_validation(service: str) -> None:
    names = action_names(service, model_operations(service))
    assert set(ACTIONS[service]) <= names
    assert {f"{service}:{name}" for name in PERMISSION_ONLY[service]} <= names


#: Of the operations that the reference does not list yet.
UNDOCUMENTED = {
    "ecr:DescribeReplicationBackfillResults",
    "ecr:ListReplicationBackfills",
    "ecr:StartReplicationBackfill",
    "ecr:StopReplicationBackfill",
}


def documented() -> dict[str, tuple[str, set[str], set[str]]]:
    """Return each action's resource type, condition keys and dependent actions."""
    table = {}
    for line in Path(__file__).with_name("documented_actions.txt").read_text().splitlines():
        if not line.startswith("#"):
            action, resource, keys, dependent = line.split("|")
            table[action] = resource, set(keys.split()), set(dependent.split())
    return table


def test_the_tables_are_those_of_the_service_authorization_reference() -> None:
    known = {**ACTIONS["ecr"], **ACTIONS["ecr-public"]}
    assert set(known) - UNDOCUMENTED == set(documented())
    for name, (resource, keys, dependent) in documented().items():
        action = known[name]
        assert action.resource.value == resource, name
        assert set(action.condition_keys) == keys, name
        service, _, operation = name.partition(":")
        if not action.permission_only:
            needed = {item.action for item in OPERATIONS[service][operation]}
            assert dependent <= needed, name


@pytest.mark.parametrize("service", SERVICES)
def test_the_model_has_no_operation_that_the_table_gives_no_resource(service: str) -> None:
    without = model_operations(service) - {name.partition(":")[2] for name in ACTIONS[service]}
    # Listing referrers has no action of its own.
    assert without == ({"ListImageReferrers"} if service == "ecr" else set())


def test_resources_and_keys() -> None:
    ecr = ACTIONS["ecr"]
    assert ecr["ecr:GetAuthorizationToken"].resource is ResourceType.NONE
    assert ecr["ecr:PutImage"].resource is ResourceType.REPOSITORY
    assert ecr["ecr:PutImage"].condition_keys == ("aws:ResourceTag", "ecr:ResourceTag")
    assert ecr["ecr:PutAccountSetting"].condition_keys == ("ecr:AccountSetting",)
    assert "aws:TagKeys" in ecr["ecr:CreateRepository"].condition_keys
    assert ecr["ecr:ReplicateImage"].permission_only
    assert not ecr["ecr:PutImage"].permission_only
    public = ACTIONS["ecr-public"]
    assert public["ecr-public:DescribeRegistries"].resource is ResourceType.REGISTRY
    assert public["ecr-public:PutImage"].condition_keys == (
        "aws:ResourceTag",
        "ecr-public:ResourceTag",
    )


def test_the_data_plane_asks_for_known_actions() -> None:
    for calls, service in ((PRIVATE_CALLS, "ecr"), (PUBLIC_CALLS, "ecr-public")):
        assert set(calls) == set(Call)
        for requirements in calls.values():
            for requirement in requirements:
                assert requirement.action in ACTIONS[service] or (
                    requirement.when is not When.ALWAYS
                )
    assert PRIVATE_CALLS[Call.HEAD_BLOB][0].action == "ecr:BatchCheckLayerAvailability"
    assert PRIVATE_CALLS[Call.GET_BLOB][0].action == "ecr:GetDownloadUrlForLayer"
    assert PUBLIC_CALLS[Call.GET_MANIFEST] == ()


def test_the_scope_of_a_registry_policy() -> None:
    assert set(ACTIONS["ecr"]) >= V1_ACTIONS
    assert governs("ecr:ReplicateImage", "V1")
    assert not governs("ecr:BatchGetImage", "V1")
    assert governs("ecr:BatchGetImage", "V2")
