"""Which condition keys a request carries (IAM User Guide, reference_policies_condition-keys)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ecr_emulator.policy.context import (
    Caller,
    Origin,
    RequestContext,
    caller_keys,
    origin_keys,
    resource_keys,
    tagging_keys,
    time_keys,
)
from ecr_emulator.policy.requesters import ANONYMOUS, RequesterKind, requester_from_arn

ACCOUNT = "111122223333"
ISSUED = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=timezone(timedelta(hours=1)))


def keys(arn: str, **rest: object) -> dict[str, object]:
    return dict(caller_keys(Caller(requester_from_arn(arn), **rest)))  # type: ignore[arg-type]


def test_names_know_no_case_and_values_keep_theirs() -> None:
    context = RequestContext({"aws:TagKeys": ["A", "b"], "aws:UserName": "Alice"})
    assert context["AWS:tagkeys"] == ("A", "b")
    assert "aws:USERNAME" in context
    assert context.get("aws:other") is None
    assert len(context) == 2
    assert set(context) == {"aws:tagkeys", "aws:username"}


def test_principal_key_values() -> None:
    """The table "Principal key values" (reference_policies_variables)."""
    root = keys(f"arn:aws:iam::{ACCOUNT}:root")
    assert root["aws:PrincipalType"] == "Account"
    assert root["aws:userid"] == ACCOUNT
    assert "aws:username" not in root
    user = keys(f"arn:aws:iam::{ACCOUNT}:user/division/alice", user_id="AIDAEXAMPLE")
    assert user["aws:PrincipalType"] == "User"
    assert user["aws:userid"] == "AIDAEXAMPLE"
    assert user["aws:username"] == "alice"
    assert user["aws:PrincipalArn"] == f"arn:aws:iam::{ACCOUNT}:user/division/alice"
    session = keys(f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s", user_id="AROAEXAMPLE:s")
    assert session["aws:PrincipalType"] == "AssumedRole"
    assert session["aws:PrincipalArn"] == f"arn:aws:iam::{ACCOUNT}:role/r"
    assert session["aws:userid"] == "AROAEXAMPLE:s"
    assert "aws:username" not in session
    federated = keys(f"arn:aws:sts::{ACCOUNT}:federated-user/bob")
    assert federated["aws:PrincipalType"] == "FederatedUser"
    assert federated["aws:userid"] == f"{ACCOUNT}:bob"
    assert federated["aws:PrincipalArn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/bob"
    anonymous = caller_keys(Caller(ANONYMOUS))
    assert anonymous["aws:PrincipalType"] == "Anonymous"
    assert anonymous["aws:userid"] == "anonymous"
    assert "aws:PrincipalArn" not in anonymous
    service = keys("lambda.amazonaws.com")
    assert service["aws:PrincipalIsAWSService"] == "true"
    assert service["aws:PrincipalServiceName"] == "lambda.amazonaws.com"


def test_what_is_known_of_a_caller() -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/alice"
    plain = keys(arn)
    assert plain["aws:PrincipalAccount"] == ACCOUNT
    for missing in (
        "aws:TokenIssueTime",
        "aws:MultiFactorAuthPresent",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
    ):
        assert missing not in plain
    full = keys(
        arn,
        tags={"team": "a"},
        organization_id="o-1",
        organization_paths=["o-1/r-1/"],
        token_issued=ISSUED,
        mfa=True,
    )
    assert full["aws:PrincipalTag/team"] == "a"
    assert full["aws:PrincipalOrgID"] == "o-1"
    assert full["aws:PrincipalOrgPaths"] == ("o-1/r-1/",)
    assert full["aws:TokenIssueTime"] == "2026-01-02T02:04:05Z"
    assert full["aws:MultiFactorAuthPresent"] == "true"


def test_where_a_request_comes_from() -> None:
    direct = origin_keys(Origin(source_ip="203.0.113.9", secure_transport=True, user_agent="x"))
    assert direct == {
        "aws:SecureTransport": "true",
        "aws:SourceIp": "203.0.113.9",
        "aws:UserAgent": "x",
    }
    private = origin_keys(Origin(source_ip="10.0.0.9", vpc="vpc-1", vpce="vpce-1", referer="r"))
    assert private == {
        "aws:SecureTransport": "false",
        "aws:SourceVpce": "vpce-1",
        "aws:SourceVpc": "vpc-1",
        "aws:VpcSourceIp": "10.0.0.9",
        "aws:Referer": "r",
    }


def test_time() -> None:
    assert time_keys(ISSUED) == {
        "aws:CurrentTime": "2026-01-02T02:04:05Z",
        "aws:EpochTime": str(int(ISSUED.timestamp())),
    }


def test_resources_and_tags() -> None:
    assert resource_keys("ecr", account=ACCOUNT, region="us-east-1", tags={"Owner": "a"}) == {
        "aws:ResourceAccount": ACCOUNT,
        "aws:RequestedRegion": "us-east-1",
        "aws:ResourceTag/Owner": "a",
        "ecr:ResourceTag/Owner": "a",
    }
    assert resource_keys("ecr-public", account=ACCOUNT, tags={"a": "b"}) == {
        "aws:ResourceAccount": ACCOUNT,
        "aws:ResourceTag/a": "b",
        "ecr-public:ResourceTag/a": "b",
    }
    assert tagging_keys(tags={"a": "1", "b": "2"}) == {
        "aws:RequestTag/a": "1",
        "aws:RequestTag/b": "2",
        "aws:TagKeys": ("a", "b"),
    }
    assert tagging_keys(tag_keys=["a"]) == {"aws:TagKeys": ("a",)}
    assert tagging_keys() == {}


@pytest.mark.parametrize(
    ("arn", "kind"),
    [
        ("arn:aws-cn:iam::111122223333:root", RequesterKind.ROOT),
        ("arn:aws:iam::111122223333:user/a/b", RequesterKind.USER),
        ("arn:aws:sts::111122223333:assumed-role/r/s", RequesterKind.ROLE_SESSION),
        ("arn:aws:sts::111122223333:federated-user/f", RequesterKind.FEDERATED_USER),
        ("*", RequesterKind.ANONYMOUS),
        ("ecr.amazonaws.com", RequesterKind.SERVICE),
    ],
)
def test_requesters_by_arn(arn: str, kind: RequesterKind) -> None:
    assert requester_from_arn(arn).kind is kind


@pytest.mark.parametrize(
    "arn",
    [
        "",
        "alice",
        "arn:aws:iam::1:user/a",
        "arn:aws:iam::111122223333:user/",
        "arn:aws:iam::111122223333:role/r",
        "arn:aws:iam::111122223333:group/g",
        "arn:aws:sts::111122223333:assumed-role/r",
        "arn:aws:s3:::bucket",
    ],
)
def test_what_makes_no_requests(arn: str) -> None:
    with pytest.raises(ValueError, match="principal"):
        requester_from_arn(arn)
