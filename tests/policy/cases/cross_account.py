"""Decisions across two accounts: both sides have to allow."""

from __future__ import annotations

from . import (
    CROSS_ACCOUNT,
    Case,
    Policy,
    Statement,
    allow,
    deny,
    grant,
    refuse,
)

ROOT = "arn:aws:iam::111122223333:root"
VISITOR = "arn:aws:iam::444455556666:user/visitor"
VISITOR_ACCOUNT = {"AWS": "arn:aws:iam::444455556666:root"}
VISITOR_SESSION = "arn:aws:sts::444455556666:assumed-role/deployer/run-1"
VISITOR_ROLE = "arn:aws:iam::444455556666:role/deployer"
NOTHING = allow("s3:GetObject")
CARLOS_AWAY = "arn:aws:iam::111111111111:user/carlossalazar"


def _across(
    title: str,
    expected: str,
    by: str = "IDENTITY",
    *,
    principal: str = VISITOR,
    identity: Policy | None = None,
    boundary: Policy | None = None,
    session: Policy | None = None,
    repository: Policy | None = None,
    registry: Policy | None = None,
) -> Case:
    return Case(
        page=CROSS_ACCOUNT,
        title=f"another account: {title}",
        expected=expected,
        by=by,
        principal=principal,
        identity=identity,
        boundary=boundary,
        session=session,
        repository=repository,
        registry=registry,
    )


_TWO_ACCOUNTS = [
    _across("nothing allows", "implicit deny", "REPOSITORY"),
    _across("its own policies alone", "implicit deny", "REPOSITORY", identity=allow("*")),
    _across("the resource policy alone", "implicit deny", repository=grant({"AWS": VISITOR})),
    _across("both, named", "allow", identity=allow(), repository=grant({"AWS": VISITOR})),
    _across("both, by the account", "allow", identity=allow(), repository=grant(VISITOR_ACCOUNT)),
    _across(
        "both, by the account's id",
        "allow",
        identity=allow(),
        repository=grant({"AWS": "444455556666"}),
    ),
    _across("both, everyone", "allow", identity=allow(), repository=grant("*")),
    _across("everyone, but not its own policies", "implicit deny", repository=grant("*")),
    _across(
        "another of its users is named",
        "implicit deny",
        "REPOSITORY",
        identity=allow(),
        repository=grant({"AWS": VISITOR + "2"}),
    ),
    _across(
        "the resource's account is named",
        "implicit deny",
        "REPOSITORY",
        identity=allow(),
        repository=grant({"AWS": ROOT}),
    ),
    _across(
        "its own policies deny", "explicit deny", identity=allow() + deny(), repository=grant("*")
    ),
    _across(
        "the resource policy denies",
        "explicit deny",
        "REPOSITORY",
        identity=allow(),
        repository=grant("*") + refuse(VISITOR_ACCOUNT),
    ),
    _across(
        "its boundary does not allow",
        "implicit deny",
        "PERMISSIONS_BOUNDARY",
        identity=allow(),
        boundary=NOTHING,
        repository=grant({"AWS": VISITOR}),
    ),
    _across(
        "its own policies on another resource",
        "implicit deny",
        identity=allow(resource="arn:aws:ecr:*:444455556666:*"),
        repository=grant({"AWS": VISITOR}),
    ),
    _across(
        "its root user by the account",
        "allow",
        "REPOSITORY",
        principal="arn:aws:iam::444455556666:root",
        repository=grant(VISITOR_ACCOUNT),
    ),
    _across(
        "its root user without a grant",
        "implicit deny",
        "REPOSITORY",
        principal="arn:aws:iam::444455556666:root",
    ),
    _across(
        "a role session by the role",
        "allow",
        principal=VISITOR_SESSION,
        identity=allow(),
        repository=grant({"AWS": VISITOR_ROLE}),
    ),
    _across(
        "a role session by the role, without policies",
        "implicit deny",
        principal=VISITOR_SESSION,
        repository=grant({"AWS": VISITOR_ROLE}),
    ),
    _across(
        "a role session by its ARN still needs its own policies",
        "implicit deny",
        principal=VISITOR_SESSION,
        repository=grant({"AWS": VISITOR_SESSION}),
    ),
    _across(
        "a role session's session policy does not allow",
        "implicit deny",
        "SESSION",
        principal=VISITOR_SESSION,
        identity=allow(),
        session=NOTHING,
        repository=grant({"AWS": VISITOR_ROLE}),
    ),
    _across(
        "the registry policy grants",
        "allow",
        identity=allow(),
        registry=grant(VISITOR_ACCOUNT, Resource="*"),
    ),
    _across(
        "the registry policy grants on other repositories",
        "implicit deny",
        "REPOSITORY",
        identity=allow(),
        registry=grant(VISITOR_ACCOUNT, Resource="arn:aws:ecr:*:*:repository/prod-*"),
    ),
]

_CARLOS_OUT: list[Statement] = [
    {"Sid": "AllowS3ListRead", "Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"},
    {
        "Sid": "AllowS3ProductionObjectActions",
        "Effect": "Allow",
        "Action": "s3:*Object*",
        "Resource": "arn:aws:s3:::Production/*",
    },
    {
        "Sid": "DenyS3Logs",
        "Effect": "Deny",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::*log*", "arn:aws:s3:::*log*/*"],
    },
]
_PRODUCTION = grant(
    {"AWS": CARLOS_AWAY},
    ["s3:GetObject*", "s3:PutObject*", "s3:ReplicateObject", "s3:RestoreObject"],
    Resource="arn:aws:s3:::Production/*",
)


def _carlos(action: str, resource: str, expected: str, by: str, sid: str | None) -> Case:
    return Case(
        page=CROSS_ACCOUNT,
        title=f"Carlos of 111111111111: {action} on {resource}",
        expected=expected,
        by=by,
        principal=CARLOS_AWAY,
        action=action,
        resource=resource,
        identity=_CARLOS_OUT,
        repository=_PRODUCTION,
        resource_account="222222222222",
        sid=sid,
    )


_CARLOS_AWAY = [
    _carlos(
        "s3:PutObject", "arn:aws:s3:::Production-logs/x", "explicit deny", "IDENTITY", "DenyS3Logs"
    ),
    _carlos(
        "s3:PutObject",
        "arn:aws:s3:::Production/x",
        "allow",
        "IDENTITY",
        "AllowS3ProductionObjectActions",
    ),
    _carlos("s3:DeleteObject", "arn:aws:s3:::Production/x", "implicit deny", "REPOSITORY", None),
]


CASES: list[Case] = [*_TWO_ACCOUNTS, *_CARLOS_AWAY]
