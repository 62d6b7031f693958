"""TagResource, UntagResource, ListTagsForResource.

Sources: API reference; "Tagging your AWS resources" for what keys and values may be.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.app import ACCOUNT, REGION, STRANGER, App
from tests.support.refusals import refusal

NAME = "team/app"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{NAME}"
INVALID_ARN = (
    "InvalidParameterException",
    "Invalid parameter at 'resourceArn' failed to satisfy constraint: 'Invalid ARN'",
)


@pytest.fixture(autouse=True)
def repository(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)


def pairs(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(ecr: Any) -> dict[str, str]:
    answer = ecr.list_tags_for_resource(resourceArn=ARN)
    assert answer.keys() == {"tags", "ResponseMetadata"}
    return {tag["Key"]: tag["Value"] for tag in answer["tags"]}


def tag(ecr: Any, **tags: str) -> None:
    answer = ecr.tag_resource(resourceArn=ARN, tags=pairs(tags))
    assert answer.keys() == {"ResponseMetadata"}


def untag(ecr: Any, *keys: str) -> None:
    answer = ecr.untag_resource(resourceArn=ARN, tagKeys=list(keys))
    assert answer.keys() == {"ResponseMetadata"}


def test_no_tags(ecr: Any) -> None:
    assert ecr.list_tags_for_resource(resourceArn=ARN)["tags"] == []


def test_tags_are_added_and_changed(ecr: Any) -> None:
    tag(ecr, b="1", a="2")
    tag(ecr, a="3", c="")
    assert list(tags_of(ecr).items()) == [("a", "3"), ("b", "1"), ("c", "")]
    tag(ecr)
    assert len(tags_of(ecr)) == 3


def test_tags_are_taken_off(ecr: Any) -> None:
    tag(ecr, a="1", b="2")
    for _ in range(2):
        untag(ecr, "a", "missing")
        assert tags_of(ecr) == {"b": "2"}
    untag(ecr)
    assert tags_of(ecr) == {"b": "2"}


def test_keys_differ_by_case(ecr: Any) -> None:
    tag(ecr, a="1", A="2")
    assert tags_of(ecr) == {"A": "2", "a": "1"}


@pytest.mark.parametrize(
    "text", ["a b", "\u00e9\u4e2d\u0663", "a\u00a0b\u3000c", "_.:/=+-@", "x" * 128, "Aws:", "awsx"]
)
def test_what_may_be_in_a_tag(ecr: Any, text: str) -> None:
    if text.lower().startswith("aws:"):
        ecr.tag_resource(resourceArn=ARN, tags=pairs({"k": text}))
    else:
        ecr.tag_resource(resourceArn=ARN, tags=pairs({text: text * 2}))
        assert tags_of(ecr) == {text: text * 2}


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("aws:x", "", "aws: prefixed tag key names are not allowed for external use."),
        ("Aws:x", "", "aws: prefixed tag key names are not allowed for external use."),
        ("", "", "Invalid tag key: ''"),
        ("x" * 129, "", f"Invalid tag key: '{'x' * 128}'"),
        ("a\tb", "", "Invalid tag key: 'a\tb'"),
        ("a\0", "", "Invalid tag key: 'a\0'"),
        ("\U0001f600", "", "Invalid tag key: '\U0001f600'"),
        ("k", "x" * 257, "Invalid tag value for key: 'k'"),
        ("k", "a\nb", "Invalid tag value for key: 'k'"),
    ],
)
def test_what_may_not(app: App, ecr: Any, key: str, value: str, text: str) -> None:
    tag(ecr, before="1")
    answer = app.call("TagResource", {"resourceArn": ARN, "tags": pairs({"ok": "", key: value})})
    refused = (400, {"__type": "InvalidTagParameterException", "message": text})
    assert answer == refused
    if "tag value" not in text:
        # UntagResource models the exception too; likeliest for the same keys.
        keys = ["before", key]
        assert app.call("UntagResource", {"resourceArn": ARN, "tagKeys": keys}) == refused
    assert tags_of(ecr) == {"before": "1"}


def test_fifty_at_the_most(ecr: Any) -> None:
    tag(ecr, **{f"key-{number}": "1" for number in range(50)})
    tag(ecr, **{f"key-{number}": "2" for number in range(50)})
    call = refusal(ecr.tag_resource, resourceArn=ARN, tags=pairs({"one more": ""}))
    assert call == (
        "TooManyTagsException",
        f"The repository with name '{NAME}' cannot have more than 50 tags",
    )
    assert set(tags_of(ecr).values()) == {"2"}
    untag(ecr, "key-0")
    tag(ecr, **{"one more": ""})


def test_ever_so_many_keys_to_take_off(ecr: Any) -> None:
    tag(ecr, a="1", b="2")
    untag(ecr, "a", *(f"missing {number}" for number in range(90_000)))
    assert tags_of(ecr) == {"b": "2"}


OPERATIONS = [
    ("list_tags_for_resource", {}),
    ("tag_resource", {"tags": []}),
    ("untag_resource", {"tagKeys": []}),
]


@pytest.mark.parametrize(("operation", "params"), OPERATIONS)
@pytest.mark.parametrize(
    "arn",
    [
        "",
        "x",
        NAME,
        ARN.replace("ecr", "ec2"),
        ARN.replace("arn:aws:", "arn:aws-cn:"),
        ARN.replace(REGION, "eu-west-1"),
        ARN.replace(ACCOUNT, "1"),
        ARN.replace("repository/", ""),
        ARN + "\n",
        ARN + "?",
        ARN[:-1] + "\u00e9",
        "arn:aws:ecr:" + ":" * 2000,
    ],
)
def test_what_is_no_repositorys_arn(
    app: App, ecr: Any, operation: str, params: dict[str, Any], arn: str
) -> None:
    assert refusal(getattr(ecr, operation), resourceArn=arn, **params) == INVALID_ARN


@pytest.mark.parametrize(("operation", "params"), OPERATIONS)
def test_a_repository_that_is_missing(ecr: Any, operation: str, params: dict[str, Any]) -> None:
    arn = ARN.replace(NAME, "missing")
    assert refusal(getattr(ecr, operation), resourceArn=arn, **params) == (
        "RepositoryNotFoundException",
        f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize(("operation", "params"), OPERATIONS)
def test_a_repository_of_another_account(
    app: App, ecr: Any, operation: str, params: dict[str, Any]
) -> None:
    app.ecr(STRANGER).create_repository(repositoryName=NAME)
    arn = ARN.replace(ACCOUNT, STRANGER)
    code, message = refusal(getattr(ecr, operation), resourceArn=arn, **params)
    action = "".join(part.capitalize() for part in operation.split("_"))
    assert code == "AccessDeniedException"
    assert message.startswith(
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: ecr:{action} on "
        f"resource: {arn} because no "
    )


def test_many_at_once(app: App, ecr: Any) -> None:
    """Writers of one repository's tags lose nothing of each other."""
    clients = [app.ecr() for _ in range(4)] + [app.another_process().ecr() for _ in range(4)]

    def work(item: tuple[int, Any]) -> None:
        number, client = item
        for turn in range(4):
            tag(client, same=str(number), **{f"own-{number}": str(turn)})
        untag(client, "same")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, enumerate(clients)))
    tags = tags_of(ecr)
    assert {key: value for key, value in tags.items() if key != "same"} == {
        f"own-{number}": "3" for number in range(8)
    }
