"""What SetRepositoryPolicy and PutRegistryPolicy accept, and whom a policy locks out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecr_emulator.policy.actions import action_names
from ecr_emulator.policy.documents import InvalidPolicy, parse_policy
from ecr_emulator.policy.registry_policy import validate_registry_policy
from ecr_emulator.policy.repository_policy import locks_out, validate_repository_policy

OPERATIONS = ["BatchGetImage", "CreateRepository", "GetAuthorizationToken", "SetRepositoryPolicy"]
KNOWN = action_names("ecr", OPERATIONS)
REPOSITORY = "arn:aws:ecr:us-east-1:123456789012:repository/app"
SET_POLICY = "ecr:SetRepositoryPolicy"


def policy(**statement: Any) -> str:
    members: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "ecr:BatchGetImage",
        **statement,
    }
    kept = {name: value for name, value in members.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [kept]})


def test_permission_only_actions_are_known() -> None:
    assert {"ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:BatchGetImage"} <= KNOWN
    assert action_names("ecr-public", ["PutImage"]) == {"ecr-public:PutImage"}


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"Action": "ecr:*"},
        {"Action": "*"},
        {"Action": ["ecr:batchgetimage", "ecr:ReplicateImage", "ecr:Create?epository"]},
        {"Action": None, "NotAction": "ecr:BatchGetImage"},
        {"Principal": {"AWS": "123456789012"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root"}},
        {"Principal": {"AWS": ["arn:aws-us-gov:iam::123456789012:user/division/Bob"]}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:role/aws-service-role/x/Name"}},
        {"Principal": {"AWS": "arn:aws:sts::123456789012:assumed-role/Role/session@x"}},
        {"Principal": {"AWS": "arn:aws-cn:sts::123456789012:federated-user/Bob"}},
        {"Principal": {"Service": ["lambda.amazonaws.com", "codebuild.amazonaws.com"]}},
        {"Principal": None, "NotPrincipal": {"AWS": "123456789012"}, "Effect": "Deny"},
        {"Sid": "new statement"},
        {"Sid": "Add-staging-right"},
        {"Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}},
    ],
)
def test_repository_policies_that_are_taken(statement: dict[str, Any]) -> None:
    validate_repository_policy(policy(**statement), KNOWN)


@pytest.mark.parametrize(
    "statement",
    [
        {"Principal": None},
        # aws/aws-cdk#24314: also where it names the repository.
        {"Resource": "*"},
        {"NotResource": "*"},
        {"Action": "s3:GetObject"},
        {"Action": "ecr:GetImages"},
        {"Action": "ecr:Put*"},
        {"Action": None, "NotAction": "ecr:Nothing"},
        {"Principal": {"AWS": "12345"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:user/*"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:group/g"}},
        {"Principal": {"AWS": "arn:aws:iam::*:root"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:user/"}},
        {"Principal": {"AWS": "arn:aws:sts::123456789012:assumed-role/Role"}},
        {"Principal": {"AWS": "arn:aws:sts::123456789012:assumed-role/Role/*"}},
        {"Principal": {"AWS": "arn:aws:iam::123456789012:root\n"}},
        {"Principal": {"AWS": "AROAEXAMPLEID"}},
        {"Principal": {"Service": "*"}},
        {"Principal": {"Service": "lambda"}},
        {"Principal": {"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}},
    ],
)
def test_repository_policies_that_are_refused(statement: dict[str, Any]) -> None:
    with pytest.raises(InvalidPolicy):
        validate_repository_policy(policy(**statement), KNOWN)


def test_length_limits() -> None:
    long = policy(Sid="s" * 10_240, Resource="*")
    with pytest.raises(InvalidPolicy, match="10240"):
        validate_repository_policy(long, KNOWN)
    with pytest.raises(InvalidPolicy, match="10240"):
        validate_registry_policy(long, KNOWN)


@pytest.mark.parametrize(
    ("scope", "statement", "taken"),
    [
        ("V2", {"Resource": "*"}, True),
        ("V2", {}, False),
        ("V2", {"Resource": "*", "Principal": None}, False),
        ("V2", {"Resource": "*", "Action": "s3:GetObject"}, False),
        ("V2", {"Resource": "*", "Action": "ecr:*"}, True),
        ("V1", {"Resource": "*"}, False),
        ("V1", {"Resource": "*", "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"]}, True),
        ("V1", {"NotResource": REPOSITORY, "Action": "ecr:BatchImportUpstreamImage"}, True),
        ("V1", {"Resource": "*", "Action": "ecr:Replicate*"}, True),
        ("V1", {"Resource": "*", "Action": "ecr:Batch*"}, False),
        ("V1", {"Resource": "*", "Action": None, "NotAction": "ecr:BatchGetImage"}, False),
    ],
)
def test_registry_policies_by_scope(scope: str, statement: dict[str, Any], taken: bool) -> None:
    if taken:
        validate_registry_policy(policy(**statement), KNOWN, scope=scope)
    else:
        with pytest.raises(InvalidPolicy):
            validate_registry_policy(policy(**statement), KNOWN, scope=scope)


@pytest.mark.parametrize(
    ("statement", "caller", "locked"),
    [
        ({}, "arn:aws:iam::123456789012:user/Bob", False),
        ({"Effect": "Deny"}, "arn:aws:iam::123456789012:user/Bob", False),
        ({"Effect": "Deny", "Action": "ecr:*"}, "arn:aws:iam::123456789012:user/Bob", True),
        ({"Effect": "Deny", "Action": "ecr:*"}, "arn:aws:iam::123456789012:root", True),
        (
            {"Effect": "Deny", "Action": "ecr:*", "Condition": {"Bool": {"aws:a": "true"}}},
            "arn:aws:iam::123456789012:user/Bob",
            False,
        ),
        (
            {"Effect": "Deny", "Action": "*", "Principal": {"AWS": "444455556666"}},
            "arn:aws:iam::123456789012:user/Bob",
            False,
        ),
        (
            {
                "Effect": "Deny",
                "Action": "*",
                "Principal": None,
                "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:user/Alice"},
            },
            "arn:aws:iam::123456789012:user/Bob",
            True,
        ),
        (
            {"Effect": "Deny", "Action": None, "NotAction": "ecr:BatchGetImage"},
            "arn:aws:sts::123456789012:assumed-role/Admin/me",
            True,
        ),
        (
            {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:ecr:*:*:repository/other"},
            "arn:aws:iam::123456789012:user/Bob",
            False,
        ),
        ({}, "arn:aws:iam::444455556666:user/Bob", True),
        ({"Action": "ecr:*"}, "arn:aws:iam::444455556666:user/Bob", False),
    ],
)
def test_lock_out(statement: dict[str, Any], caller: str, locked: bool) -> None:
    document = parse_policy(policy(**statement))
    assert locks_out(document, caller, SET_POLICY, repository_arn=REPOSITORY) is locked
