"""GetRegistryPolicy, PutRegistryPolicy, DeleteRegistryPolicy.

Sources: API reference; user guide "Private registry permissions" (what scope V1 and V2 let a
policy name); refusals' texts from moto's tests, which took them from AWS.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.app import ACCOUNT, REGION, STRANGER, App
from tests.support.refusals import refusal

NOT_FOUND = (
    "RegistryPolicyNotFoundException",
    f"Registry policy does not exist in the registry with id '{ACCOUNT}'",
)
INVALID = (
    "InvalidParameterException",
    "Invalid parameter at 'PolicyText' failed to satisfy constraint: "
    "'Invalid registry policy provided'",
)


def statement(**members: Any) -> dict[str, Any]:
    """Return a statement that lets a stranger replicate, with *members* put in or, None, out."""
    made = {
        "Sid": "replication",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*",
        **members,
    }
    return {name: value for name, value in made.items() if value is not None}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_new_registry_has_no_policy(ecr: Any) -> None:
    assert refusal(ecr.get_registry_policy) == NOT_FOUND
    assert refusal(ecr.delete_registry_policy) == NOT_FOUND


def test_put_get_and_delete_return_the_policy_in_ecrs_style(ecr: Any) -> None:
    # The style is that of repository policies in the API reference's samples; an account's
    # id comes back as its root's ARN ("Principal", IAM User Guide).
    rendered = (
        "{\n"
        '  "Version" : "2012-10-17",\n'
        '  "Statement" : [ {\n'
        '    "Sid" : "replication",\n'
        '    "Effect" : "Allow",\n'
        '    "Principal" : {\n'
        f'      "AWS" : "arn:aws:iam::{STRANGER}:root"\n'
        "    },\n"
        '    "Action" : [ "ecr:CreateRepository", "ecr:ReplicateImage" ],\n'
        f'    "Resource" : "arn:aws:ecr:{REGION}:{ACCOUNT}:repository/*"\n'
        "  } ]\n"
        "}"
    )
    expected = {"registryId": ACCOUNT, "policyText": rendered}

    text = policy(statement(Principal={"AWS": STRANGER}))
    for answer in (
        ecr.put_registry_policy(policyText=text),
        ecr.get_registry_policy(),
        ecr.delete_registry_policy(),
    ):
        answer.pop("ResponseMetadata")
        assert answer == expected
    assert refusal(ecr.get_registry_policy) == NOT_FOUND


def test_put_overwrites(ecr: Any) -> None:
    ecr.put_registry_policy(policyText=policy(statement(Sid="first")))
    ecr.put_registry_policy(policyText=policy(statement(Sid="second")))

    text = json.loads(ecr.get_registry_policy()["policyText"])
    assert [item["Sid"] for item in text["Statement"]] == ["second"]


def test_a_policy_is_one_accounts_in_one_region(app: App, ecr: Any) -> None:
    ecr.put_registry_policy(policyText=policy(statement()))

    assert refusal(app.ecr(region="eu-west-1").get_registry_policy) == NOT_FOUND
    code, _ = refusal(app.ecr(STRANGER).get_registry_policy)
    assert code == "RegistryPolicyNotFoundException"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        policy(),
        policy(statement(Principal=None)),
        policy(statement(Resource=None)),
        policy(statement(Action=None)),
        policy(statement(Effect="Maybe")),
        policy(statement(Action="ecr:NoSuchAction")),
        policy(statement(Action="s3:GetObject")),
        policy(statement(Principal={"AWS": "nobody"})),
        policy(statement(Unknown="member")),
        policy(statement(Condition={"NoSuchOperator": {"aws:PrincipalArn": "*"}})),
    ],
)
def test_what_is_no_registry_policy_is_refused(ecr: Any, text: str) -> None:
    assert refusal(ecr.put_registry_policy, policyText=text) == INVALID
    assert refusal(ecr.get_registry_policy) == NOT_FOUND


def test_a_policy_longer_than_the_model_allows_is_refused(ecr: Any) -> None:
    text = policy(statement(Sid="x" * 10_240))
    code, _ = refusal(ecr.put_registry_policy, policyText=text)
    assert code == "ValidationException"


@pytest.mark.parametrize(
    ("action", "scopes"),
    [
        ("ecr:ReplicateImage", {"V1", "V2"}),
        ("ecr:CreateRepository", {"V1", "V2"}),
        ("ecr:BatchImportUpstreamImage", {"V1", "V2"}),
        ("ecr:BatchGetImage", {"V2"}),
        ("ecr:*", {"V2"}),
        ("*", {"V2"}),
    ],
)
@pytest.mark.parametrize("scope", ["V1", "V2"])
def test_the_registrys_scope_says_which_actions_a_policy_may_name(
    ecr: Any, scope: str, action: str, scopes: set[str]
) -> None:
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value=scope)
    text = policy(statement(Action=action))

    if scope in scopes:
        assert ecr.put_registry_policy(policyText=text)["registryId"] == ACCOUNT
    else:
        assert refusal(ecr.put_registry_policy, policyText=text) == INVALID


def test_the_scope_of_a_new_registry_is_the_wide_one(ecr: Any) -> None:
    assert ecr.get_account_setting(name="REGISTRY_POLICY_SCOPE")["value"] == "V2"
    ecr.put_registry_policy(policyText=policy(statement(Action="ecr:BatchGetImage")))
