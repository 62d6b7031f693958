"""The examples that the pages on evaluation and boundaries work through."""

from __future__ import annotations

from . import (
    BOUNDARIES,
    EVALUATION,
    EXPLICIT_IMPLICIT,
    Case,
    Policy,
    Statement,
    allow,
    grant,
)

CARLOS = "arn:aws:iam::123456789012:user/carlossalazar"

_READ_AND_LIST: list[Statement] = [
    {
        "Sid": "AllowGetList",
        "Effect": "Allow",
        "Action": ["iam:Get*", "iam:List*"],
        "Resource": "*",
    },
    {"Sid": "DenyReports", "Effect": "Deny", "Action": "iam:*Report", "Resource": "*"},
]
_CARLOS: list[Statement] = [
    {
        "Sid": "AllowS3ListRead",
        "Effect": "Allow",
        "Action": ["s3:GetBucketLocation", "s3:ListAllMyBuckets"],
        "Resource": "arn:aws:s3:::*",
    },
    {
        "Sid": "AllowS3Self",
        "Effect": "Allow",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"],
    },
    {"Sid": "DenyS3Logs", "Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::*log*"},
]
_CARLOS_BUCKET = grant(
    {"AWS": CARLOS},
    "s3:*",
    Resource=["arn:aws:s3:::carlossalazar/*", "arn:aws:s3:::carlossalazar"],
)
_SHIRLEY = allow(["s3:*", "cloudwatch:*", "ec2:*"])


def _iam(action: str, expected: str, sid: str | None) -> Case:
    return Case(
        page=EXPLICIT_IMPLICIT,
        title=f"AllowGetList and DenyReports: {action}",
        expected=expected,
        action=action,
        resource="*",
        identity=_READ_AND_LIST,
        sid=sid,
    )


def _bucket(resource: str, expected: str, by: str, sid: str | None) -> Case:
    return Case(
        page=EVALUATION,
        title=f"Carlos saves to {resource}",
        expected=expected,
        by=by,
        principal=CARLOS,
        action="s3:PutObject",
        resource=resource,
        identity=_CARLOS,
        repository=_CARLOS_BUCKET,
        resource_account="123456789012",
        sid=sid,
    )


def _shirley(action: str, expected: str, by: str, identity: Policy) -> Case:
    return Case(
        page=BOUNDARIES,
        title=f"ShirleyRodriguez: {action}",
        expected=expected,
        by=by,
        principal="arn:aws:iam::123456789012:user/ShirleyRodriguez",
        action=action,
        resource="*",
        identity=identity,
        boundary=_SHIRLEY,
    )


_EXAMPLES = [
    _iam("iam:GetUser", "allow", "AllowGetList"),
    _iam("iam:ListUsers", "allow", "AllowGetList"),
    _iam("iam:CreatePolicy", "implicit deny", None),
    _iam("iam:GenerateCredentialReport", "explicit deny", "DenyReports"),
    _iam("iam:GetCredentialReport", "explicit deny", "DenyReports"),
    _bucket("arn:aws:s3:::carlossalazar-logs/x", "explicit deny", "IDENTITY", "DenyS3Logs"),
    _bucket("arn:aws:s3:::carlossalazar/x", "allow", "REPOSITORY", None),
    _bucket("arn:aws:s3:::other/x", "implicit deny", "IDENTITY", None),
    _shirley("iam:CreateUser", "implicit deny", "PERMISSIONS_BOUNDARY", allow("iam:CreateUser")),
    _shirley("ec2:RunInstances", "allow", "IDENTITY", allow("ec2:*")),
    _shirley("s3:ListAllMyBuckets", "implicit deny", "IDENTITY", allow("ec2:*")),
]


CASES: list[Case] = _EXAMPLES
