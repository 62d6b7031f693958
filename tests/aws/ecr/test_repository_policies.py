"""SetRepositoryPolicy, GetRepositoryPolicy, DeleteRepositoryPolicy.

What a policy may say is tried in ``tests/policy``, and what it then allows in ``tests/access``;
here, that ECR keeps it and gives it back. Sources: API reference; texts from moto's tests.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.app import ACCOUNT, STRANGER, App
from tests.support.refusals import refusal

NAME = "team/app"
IN_REPOSITORY = f"the repository with name '{NAME}' in the registry with id '{ACCOUNT}'"
NO_POLICY = (
    "RepositoryPolicyNotFoundException",
    f"Repository policy does not exist for {IN_REPOSITORY}",
)
NO_REPOSITORY = (
    "RepositoryNotFoundException",
    f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'",
)
INVALID = (
    "InvalidParameterException",
    "Invalid parameter at 'PolicyText' failed to satisfy constraint: "
    "'Invalid repository policy provided'",
)
POLICY = {
    "Version": "2008-10-17",
    "Statement": [
        {
            "Sid": "allow pull",
            "Effect": "Allow",
            "Principal": {"AWS": [STRANGER]},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        }
    ],
}
RENDERED = f"""{{
  "Version" : "2008-10-17",
  "Statement" : [ {{
    "Sid" : "allow pull",
    "Effect" : "Allow",
    "Principal" : {{
      "AWS" : [ "arn:aws:iam::{STRANGER}:root" ]
    }},
    "Action" : [ "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer" ]
  }} ]
}}"""


@pytest.fixture(autouse=True)
def repository(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)


def put(ecr: Any, policy: Any = POLICY, **others: Any) -> dict[str, Any]:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    answer: dict[str, Any] = ecr.set_repository_policy(
        repositoryName=NAME, policyText=text, **others
    )
    del answer["ResponseMetadata"]
    return answer


def statement(**members: Any) -> dict[str, Any]:
    """Return the policy with its statement changed; a member that is ``...`` is left out."""
    changed = {**POLICY["Statement"][0], **members}  # type: ignore[dict-item]
    kept = {name: value for name, value in changed.items() if value is not ...}
    return {**POLICY, "Statement": [kept]}


def test_set_get_and_delete(ecr: Any) -> None:
    expected = {"registryId": ACCOUNT, "repositoryName": NAME, "policyText": RENDERED}
    assert put(ecr, registryId=ACCOUNT) == expected
    for call in (ecr.get_repository_policy, ecr.delete_repository_policy):
        answer = call(repositoryName=NAME, registryId=ACCOUNT)
        del answer["ResponseMetadata"]
        assert answer == expected
    assert refusal(ecr.get_repository_policy, repositoryName=NAME) == NO_POLICY
    assert refusal(ecr.delete_repository_policy, repositoryName=NAME) == NO_POLICY


def test_another_takes_its_place(ecr: Any) -> None:
    put(ecr)
    other = put(ecr, statement(Principal="*"))["policyText"]
    assert ecr.get_repository_policy(repositoryName=NAME)["policyText"] == other
    assert json.loads(other)["Statement"][0]["Principal"] == "*"


def test_in_a_partition_of_its_own(app: App) -> None:
    client = app.ecr(region="cn-north-1")
    client.create_repository(repositoryName=NAME)
    text = put(client)["policyText"]
    assert f"arn:aws-cn:iam::{STRANGER}:root" in text


def test_a_missing_repository(ecr: Any) -> None:
    for call, others in [
        (ecr.get_repository_policy, {}),
        (ecr.delete_repository_policy, {}),
        (ecr.set_repository_policy, {"policyText": json.dumps(POLICY)}),
    ]:
        assert refusal(call, repositoryName="missing", **others) == NO_REPOSITORY


def test_it_goes_with_its_repository(ecr: Any) -> None:
    put(ecr)
    ecr.delete_repository(repositoryName=NAME)
    ecr.create_repository(repositoryName=NAME)
    assert refusal(ecr.get_repository_policy, repositoryName=NAME) == NO_POLICY


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Version": "2012-10-17"}',
        "[" * 10_000,
        '{"Statement": [], "Statement": []}',
        {**POLICY, "Version": "2020-01-01"},
        {**POLICY, "Statement": []},
        {**POLICY, "Other": 1},
        statement(Effect="Maybe"),
        statement(Effect=...),
        statement(Principal=...),
        statement(Principal={"AWS": ["nobody"]}),
        statement(Principal={"Somebody": "*"}),
        statement(Action=...),
        statement(Action=["ecr:Pull"]),
        statement(Action=["s3:GetObject"]),
        statement(Condition={"NoSuchOperator": {"aws:SourceIp": "10.0.0.0/8"}}),
        json.dumps(statement(Sid="\ud800")),
    ],
    ids=lambda policy: str(policy)[:60],
)
def test_what_is_no_policy(ecr: Any, policy: Any) -> None:
    put(ecr)
    text = policy if isinstance(policy, str) else json.dumps(policy)
    call = refusal(ecr.set_repository_policy, repositoryName=NAME, policyText=text)
    assert call == INVALID
    assert ecr.get_repository_policy(repositoryName=NAME)["policyText"] == RENDERED


def test_how_long(ecr: Any) -> None:
    text = json.dumps(POLICY)
    put(ecr, text + " " * (10_240 - len(text)))
    code, message = refusal(
        ecr.set_repository_policy, repositoryName=NAME, policyText=text + " " * 10_240
    )
    assert code == "InvalidParameterException"
    assert message.startswith("Invalid parameter at 'policyText' failed to satisfy constraint")


def test_a_policy_that_locks_its_author_out(ecr: Any) -> None:
    """It is taken with ``force`` alone; the refusal's wording is the likeliest."""
    policy = statement(
        Effect="Deny", Principal="*", Action=["ecr:SetRepositoryPolicy", "ecr:PutImage"]
    )
    for force in ({}, {"force": False}):
        call = refusal(
            ecr.set_repository_policy, repositoryName=NAME, policyText=json.dumps(policy), **force
        )
        assert call == (
            "InvalidParameterException",
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'The policy would "
            "prevent you from setting the repository policy in the future. Use the force flag to "
            "set it anyway.'",
        )
    put(ecr, policy, force=True)
