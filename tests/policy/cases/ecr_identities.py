"""Identity-based policies for ECR, and ECR's own condition keys."""

from __future__ import annotations

from . import (
    CONDITION_KEYS,
    ECR_AND_IAM,
    ECR_IDENTITY_EXAMPLES,
    ECR_KEYS,
    ECR_PUSH,
    PULL,
    PULL_ACTIONS,
    PUSH_ACTIONS,
    Case,
    Policy,
    Statement,
    allow,
)

MY_REPO = "arn:aws:ecr:us-east-1:123456789012:repository/my-repo"
_ONE_REPOSITORY = [
    {
        "Sid": "ListImagesInRepository",
        "Effect": "Allow",
        "Action": ["ecr:ListImages"],
        "Resource": MY_REPO,
    },
    {
        "Sid": "GetAuthorizationToken",
        "Effect": "Allow",
        "Action": ["ecr:GetAuthorizationToken"],
        "Resource": "*",
    },
    {
        "Sid": "ManageRepositoryContents",
        "Effect": "Allow",
        "Action": [*PULL_ACTIONS, *PUSH_ACTIONS, "ecr:DescribeRepositories", "ecr:DescribeImages"],
        "Resource": MY_REPO,
    },
]
_PUSH_ONLY: list[Statement] = [
    {
        "Effect": "Allow",
        "Action": [*PUSH_ACTIONS, PULL],
        "Resource": "arn:aws:ecr:us-east-1:111122223333:repository/repository-name",
    },
    {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
]
_BY_OWNER = [
    {
        "Sid": "AccessRepositoryIfOwner",
        "Effect": "Allow",
        "Action": "ecr:*",
        "Resource": "*",
        "Condition": {"StringEquals": {"ecr:ResourceTag/Owner": "${aws:username}"}},
    }
]


def _identity(
    page: str,
    title: str,
    policy: Policy,
    action: str,
    resource: str,
    expected: str,
    *,
    context: dict[str, str | list[str]] | None = None,
    sid: str | None = None,
) -> Case:
    return Case(
        page=page,
        title=f"{title}: {action} on {resource}",
        expected=expected,
        principal="arn:aws:iam::123456789012:user/alice",
        action=action,
        resource=resource,
        identity=policy,
        context=context or {},
        sid=sid,
        resource_account="123456789012",
    )


_ONE = (ECR_IDENTITY_EXAMPLES, "one repository", _ONE_REPOSITORY)
_PUSHER = (ECR_PUSH, "pushing", _PUSH_ONLY)
_NAMED = "arn:aws:ecr:us-east-1:111122223333:repository/repository-name"
_SETTING = allow(
    "ecr:PutAccountSetting", Condition={"StringEquals": {"ecr:AccountSetting": "BLOB_MOUNTING"}}
)
_TAGGED = allow(
    "ecr:CreateRepository",
    Condition={
        "StringEquals": {"aws:RequestTag/team": ["a", "b"]},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "owner"]},
    },
)

_IDENTITY_POLICIES = [
    _identity(*_ONE, "ecr:ListImages", MY_REPO, "allow", sid="ListImagesInRepository"),
    _identity(*_ONE, "ecr:GetAuthorizationToken", "*", "allow", sid="GetAuthorizationToken"),
    _identity(*_ONE, "ecr:PutImage", MY_REPO, "allow", sid="ManageRepositoryContents"),
    _identity(*_ONE, "ecr:PutImage", MY_REPO + "-2", "implicit deny"),
    _identity(*_ONE, "ecr:DeleteRepository", MY_REPO, "implicit deny"),
    _identity(
        *_ONE,
        "ecr:DescribeRepositories",
        "arn:aws:ecr:us-east-1:123456789012:repository/*",
        "implicit deny",
    ),
    _identity(*_ONE, "ecr:DescribeRegistry", "*", "implicit deny"),
    *(_identity(*_PUSHER, action, _NAMED, "allow") for action in (*PUSH_ACTIONS, PULL)),
    _identity(*_PUSHER, "ecr:GetDownloadUrlForLayer", _NAMED, "implicit deny"),
    _identity(*_PUSHER, "ecr:GetAuthorizationToken", "*", "allow"),
    _identity(
        ECR_AND_IAM,
        "by owner",
        _BY_OWNER,
        PULL,
        MY_REPO,
        "allow",
        context={"ecr:ResourceTag/Owner": "alice", "aws:username": "alice"},
    ),
    _identity(
        ECR_AND_IAM,
        "by owner, tagged in another case",
        _BY_OWNER,
        PULL,
        MY_REPO,
        "allow",
        context={"ecr:ResourceTag/owner": "alice", "aws:username": "alice"},
    ),
    _identity(
        ECR_AND_IAM,
        "by owner, another's",
        _BY_OWNER,
        PULL,
        MY_REPO,
        "implicit deny",
        context={"ecr:ResourceTag/Owner": "bob", "aws:username": "alice"},
    ),
    _identity(
        ECR_AND_IAM,
        "by owner, untagged",
        _BY_OWNER,
        PULL,
        MY_REPO,
        "implicit deny",
        context={"aws:username": "alice"},
    ),
    _identity(
        ECR_KEYS,
        "one setting",
        _SETTING,
        "ecr:PutAccountSetting",
        "*",
        "allow",
        context={"ecr:AccountSetting": "BLOB_MOUNTING"},
    ),
    _identity(
        ECR_KEYS,
        "another setting",
        _SETTING,
        "ecr:PutAccountSetting",
        "*",
        "implicit deny",
        context={"ecr:AccountSetting": "REGISTRY_POLICY_SCOPE"},
    ),
    _identity(
        ECR_KEYS,
        "the tags asked for",
        _TAGGED,
        "ecr:CreateRepository",
        MY_REPO,
        "allow",
        context={"aws:RequestTag/team": "a", "aws:TagKeys": ["team"]},
    ),
    _identity(
        ECR_KEYS,
        "one tag too many",
        _TAGGED,
        "ecr:CreateRepository",
        MY_REPO,
        "implicit deny",
        context={"aws:RequestTag/team": "a", "aws:TagKeys": ["team", "cost"]},
    ),
    _identity(ECR_KEYS, "no tags", _TAGGED, "ecr:CreateRepository", MY_REPO, "implicit deny"),
    _identity(
        CONDITION_KEYS,
        "only in an organization",
        allow(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        PULL,
        MY_REPO,
        "allow",
        context={"aws:PrincipalOrgID": "o-a1b2c3d4e5"},
    ),
    _identity(
        CONDITION_KEYS,
        "only in an organization, without one",
        allow(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}),
        PULL,
        MY_REPO,
        "implicit deny",
    ),
]


CASES: list[Case] = _IDENTITY_POLICIES
