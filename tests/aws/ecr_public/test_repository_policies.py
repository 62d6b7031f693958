"""SetRepositoryPolicy, GetRepositoryPolicy, DeleteRepositoryPolicy.

They are the functions of the private service. Sources: samples of the AWS CLI, whose policies
name actions of both services and come back in ECR's style.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.aws.ecr_public.answers import constraint, members
from tests.support.app import ACCOUNT, App
from tests.support.refusals import refusal

INVALID = constraint("PolicyText", "Invalid repository policy provided")


def policy(**members: Any) -> str:
    statement = {"Sid": "allow", "Effect": "Allow", "Principal": "*", **members}
    return json.dumps({"Version": "2008-10-17", "Statement": [statement]})


def test_set_get_and_delete(public: Any, repository: str) -> None:
    text = policy(Action=["ecr-public:PutImage", "ecr-public:InitiateLayerUpload"])
    rendered = (
        "{\n"
        '  "Version" : "2008-10-17",\n'
        '  "Statement" : [ {\n'
        '    "Sid" : "allow",\n'
        '    "Effect" : "Allow",\n'
        '    "Principal" : "*",\n'
        '    "Action" : [ "ecr-public:PutImage", "ecr-public:InitiateLayerUpload" ]\n'
        "  } ]\n"
        "}"
    )
    expected = {"registryId": ACCOUNT, "repositoryName": repository, "policyText": rendered}
    given = {"repositoryName": repository, "registryId": ACCOUNT}
    assert members(public.set_repository_policy(**given, policyText=text)) == expected
    assert members(public.get_repository_policy(**given)) == expected
    assert members(public.delete_repository_policy(**given)) == expected
    missing = (
        "RepositoryPolicyNotFoundException",
        f"Repository policy does not exist for the repository with name '{repository}' in the "
        f"registry with id '{ACCOUNT}'",
    )
    assert refusal(public.get_repository_policy, **given) == missing
    assert refusal(public.delete_repository_policy, **given) == missing


@pytest.mark.parametrize(
    "action", ["ecr-public:*", "ecr-public:DescribeImageTags", "ecr:BatchGetImage", "*"]
)
def test_actions_a_policy_may_name(public: Any, repository: str, action: str) -> None:
    public.set_repository_policy(repositoryName=repository, policyText=policy(Action=action))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        policy(Action="ecr-public:NoSuchThing"),
        policy(Action="s3:GetObject"),
        policy(Action="ecr-public:PutImage", Principal=None),
    ],
)
def test_what_is_no_policy(public: Any, repository: str, text: str) -> None:
    assert (
        refusal(public.set_repository_policy, repositoryName=repository, policyText=text) == INVALID
    )


def test_a_policy_that_is_too_long(public: Any, repository: str) -> None:
    text = policy(Action="ecr-public:PutImage", Sid="x" * 10_240)
    code, message = refusal(
        public.set_repository_policy, repositoryName=repository, policyText=text
    )
    assert code == "InvalidParameterException"
    assert "length less than or equal to 10240" in message


def test_a_policy_that_locks_its_author_out_must_be_forced(public: Any, repository: str) -> None:
    text = policy(Effect="Deny", Action="ecr-public:SetRepositoryPolicy")
    given = {"repositoryName": repository, "policyText": text}
    code, _ = refusal(public.set_repository_policy, **given)
    assert code == "InvalidParameterException"
    # The private service's action of that name is another one.
    public.set_repository_policy(
        repositoryName=repository,
        policyText=policy(Effect="Deny", Action="ecr:SetRepositoryPolicy"),
    )
    public.set_repository_policy(**given, force=True)


def test_a_private_repositorys_policy_names_no_public_actions(app: App) -> None:
    ecr = app.ecr()
    ecr.create_repository(repositoryName="app")
    text = policy(Action="ecr-public:PutImage")
    assert refusal(ecr.set_repository_policy, repositoryName="app", policyText=text) == INVALID
