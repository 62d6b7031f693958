"""The condition keys of the service authorization reference, acting through the doors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.test_access import denied, door
from tests.access.test_dependent_actions import ACCOUNT, maker, repository
from tests.support.app import App
from tests.support.images import make_image


def allowing(condition: dict[str, Any], *actions: str) -> list[dict[str, Any]]:
    return [{"Effect": "Allow", "Action": list(actions), "Resource": "*", "Condition": condition}]


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def test_request_tag_and_tag_keys(app: App) -> None:
    """User guide, "Using Tag-Based Access Control": tag a repository as it is created."""
    condition = {
        "StringEquals": {"aws:RequestTag/environment": "dev"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["environment", "team"]},
    }
    ecr = maker(app, statements=allowing(condition, "ecr:CreateRepository", "ecr:TagResource"))
    for given in ([], tags(environment="prod"), tags(environment="dev", other="x")):
        message = denied(ecr.create_repository, repositoryName="app", tags=given)
        assert "ecr:CreateRepository" in message
    ecr.create_repository(repositoryName="app", tags=tags(environment="dev", team="web"))
    arn = repository("app")
    assert "ecr:TagResource" in denied(ecr.tag_resource, resourceArn=arn, tags=tags(other="x"))
    ecr.tag_resource(resourceArn=arn, tags=tags(environment="dev"))


def test_tag_keys_of_untag_resource(app: App) -> None:
    app.ecr(ACCOUNT).create_repository(repositoryName="app", tags=tags(a="1", b="2"))
    condition = {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}
    ecr = maker(app, statements=allowing(condition, "ecr:UntagResource"))
    denied(ecr.untag_resource, resourceArn=repository("app"), tagKeys=["a", "b"])
    ecr.untag_resource(resourceArn=repository("app"), tagKeys=["a"])


@pytest.mark.parametrize("key", ["aws:ResourceTag/team", "ecr:ResourceTag/team"])
def test_resource_tag_at_both_doors(app: App, key: str) -> None:
    owner = app.ecr(ACCOUNT)
    for team in ("web", "ops"):
        owner.create_repository(repositoryName=team, tags=tags(team=team))
        app.oci(ACCOUNT).push(team, make_image(), "1")
    statements = allowing({"StringEquals": {key: "web"}}, "ecr:BatchGetImage", "ecr:ListImages")
    ecr = maker(app, "ecr:GetAuthorizationToken", statements=statements)
    ecr.list_images(repositoryName="web")
    denied(ecr.list_images, repositoryName="ops")
    caller = door(app, ecr, ACCOUNT)
    caller.expect(200, "GET", "/v2/web/manifests/1")
    caller.refused(403, "DENIED", "GET", "/v2/ops/manifests/1")
    # A tag that goes takes the permission with it, at once.
    owner.untag_resource(resourceArn=repository("web"), tagKeys=["team"])
    caller.refused(403, "DENIED", "GET", "/v2/web/manifests/1")


def test_resource_tag_of_public_repositories(app: App) -> None:
    owner = app.ecr(ACCOUNT, service="ecr-public")
    for team in ("web", "ops"):
        owner.create_repository(repositoryName=team, tags=tags(team=team))
    condition = {"StringEquals": {"ecr-public:ResourceTag/team": "web"}}
    maker(app, statements=allowing(condition, "ecr-public:DescribeImages"))
    public = app.ecr("AKIAMAKEREXAMPLE0001", secret="maker-secret", service="ecr-public")
    assert public.describe_images(repositoryName="web")["imageDetails"] == []
    denied(public.describe_images, repositoryName="ops")


def test_account_setting(app: App) -> None:
    condition = {"StringEquals": {"ecr:AccountSetting": "BLOB_MOUNTING"}}
    actions = ("ecr:PutAccountSetting", "ecr:GetAccountSetting")
    ecr = maker(app, statements=allowing(condition, *actions))
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"
    message = denied(ecr.get_account_setting, name="REGISTRY_POLICY_SCOPE")
    assert "ecr:GetAccountSetting on resource: * " in message
