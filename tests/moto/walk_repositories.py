"""The walk through repositories, their settings, resource tags and policies."""

from __future__ import annotations

import json
from typing import Any

from tests.moto.recording import APART, Side

ACCOUNT = "123456789012"
STRANGER = "210987654321"
ARN = f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app"
EXCLUSION = {"filterType": "WILDCARD", "filter": "dev-*"}
LIFECYCLE = (
    '{\n "rules": [{"rulePriority": 1, "selection": {"tagStatus": "untagged", "countType": '
    '"sinceImagePushed", "countUnit": "days", "countNumber": 14}, "action": {"type": "expire"}}]}'
)


def repositories(side: Side) -> None:
    """Create and describe."""
    side.call("describe-nothing", "DescribeRepositories")
    side.call("create", "CreateRepository", repositoryName="team/app")
    side.call("create-again", "CreateRepository", repositoryName="team/app")
    side.call(
        "create-full",
        "CreateRepository",
        repositoryName="full",
        registryId=ACCOUNT,
        tags=[{"Key": "stage", "Value": "prod"}],
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[EXCLUSION],
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "KMS"},
    )
    side.call("describe-all", "DescribeRepositories")
    side.call("describe-two", "DescribeRepositories", repositoryNames=["team/app", "full"])
    side.call("describe-missing", "DescribeRepositories", repositoryNames=["team/app", "missing"])
    side.call("describe-strangers", "DescribeRepositories", registryId=STRANGER)
    page = side.call("", "DescribeRepositories", maxResults=1)
    side.note("describe-a-page", _page(page, "repositories"))
    side.call("delete-missing", "DeleteRepository", repositoryName="missing")
    side.call(
        "create-with-alias-of-key",
        "CreateRepository",
        APART,
        repositoryName="keyed",
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": "alias/team"},
    )
    for step, name in (("capitals", "Team/App"), ("runs", "a--b"), ("long", "a" * 257)):
        side.call(f"create-{step}", "CreateRepository", APART, repositoryName=name)


def _page(answer: dict[str, Any], member: str) -> dict[str, Any]:
    return {"items": len(answer[member]), "goesOn": "nextToken" in answer}


def tag_mutability(side: Side) -> None:
    """Which settings go with which filters."""
    three = {"filterType": "WILDCARD", "filter": "a*b*c*"}
    for number, (step, setting, filters) in enumerate(
        [
            ("exclusion", "IMMUTABLE_WITH_EXCLUSION", [EXCLUSION]),
            ("no-filter", "IMMUTABLE_WITH_EXCLUSION", None),
            ("filter-not-allowed", "MUTABLE", [EXCLUSION]),
            ("wildcards", "IMMUTABLE_WITH_EXCLUSION", [three]),
            ("unknown", "SOMETIMES", None),
        ]
    ):
        given: dict[str, Any] = {"imageTagMutability": setting}
        if filters:
            given["imageTagMutabilityExclusionFilters"] = filters
        side.call(
            f"create-{step}", "CreateRepository", APART, repositoryName=f"setting-{number}", **given
        )
        side.call("", "CreateRepository", APART, repositoryName=f"set-{number}")
        side.call(
            f"set-{step}", "PutImageTagMutability", APART, repositoryName=f"set-{number}", **given
        )
    side.call(
        "set-missing",
        "PutImageTagMutability",
        repositoryName="missing",
        imageTagMutability="MUTABLE",
    )


def resource_tags(side: Side) -> None:
    """Resource tags."""
    side.call("tags-none", "ListTagsForResource", resourceArn=ARN)
    given = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}, {"Key": "c", "Value": ""}]
    side.call("tag", "TagResource", resourceArn=ARN, tags=given)
    side.call("tag-again", "TagResource", resourceArn=ARN, tags=[{"Key": "a", "Value": "3"}])
    side.call("untag", "UntagResource", resourceArn=ARN, tagKeys=["b", "missing"])
    side.call("tags", "ListTagsForResource", resourceArn=ARN)
    side.call("tag-reserved", "TagResource", resourceArn=ARN, tags=[{"Key": "aws:a", "Value": ""}])
    many = [{"Key": f"key-{number}", "Value": ""} for number in range(51)]
    side.call("tag-too-many", "TagResource", resourceArn=ARN, tags=many)
    for step, arn in (("no-arn", "team/app"), ("missing", f"{ARN}-missing")):
        side.call(f"tag-{step}", "TagResource", resourceArn=arn, tags=[])
        side.call(f"untag-{step}", "UntagResource", resourceArn=arn, tagKeys=["a"])
        side.call(f"tags-{step}", "ListTagsForResource", resourceArn=arn)


def repository_policies(side: Side) -> None:
    """Policies of a repository."""
    name = {"repositoryName": "team/app"}
    side.call("policy-none", "GetRepositoryPolicy", **name)
    side.call("policy-delete-none", "DeleteRepositoryPolicy", **name)
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": "*", "Action": "ecr:PutImage"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    side.call("policy-set", "SetRepositoryPolicy", **name, policyText=text)
    stored = side.call("policy-get", "GetRepositoryPolicy", **name)["policyText"]
    side.note("policy-text", {"text": stored})
    side.call("policy-delete", "DeleteRepositoryPolicy", **name)
    for step, changes in (
        ("without-principal", {"Principal": None}),
        ("without-action", {"Action": None}),
        ("of-nobody", {"Principal": {"AWS": "nobody"}}),
        ("of-an-account", {"Principal": {"AWS": STRANGER}}),
        ("of-another-service", {"Action": "s3:GetObject"}),
        ("with-resource", {"Resource": "*"}),
    ):
        changed = {key: value for key, value in {**statement, **changes}.items() if value}
        text = json.dumps({"Version": "2012-10-17", "Statement": [changed]})
        side.call(f"policy-{step}", "SetRepositoryPolicy", **name, policyText=text)
    side.call("policy-no-json", "SetRepositoryPolicy", **name, policyText="{")
    side.call("policy-missing", "GetRepositoryPolicy", repositoryName="missing")
    side.call("", "DeleteRepositoryPolicy", **name)


def lifecycle_policies(side: Side) -> None:
    """Lifecycle policies of a repository."""
    name = {"repositoryName": "team/app"}
    side.call("lifecycle-none", "GetLifecyclePolicy", **name)
    side.call("lifecycle-delete-none", "DeleteLifecyclePolicy", **name)
    side.call("lifecycle", "PutLifecyclePolicy", **name, lifecyclePolicyText=LIFECYCLE)
    stored = side.call("lifecycle-get", "GetLifecyclePolicy", **name)["lifecyclePolicyText"]
    side.note("lifecycle-text", {"text": stored})
    side.call("lifecycle-delete", "DeleteLifecyclePolicy", **name)
    rule = json.loads(LIFECYCLE)["rules"][0]
    selection = rule["selection"]
    changed: dict[str, Any] = {
        "no-priority": {**rule, "rulePriority": None},
        "no-action": {**rule, "action": None},
        "no-unit": {**rule, "selection": {**selection, "countUnit": None}},
        "days-of-a-count": {**rule, "selection": {**selection, "countType": "imageCountMoreThan"}},
        "no-tags": {**rule, "selection": {**selection, "tagStatus": "tagged"}},
        "sometimes-tagged": {**rule, "selection": {**selection, "tagStatus": "sometimes"}},
        "no-such-member": {**rule, "more": 1},
    }
    for step, rules in [(step, [rule]) for step, rule in changed.items()] + [("twice", [rule] * 2)]:
        text = json.dumps({"rules": _without_none(rules)})
        side.call(
            f"lifecycle-{step}", "PutLifecyclePolicy", **name, lifecyclePolicyText=text.ljust(100)
        )
    side.call("lifecycle-no-json", "PutLifecyclePolicy", **name, lifecyclePolicyText="{" * 100)
    side.call(
        "lifecycle-missing",
        "PutLifecyclePolicy",
        repositoryName="missing",
        lifecyclePolicyText=LIFECYCLE,
    )


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_none(item) for name, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, list) else value
