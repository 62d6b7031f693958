"""Actions and resources."""

from __future__ import annotations

from . import (
    ACTION,
    IDENTIFIERS,
    NOT_ACTION,
    NOT_RESOURCE,
    REPOSITORY,
    RESOURCE,
    Case,
    allow,
    grant,
)

ACCOUNT = "111122223333"


def _action(pattern: str, action: str, covered: bool) -> Case:
    return Case(
        page=ACTION,
        title=f"Action {pattern} for {action}",
        expected="allow" if covered else "implicit deny",
        action=action,
        identity=allow(pattern),
    )


def _not_action(pattern: str, action: str, covered: bool) -> Case:
    return Case(
        page=NOT_ACTION,
        title=f"NotAction {pattern} for {action}",
        expected="allow" if covered else "implicit deny",
        action=action,
        identity=[{"Effect": "Allow", "NotAction": pattern, "Resource": "*"}],
    )


def _resource(pattern: str, resource: str, covered: bool, page: str = RESOURCE) -> Case:
    return Case(
        page=page,
        title=f"Resource {pattern} for {resource}",
        expected="allow" if covered else "implicit deny",
        resource=resource,
        identity=allow("*", pattern),
        resource_account=ACCOUNT,
    )


def _not_resource(
    patterns: list[str], resource: str, expected: str, effect: str = "Deny", action: str = "s3:*"
) -> Case:
    statement = {"Effect": effect, "Action": action, "NotResource": patterns}
    others: list[dict[str, object]] = allow("*") if effect == "Deny" else []
    return Case(
        page=NOT_RESOURCE,
        title=f"{effect} NotResource {patterns} for {resource}",
        expected=expected,
        action="s3:GetObject",
        resource=resource,
        identity=[*others, statement],
        resource_account=ACCOUNT,
    )


_ACTIONS = [
    _action("ecr:BatchGetImage", "ecr:BatchGetImage", True),
    _action("ECR:batchgetimage", "ecr:BatchGetImage", True),
    _action("iam:ListAccessKeys", "IAM:listaccesskeys", True),
    _action("ecr:*", "ecr:PutImage", True),
    _action("*", "ecr:PutImage", True),
    _action("iam:*AccessKey*", "iam:CreateAccessKey", True),
    _action("iam:*AccessKey*", "iam:UpdateAccessKey", True),
    _action("iam:*AccessKey*", "iam:CreateUser", False),
    _action("ecr:Batch*Image", "ecr:BatchDeleteImage", True),
    _action("ecr:Batch*Image", "ecr:BatchGetImages", False),
    _action("ecr:?utImage", "ecr:PutImage", True),
    _action("ecr:??utImage", "ecr:PutImage", False),
    _action("ecr:*", "ecr-public:PutImage", False),
    _action("s3:GetObject", "ecr:BatchGetImage", False),
    _not_action("iam:*", "ecr:PutImage", True),
    _not_action("iam:*", "iam:CreateUser", False),
    _not_action("iam:*", "IAM:CreateUser", False),
    _not_action("ecr:Delete*", "ecr:PutImage", True),
    _not_action("ecr:Delete*", "ecr:DeleteRepository", False),
    Case(
        page=NOT_ACTION,
        title="NotAction with Deny denies all but what it lists: listed",
        expected="allow",
        action="iam:ListUsers",
        identity=[*allow("*"), {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}],
    ),
    Case(
        page=NOT_ACTION,
        title="NotAction with Deny denies all but what it lists: not listed",
        expected="explicit deny",
        identity=[*allow("*"), {"Effect": "Deny", "NotAction": "iam:*", "Resource": "*"}],
    ),
    Case(
        page=NOT_ACTION,
        title="DenyAllUsersNotUsingMFA with long-term keys",
        expected="explicit deny",
        identity=[
            *allow("*"),
            {
                "Sid": "DenyAllUsersNotUsingMFA",
                "Effect": "Deny",
                "NotAction": "iam:*",
                "Resource": "*",
                "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
            },
        ],
        sid="DenyAllUsersNotUsingMFA",
    ),
    Case(
        page=NOT_ACTION,
        title="DenyAllUsersNotUsingMFA with MFA",
        expected="allow",
        identity=[
            *allow("*"),
            {
                "Effect": "Deny",
                "NotAction": "iam:*",
                "Resource": "*",
                "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
            },
        ],
        context={"aws:MultiFactorAuthPresent": "true"},
    ),
    Case(
        page=NOT_ACTION,
        title="NotAction on S3's resources does not reach the * resource of a listing",
        expected="implicit deny",
        action="s3:ListAllMyBuckets",
        resource="*",
        identity=[
            {"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::*"}
        ],
    ),
]

_RESOURCES = [
    _resource("*", REPOSITORY, True),
    _resource(REPOSITORY, REPOSITORY, True),
    _resource(REPOSITORY, f"{REPOSITORY}2", False),
    _resource(REPOSITORY, REPOSITORY.replace("app", "App"), False),
    _resource("arn:aws:ecr:*:*:repository/*", REPOSITORY, True),
    _resource("arn:aws:ecr:us-east-1:111122223333:repository/team-?/*", REPOSITORY, False),
    _resource("arn:aws:s3:::my_corporate_bucket/*", "arn:aws:s3:::my_corporate_bucket/a/b", True),
    _resource("arn:aws:s3:::my_corporate_bucket/*", "arn:aws:s3:::my_corporate_bucket", False),
    _resource("arn:aws:ecr:us-*-1:111122223333:repository/app", REPOSITORY, True),
    _resource("arn:aws:ecr:us-east-1:1111*:repository/ap?", REPOSITORY, True),
    _resource("arn:aws:ecr:us-east-1:111122223333:*", REPOSITORY, True),
    # A wildcard stays in its segment.
    _resource("arn:aws:ecr:*:repository/app", REPOSITORY, False),
    _resource("arn:aws:iam::123456789012:user/*", "arn:aws:iam::123456789012:user/John", True),
    _resource(
        "arn:aws:iam::123456789012:user/division_abc*",
        "arn:aws:iam::123456789012:user/division_abc/subdivision_xyz/JaneDoe",
        True,
        IDENTIFIERS,
    ),
    _resource(
        "arn:aws:iam::123456789012:user/division_abc*",
        "arn:aws:iam::123456789012:user/John",
        False,
        IDENTIFIERS,
    ),
    # An incomplete ARN is completed with wildcards in an identity-based policy.
    _resource("arn:aws:sqs", "arn:aws:sqs:us-east-1:123456789012:queue", True, IDENTIFIERS),
    _resource("arn:aws:ecr:us-east-1", REPOSITORY, True, IDENTIFIERS),
    _resource("arn:aws:sqs", REPOSITORY, False, IDENTIFIERS),
    Case(
        page=IDENTIFIERS,
        title="an incomplete ARN is not completed in a resource-based policy",
        expected="implicit deny",
        repository=grant("*", Resource="arn:aws:ecr"),
    ),
    # An action that knows no resource asks for "*".
    _resource("*", "*", True),
    _resource(REPOSITORY, "*", False),
    _resource("arn:aws:ecr:*:*:*", "*", False),
    _not_resource(
        ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"],
        "arn:aws:s3:::HRBucket/Payroll/may",
        "allow",
    ),
    _not_resource(
        ["arn:aws:s3:::HRBucket/Payroll", "arn:aws:s3:::HRBucket/Payroll/*"],
        "arn:aws:s3:::HRBucket/Other",
        "explicit deny",
    ),
    _not_resource(["arn:aws:s3:::HRBucket/*"], "arn:aws:s3:::Other/x", "allow", "Allow"),
    _not_resource(["arn:aws:s3:::HRBucket/*"], "arn:aws:s3:::HRBucket/x", "implicit deny", "Allow"),
]


CASES: list[Case] = [*_ACTIONS, *_RESOURCES]
