"""TagResource, UntagResource, ListTagsForResource.

They are the functions of the private service. Sources: API reference, ARNs of the Service
Authorization Reference.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.ecr_public.answers import constraint, denied, members, not_found
from tests.support.app import ACCOUNT, REGION, STRANGER, App
from tests.support.refusals import refusal


def arn_of(name: str) -> str:
    return f"arn:aws:ecr-public::{ACCOUNT}:repository/{name}"


def tags_of(public: Any, name: str) -> dict[str, str]:
    answer = members(public.list_tags_for_resource(resourceArn=arn_of(name)))
    tags = {tag["Key"]: tag["Value"] for tag in answer.pop("tags")}
    assert answer == {}
    return tags


def test_tag_untag_and_list(public: Any, repository: str) -> None:
    arn = arn_of(repository)
    assert tags_of(public, repository) == {}
    given = [{"Key": "env", "Value": "dev"}, {"Key": "team", "Value": ""}]
    assert members(public.tag_resource(resourceArn=arn, tags=given)) == {}
    public.tag_resource(resourceArn=arn, tags=[{"Key": "env", "Value": "prod"}])
    assert tags_of(public, repository) == {"env": "prod", "team": ""}
    assert members(public.untag_resource(resourceArn=arn, tagKeys=["env", "none"])) == {}
    assert tags_of(public, repository) == {"team": ""}


def test_tags_of_the_private_repository_of_that_name_are_apart(
    app: App, public: Any, repository: str
) -> None:
    ecr = app.ecr()
    arn = ecr.create_repository(repositoryName=repository)["repository"]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "env", "Value": "dev"}])
    assert tags_of(public, repository) == {}


@pytest.mark.parametrize(
    "arn",
    [
        "x",
        f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr:public:{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr-public:{REGION}:{ACCOUNT}:repository/team/app",
        f"arn:aws-cn:ecr-public::{ACCOUNT}:repository/team/app",
        f"arn:aws:ecr-public::{ACCOUNT}:registry/{ACCOUNT}",
        "arn:aws:ecr-public::12345:repository/team/app",
        f"arn:aws:ecr-public::{ACCOUNT}:repository/",
    ],
)
def test_what_is_no_public_repositorys_arn(public: Any, repository: str, arn: str) -> None:
    invalid = constraint("resourceArn", "Invalid ARN")
    assert refusal(public.list_tags_for_resource, resourceArn=arn) == invalid
    assert refusal(public.tag_resource, resourceArn=arn, tags=[]) == invalid
    assert refusal(public.untag_resource, resourceArn=arn, tagKeys=[]) == invalid


def test_no_such_repository(public: Any, repository: str) -> None:
    arn = arn_of("other")
    missing = not_found("other", ACCOUNT)
    assert refusal(public.list_tags_for_resource, resourceArn=arn) == missing
    assert refusal(public.tag_resource, resourceArn=arn, tags=[]) == missing
    assert refusal(public.untag_resource, resourceArn=arn, tagKeys=[]) == missing


def test_tags_that_are_not_allowed(public: Any, repository: str) -> None:
    arn = arn_of(repository)
    code, _ = refusal(public.tag_resource, resourceArn=arn, tags=[{"Key": "aws:x", "Value": "y"}])
    assert code == "InvalidTagParameterException"
    code, _ = refusal(public.untag_resource, resourceArn=arn, tagKeys=["aws:x"])
    assert code == "InvalidTagParameterException"
    # The model requires no key, unlike ECR's own.
    no_key = ("InvalidTagParameterException", "Invalid tag key: 'null'")
    assert refusal(public.tag_resource, resourceArn=arn, tags=[{"Value": "y"}]) == no_key
    assert refusal(public.create_repository, repositoryName="new", tags=[{}]) == no_key
    many = [{"Key": f"k{number}", "Value": ""} for number in range(51)]
    code, _ = refusal(public.tag_resource, resourceArn=arn, tags=many)
    assert code == "TooManyTagsException"
    assert tags_of(public, repository) == {}
    too_many = [{"Key": f"k{number}", "Value": ""} for number in range(201)]
    assert refusal(public.tag_resource, resourceArn=arn, tags=too_many) == constraint(
        "tags", "Member must have length less than or equal to 200"
    )


def test_a_stranger(app: App, public: Any, repository: str) -> None:
    stranger = app.ecr(STRANGER, service="ecr-public")
    arn = arn_of(repository)
    assert refusal(stranger.tag_resource, resourceArn=arn, tags=[]) == denied(
        STRANGER, ACCOUNT, "TagResource", repository
    )
