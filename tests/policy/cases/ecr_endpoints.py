"""Endpoint policies for ECR, and policies of public repositories."""

from __future__ import annotations

from . import (
    ECR_ENDPOINTS,
    ECR_PUBLIC_EXAMPLES,
    PULL,
    PULL_ACTIONS,
    PUSH_ACTIONS,
    REPOSITORY,
    Case,
    Policy,
    Statement,
    allow,
)

USER_1 = "arn:aws:iam::111122223333:user/push-pull-user-1"
USER_2 = "arn:aws:iam::111122223333:user/push-pull-user-2"
USER_3 = "arn:aws:iam::111122223333:user/push-pull-user-3"


def _undated(*statements: Statement) -> Policy:
    return {"Statement": list(statements)}


ENDPOINT_ROLE = "arn:aws:iam::111122223333:role/role_name"
_ROLE_PULLS: Statement = {
    "Sid": "AllowPull",
    "Principal": {"AWS": ENDPOINT_ROLE},
    "Action": PULL_ACTIONS,
    "Effect": "Allow",
    "Resource": "*",
}
_ALLOW_ALL: Statement = {
    "Sid": "AllowAll",
    "Principal": "*",
    "Action": "*",
    "Effect": "Allow",
    "Resource": "*",
}
_PREVENT_DELETE: Statement = {
    "Sid": "PreventDelete",
    "Principal": "*",
    "Action": "ecr:DeleteRepository",
    "Effect": "Deny",
    "Resource": REPOSITORY,
}


def _endpoint(
    title: str, policy: Policy, principal: str, action: str, expected: str, by: str, sid: str | None
) -> Case:
    return Case(
        page=ECR_ENDPOINTS,
        title=f"{title}: {principal} {action}",
        expected=expected,
        by=by,
        principal=principal,
        action=action,
        identity=allow(),
        endpoint=policy,
        sid=sid,
    )


ENDPOINT_SESSION = "arn:aws:sts::111122223333:assumed-role/role_name/task"
_ENDPOINT_POLICIES = [
    _endpoint(
        "a role pulls", _undated(_ROLE_PULLS), ENDPOINT_SESSION, PULL, "allow", "IDENTITY", None
    ),
    _endpoint(
        "a role pulls", _undated(_ROLE_PULLS), USER_1, PULL, "implicit deny", "VPC_ENDPOINT", None
    ),
    _endpoint(
        "a role pulls",
        _undated(_ROLE_PULLS),
        ENDPOINT_SESSION,
        "ecr:PutImage",
        "implicit deny",
        "VPC_ENDPOINT",
        None,
    ),
    _endpoint(
        "no deletion",
        _undated(_ALLOW_ALL, _PREVENT_DELETE),
        USER_1,
        "ecr:DeleteRepository",
        "explicit deny",
        "VPC_ENDPOINT",
        "PreventDelete",
    ),
    _endpoint(
        "no deletion",
        _undated(_ALLOW_ALL, _PREVENT_DELETE),
        USER_1,
        PULL,
        "allow",
        "IDENTITY",
        None,
    ),
    _endpoint(
        "both",
        _undated(_ALLOW_ALL, _PREVENT_DELETE, _ROLE_PULLS),
        ENDPOINT_SESSION,
        "ecr:DeleteRepository",
        "explicit deny",
        "VPC_ENDPOINT",
        "PreventDelete",
    ),
]

PUBLIC = "arn:aws:ecr-public::111122223333:repository/app"
_PUBLIC_PUSH = [
    {
        "Sid": "AllowPush",
        "Effect": "Allow",
        "Principal": {"AWS": [USER_1, USER_2]},
        "Action": [action.replace("ecr:", "ecr-public:") for action in PUSH_ACTIONS],
        "Resource": "*",
    }
]


def _public(title: str, principal: str, action: str, expected: str, by: str) -> Case:
    return Case(
        page=ECR_PUBLIC_EXAMPLES,
        title=f"{title}: {action}",
        expected=expected,
        by=by,
        principal=principal,
        action=action,
        resource=PUBLIC,
        repository=_PUBLIC_PUSH,
    )


_PUBLIC_POLICIES = [
    _public("a user who pushes", USER_1, "ecr-public:PutImage", "allow", "REPOSITORY"),
    _public("another user", USER_3, "ecr-public:PutImage", "implicit deny", "IDENTITY"),
    _public(
        "a user who pushes", USER_1, "ecr-public:DeleteRepository", "implicit deny", "IDENTITY"
    ),
    _public("the private action of that name", USER_1, "ecr:PutImage", "implicit deny", "IDENTITY"),
]


CASES: list[Case] = [*_ENDPOINT_POLICIES, *_PUBLIC_POLICIES]
