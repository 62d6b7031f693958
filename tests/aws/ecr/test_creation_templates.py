"""CreateRepositoryCreationTemplate, Describe…Templates, Update…Template, Delete…Template.

Sources: API reference; user guide "Templates to control repositories created during a pull
through cache, create on push, or replication action"; the acceptance tests and the code of
Terraform's provider (defaults, and what an update leaves alone). What templates do is tried in
``tests/registry/test_create_on_push.py``. Texts are the likeliest ones unless a comment says
otherwise.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.support.app import ACCOUNT, STRANGER, App
from tests.support.refusals import refusal

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "pull",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            }
        ],
    }
)
LIFECYCLE_POLICY = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": 14,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ecr/templates"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0b8f6d1f-3c11-4f5e-9f5e-6f0d2b0c7a2f"
FULL: dict[str, Any] = {
    "description": "For production",
    "encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": KEY},
    "resourceTags": [{"Key": "team", "Value": "a"}, {"Key": "env", "Value": ""}],
    "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
    "imageTagMutabilityExclusionFilters": [
        {"filterType": "WILDCARD", "filter": "latest*"},
        {"filterType": "WILDCARD", "filter": "dev-*"},
    ],
    "repositoryPolicy": POLICY,
    "lifecyclePolicy": LIFECYCLE_POLICY,
    "appliedFor": ["REPLICATION", "PULL_THROUGH_CACHE", "CREATE_ON_PUSH"],
    "customRoleArn": ROLE,
}
FILTERS = FULL["imageTagMutabilityExclusionFilters"]


def create(ecr: Any, prefix: str = "prod", **more: Any) -> dict[str, Any]:
    answer = ecr.create_repository_creation_template(
        prefix=prefix, **{"appliedFor": ["CREATE_ON_PUSH"], **more}
    )
    assert answer["registryId"] == ACCOUNT
    return dict(answer["repositoryCreationTemplate"])


def update(ecr: Any, prefix: str = "prod", **more: Any) -> dict[str, Any]:
    answer = ecr.update_repository_creation_template(prefix=prefix, **more)
    assert answer["registryId"] == ACCOUNT
    return dict(answer["repositoryCreationTemplate"])


def templates(ecr: Any, *prefixes: str, **params: Any) -> list[dict[str, Any]]:
    if prefixes:
        params["prefixes"] = list(prefixes)
    answer = ecr.describe_repository_creation_templates(**params)
    assert answer["registryId"] == ACCOUNT
    return list(answer["repositoryCreationTemplates"])


def described(ecr: Any, *prefixes: str, **params: Any) -> list[str]:
    return [template["prefix"] for template in templates(ecr, *prefixes, **params)]


def not_found(prefix: str) -> tuple[str, str]:
    return (
        "TemplateNotFoundException",
        f"The repository creation template with prefix '{prefix}' does not exist in the "
        f"registry with id '{ACCOUNT}'",
    )


def invalid(member: str, constraint: str) -> tuple[str, str]:
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'",
    )


class TestCreate:
    def test_a_minimal_template(self, app: App, ecr: Any) -> None:
        now = app.clock.now().replace(microsecond=0)
        template = create(ecr)
        assert template["createdAt"] == template["updatedAt"]
        assert template.pop("createdAt").replace(microsecond=0) == now
        del template["updatedAt"]
        # Terraform's provider sees these defaults.
        assert template == {
            "prefix": "prod",
            "encryptionConfiguration": {"encryptionType": "AES256"},
            "imageTagMutability": "MUTABLE",
            "appliedFor": ["CREATE_ON_PUSH"],
        }

    def test_a_full_template(self, ecr: Any) -> None:
        template = create(ecr, "prod/team", **FULL)
        del template["createdAt"], template["updatedAt"]
        assert template == {"prefix": "prod/team", **FULL}

    def test_empty_texts_are_none(self, ecr: Any) -> None:
        template = create(
            ecr,
            description="",
            repositoryPolicy="",
            lifecyclePolicy="",
            customRoleArn="",
            resourceTags=[],
            encryptionConfiguration={"encryptionType": "AES256", "kmsKey": ""},
        )
        assert template.keys() == {
            "prefix",
            "encryptionConfiguration",
            "imageTagMutability",
            "appliedFor",
            "createdAt",
            "updatedAt",
        }
        assert template["encryptionConfiguration"] == {"encryptionType": "AES256"}

    def test_kms_with_the_default_key(self, ecr: Any) -> None:
        template = create(ecr, encryptionConfiguration={"encryptionType": "KMS"})
        assert template["encryptionConfiguration"] == {"encryptionType": "KMS"}

    def test_what_it_is_applied_for_is_a_set(self, ecr: Any) -> None:
        scenarios = ["REPLICATION", "CREATE_ON_PUSH", "REPLICATION"]
        assert create(ecr, appliedFor=scenarios)["appliedFor"] == ["REPLICATION", "CREATE_ON_PUSH"]

    def test_a_prefix_has_one_template(self, app: App, ecr: Any) -> None:
        create(ecr, "prod", description="first")
        for prefix in ("prod", "prod/"):
            assert refusal(
                ecr.create_repository_creation_template, prefix=prefix, appliedFor=["REPLICATION"]
            ) == (
                "TemplateAlreadyExistsException",
                f"The repository creation template with prefix '{prefix}' already exists in the "
                f"registry with id '{ACCOUNT}'",
            )
        create(ecr, "prod/team")
        create(ecr, "ROOT")
        create(app.ecr(region="eu-west-1"), "prod")
        assert templates(ecr, "prod")[0]["description"] == "first"

    def test_a_registry_has_fifty_templates(self, app: App, ecr: Any) -> None:
        for number in range(50):
            create(ecr, f"prefix-{number}")
        call = ecr.create_repository_creation_template
        assert refusal(call, prefix="another", appliedFor=["CREATE_ON_PUSH"]) == (
            "LimitExceededException",
            "The maximum number of repository creation templates (50) in the registry with id "
            f"'{ACCOUNT}' has been reached",
        )
        refused = refusal(call, prefix="prefix-0", appliedFor=["CREATE_ON_PUSH"])
        assert refused[0] == "TemplateAlreadyExistsException"
        assert len(templates(ecr)) == 50
        ecr.delete_repository_creation_template(prefix="prefix-7")
        create(ecr, "another")

    def test_an_unknown_scenario(self, ecr: Any) -> None:
        call = ecr.create_repository_creation_template
        code, message = refusal(call, prefix="prod", appliedFor=["PUSH"])
        assert code in ("InvalidParameterException", "ValidationException")
        # Observed in part.
        assert (
            "Member must satisfy enum value set: [REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH]"
            in message
        )


#: What no template may have, with the answer to it.
REFUSED: list[tuple[dict[str, Any], tuple[str, str]]] = [
    (
        {"imageTagMutability": "MUTABLE_WITH_EXCLUSION"},
        invalid(  # observed
            "imageTagMutabilityExclusionFilters",
            "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set to "
            "MUTABLE_WITH_EXCLUSION",
        ),
    ),
    (
        {"imageTagMutabilityExclusionFilters": FILTERS},
        invalid(  # observed
            "imageTagMutabilityExclusionFilters",
            "ImageTagMutabilityExclusionFilters are not allowed when imageTagMutability is set "
            "to MUTABLE",
        ),
    ),
    (
        {
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "*a*b*"}],
        },
        invalid(
            "imageTagMutabilityExclusionFilters", "Filter cannot contain more than 2 wildcards"
        ),
    ),
    (
        {"encryptionConfiguration": {"encryptionType": "AES256", "kmsKey": KEY}},
        (
            "InvalidParameterException",
            # Observed.
            "Invalid encryption configuration: Encryption key should not be set for AES256 "
            "encryption.",
        ),
    ),
    (
        {"resourceTags": [{"Key": "aws:team", "Value": "a"}]},
        (
            "InvalidParameterException",
            "aws: prefixed tag key names are not allowed for external use.",
        ),
    ),
    (
        {"resourceTags": [{"Key": "k" * 129, "Value": "a"}]},
        ("InvalidParameterException", f"Invalid tag key: '{'k' * 128}'"),
    ),
    (
        {"resourceTags": [{"Key": f"key{number}", "Value": ""} for number in range(51)]},
        invalid("resourceTags", "Member must have length less than or equal to 50"),
    ),
    (
        {"repositoryPolicy": "{}"},
        invalid("PolicyText", "Invalid repository policy provided"),
    ),
    (
        {"repositoryPolicy": POLICY.replace("ecr:BatchGetImage", "s3:GetObject")},
        invalid("PolicyText", "Invalid repository policy provided"),
    ),
    (
        {"customRoleArn": "templates"},
        invalid("customRoleArn", "Invalid role ARN"),
    ),
    (
        {"customRoleArn": f"arn:aws:iam::{ACCOUNT}:user/someone"},
        invalid("customRoleArn", "Invalid role ARN"),
    ),
    (
        {"customRoleArn": ROLE.replace(ACCOUNT, STRANGER)},
        invalid("customRoleArn", "The role must be in the same account as the registry"),
    ),
]


class TestRefusals:
    @pytest.mark.parametrize(("settings", "expected"), REFUSED)
    def test_at_create(self, ecr: Any, settings: dict[str, Any], expected: tuple[str, str]) -> None:
        call = ecr.create_repository_creation_template
        assert refusal(call, prefix="prod", appliedFor=["REPLICATION"], **settings) == expected
        assert templates(ecr) == []

    @pytest.mark.parametrize(("settings", "expected"), REFUSED)
    def test_at_update(self, ecr: Any, settings: dict[str, Any], expected: tuple[str, str]) -> None:
        before = create(ecr)
        call = ecr.update_repository_creation_template
        assert refusal(call, prefix="prod", **settings) == expected
        assert templates(ecr) == [before]

    @pytest.mark.parametrize(
        ("text", "failure"),
        [
            ("no JSON", "parsing failure: Could not map policyString into LifecyclePolicy."),
            ('{"rules": []}', "validation failure:"),
            (LIFECYCLE_POLICY.replace("expire", "keep"), "validation failure:"),
        ],
    )
    def test_lifecycle_policies_are_checked_as_those_of_repositories(
        self, ecr: Any, text: str, failure: str
    ) -> None:
        call = ecr.create_repository_creation_template
        params = {"prefix": "prod", "appliedFor": ["REPLICATION"], "lifecyclePolicy": text}
        code, message = refusal(call, **params)
        assert code == "InvalidParameterException"
        assert message.startswith(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle "
            f"policy {failure}"
        )


class TestDescribe:
    def test_templates_by_prefix(self, ecr: Any) -> None:
        for prefix in ("two", "one/", "ROOT", "one/more"):
            create(ecr, prefix)
        assert described(ecr) == ["ROOT", "one/", "one/more", "two"]
        assert described(ecr, "two", "one", "two") == ["one/", "two"]
        # The operation models no exception for a prefix without a template.
        assert described(ecr, "two", "three") == ["two"]
        assert described(ecr, "three") == []

    def test_a_template_is_described_as_it_was_created(self, ecr: Any) -> None:
        assert templates(ecr) == []
        assert create(ecr, **FULL) == templates(ecr, "prod")[0] == templates(ecr)[0]

    def test_pages(self, ecr: Any) -> None:
        names = [f"prefix-{number:02}" for number in range(7)]
        for name in reversed(names):
            create(ecr, name)
        paginator = ecr.get_paginator("describe_repository_creation_templates")
        for params, expected in (({}, names), ({"prefixes": names[2:]}, names[2:])):
            pages = list(paginator.paginate(**params, PaginationConfig={"PageSize": 3}))
            found = [page["repositoryCreationTemplates"] for page in pages]
            assert [item["prefix"] for page in found for item in page] == expected
            assert [len(page) for page in found[:-1]] == [3] * (len(found) - 1)
            assert "nextToken" not in pages[-1]

    def test_a_token_is_good_for_its_own_listing(self, app: App, ecr: Any) -> None:
        stranger = app.ecr(STRANGER)
        for name in ("one", "two"):
            create(ecr, name)
        token = ecr.describe_repository_creation_templates(maxResults=1)["nextToken"]
        expected = invalid("NextToken", "Invalid next token provided")
        for client, more in ((stranger, {}), (ecr, {"prefixes": ["one", "two"]})):
            call = client.describe_repository_creation_templates
            assert refusal(call, nextToken=token, **more) == expected
        assert described(ecr, nextToken=token) == ["two"]

    def test_registries_do_not_share_templates(self, app: App, ecr: Any) -> None:
        create(ecr)
        elsewhere = (app.ecr(STRANGER), app.ecr(region="eu-west-1"))
        for client in elsewhere:
            answer = client.describe_repository_creation_templates()
            assert answer["repositoryCreationTemplates"] == []


class TestUpdate:
    @pytest.mark.parametrize(
        ("changes", "changed"),
        [
            ({"description": "new"}, {}),
            ({"description": ""}, {"description": None}),
            ({"imageTagMutability": "MUTABLE_WITH_EXCLUSION"}, {}),
            (
                {"imageTagMutability": "IMMUTABLE"},
                {"imageTagMutabilityExclusionFilters": None},
            ),
            ({"imageTagMutabilityExclusionFilters": FILTERS[1:]}, {}),
            ({"encryptionConfiguration": {"encryptionType": "AES256"}}, {}),
            ({"encryptionConfiguration": {"encryptionType": "KMS_DSSE", "kmsKey": KEY}}, {}),
            ({"resourceTags": [{"Key": "other", "Value": "b"}]}, {}),
            ({"resourceTags": []}, {"resourceTags": None}),
            ({"repositoryPolicy": POLICY.replace("pull", "read")}, {}),
            ({"repositoryPolicy": ""}, {"repositoryPolicy": None}),
            ({"lifecyclePolicy": LIFECYCLE_POLICY.replace("14", "15")}, {}),
            ({"lifecyclePolicy": ""}, {"lifecyclePolicy": None}),
            ({"appliedFor": ["REPLICATION"]}, {}),
            ({"customRoleArn": ROLE + "2"}, {}),
            ({"customRoleArn": ""}, {"customRoleArn": None}),
            ({}, {}),
        ],
    )
    def test_what_is_not_named_stays(
        self, app: App, ecr: Any, changes: dict[str, Any], changed: dict[str, Any]
    ) -> None:
        before = create(ecr, **FULL)
        app.clock.advance(timedelta(minutes=1))
        after = update(ecr, **changes)
        expected = {**before, "updatedAt": before["updatedAt"] + timedelta(minutes=1)}
        expected.update({**changes, **changed})
        expected = {name: value for name, value in expected.items() if value is not None}
        assert after == expected == templates(ecr)[0]

    def test_it_keeps_the_prefix_as_it_was_created(self, ecr: Any) -> None:
        create(ecr, "prod/")
        assert update(ecr, "prod", description="new")["prefix"] == "prod/"

    def test_a_missing_template(self, ecr: Any) -> None:
        create(ecr, "production")
        call = ecr.update_repository_creation_template
        assert refusal(call, prefix="prod", description="new") == not_found("prod")


class TestDelete:
    def test_a_template(self, ecr: Any) -> None:
        template = create(ecr, **FULL)
        create(ecr, "prod/team")
        answer = ecr.delete_repository_creation_template(prefix="prod")
        answer.pop("ResponseMetadata")
        assert answer == {"registryId": ACCOUNT, "repositoryCreationTemplate": template}
        assert described(ecr) == ["prod/team"]
        call = ecr.delete_repository_creation_template
        assert refusal(call, prefix="prod") == not_found("prod")
