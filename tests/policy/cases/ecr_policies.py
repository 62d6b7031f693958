"""The examples of repository and registry policies in the ECR User Guide."""

from __future__ import annotations

from . import (
    PULL,
    PULL_ACTIONS,
    PUSH_ACTIONS,
    REGISTRY_EXAMPLES,
    REPOSITORY_EXAMPLES,
    Case,
    Policy,
    Statement,
    allow,
)

USER_1 = "arn:aws:iam::111122223333:user/push-pull-user-1"
USER_2 = "arn:aws:iam::111122223333:user/push-pull-user-2"
USER_3 = "arn:aws:iam::111122223333:user/push-pull-user-3"
VISITOR = "arn:aws:iam::444455556666:user/visitor"


def _old(*statements: Statement) -> Policy:
    return {"Version": "2008-10-17", "Statement": list(statements)}


_PUSH_PULL = _old(
    {
        "Sid": "AllowPushPull",
        "Effect": "Allow",
        "Principal": {"AWS": [USER_1, USER_2]},
        "Action": PULL_ACTIONS + PUSH_ACTIONS,
    }
)
_CROSS_ACCOUNT_PUSH = _old(
    {
        "Sid": "AllowCrossAccountPush",
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
        "Action": ["ecr:GetDownloadUrlForLayer", *PUSH_ACTIONS],
    }
)
_PULLERS_AND_ADMIN = _old(
    {
        "Sid": "AllowPull",
        "Effect": "Allow",
        "Principal": {"AWS": [USER_1, USER_2]},
        "Action": PULL_ACTIONS,
    },
    {"Sid": "AllowAll", "Effect": "Allow", "Principal": {"AWS": USER_3}, "Action": ["ecr:*"]},
)
_PULL_FOR_ALL = _old(
    {"Sid": "AllowPull", "Effect": "Allow", "Principal": "*", "Action": PULL_ACTIONS}
)
_DENY_PULL = _old({"Sid": "DenyPull", "Effect": "Deny", "Principal": "*", "Action": PULL_ACTIONS})
_ADDRESSES = [
    {
        "Sid": "IPAllow",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "ecr:*",
        "Condition": {
            "NotIpAddress": {"aws:SourceIp": "54.240.143.188/32"},
            "IpAddress": {"aws:SourceIp": "54.240.143.0/24"},
        },
    }
]
_CODEBUILD = [
    {
        "Sid": "CodeBuildAccess",
        "Effect": "Allow",
        "Principal": {"Service": "codebuild.amazonaws.com"},
        "Action": PULL_ACTIONS,
        "Condition": {
            "ArnLike": {"aws:SourceArn": "arn:aws:codebuild:us-east-1:123456789012:project/p"},
            "StringEquals": {"aws:SourceAccount": "123456789012"},
        },
    }
]


def _repository(
    title: str,
    policy: Policy,
    principal: str,
    action: str,
    expected: str,
    by: str = "REPOSITORY",
    *,
    identity: Policy | None = None,
    context: dict[str, str] | None = None,
    sid: str | None = None,
) -> Case:
    return Case(
        page=REPOSITORY_EXAMPLES,
        title=f"{title}: {action}",
        expected=expected,
        by=by,
        principal=principal,
        action=action,
        repository=policy,
        identity=identity,
        context=context or {},
        sid=sid,
    )


_REPOSITORY_POLICIES = [
    _repository("users who push and pull", _PUSH_PULL, USER_1, PULL, "allow", sid="AllowPushPull"),
    _repository("users who push and pull", _PUSH_PULL, USER_2, "ecr:PutImage", "allow"),
    _repository(
        "users who push and pull",
        _PUSH_PULL,
        USER_1,
        "ecr:DeleteRepository",
        "implicit deny",
        "IDENTITY",
    ),
    _repository("users who push and pull", _PUSH_PULL, USER_3, PULL, "implicit deny", "IDENTITY"),
    _repository(
        "another account",
        _CROSS_ACCOUNT_PUSH,
        VISITOR,
        "ecr:PutImage",
        "allow",
        "IDENTITY",
        identity=allow(),
    ),
    _repository(
        "another account", _CROSS_ACCOUNT_PUSH, VISITOR, PULL, "implicit deny", identity=allow()
    ),
    _repository(
        "another account, without policies of its own",
        _CROSS_ACCOUNT_PUSH,
        VISITOR,
        "ecr:PutImage",
        "implicit deny",
        "IDENTITY",
    ),
    _repository("pullers and an admin", _PULLERS_AND_ADMIN, USER_1, PULL, "allow", sid="AllowPull"),
    _repository(
        "pullers and an admin",
        _PULLERS_AND_ADMIN,
        USER_1,
        "ecr:PutImage",
        "implicit deny",
        "IDENTITY",
    ),
    _repository(
        "pullers and an admin", _PULLERS_AND_ADMIN, USER_3, "ecr:PutImage", "allow", sid="AllowAll"
    ),
    _repository(
        "all accounts",
        _PULL_FOR_ALL,
        VISITOR,
        PULL,
        "allow",
        "IDENTITY",
        identity=allow(PULL_ACTIONS),
    ),
    _repository("all accounts", _PULL_FOR_ALL, USER_1, PULL, "allow"),
    _repository(
        "all accounts", _PULL_FOR_ALL, VISITOR, "ecr:PutImage", "implicit deny", identity=allow()
    ),
    _repository(
        "deny all", _DENY_PULL, USER_1, PULL, "explicit deny", identity=allow(), sid="DenyPull"
    ),
    _repository("deny all", _DENY_PULL, "arn:aws:iam::111122223333:root", PULL, "explicit deny"),
    _repository(
        "deny all", _DENY_PULL, USER_1, "ecr:PutImage", "allow", "IDENTITY", identity=allow()
    ),
    _repository(
        "IP addresses", _ADDRESSES, USER_1, PULL, "allow", context={"aws:SourceIp": "54.240.143.1"}
    ),
    _repository(
        "IP addresses, the excepted one",
        _ADDRESSES,
        USER_1,
        PULL,
        "implicit deny",
        "IDENTITY",
        context={"aws:SourceIp": "54.240.143.188"},
    ),
    _repository(
        "IP addresses, from elsewhere",
        _ADDRESSES,
        USER_1,
        PULL,
        "implicit deny",
        "IDENTITY",
        context={"aws:SourceIp": "203.0.113.9"},
    ),
    _repository(
        "IP addresses, through an endpoint", _ADDRESSES, USER_1, PULL, "implicit deny", "IDENTITY"
    ),
    _repository(
        "CodeBuild for its project",
        _CODEBUILD,
        "codebuild.amazonaws.com",
        PULL,
        "allow",
        context={
            "aws:SourceArn": "arn:aws:codebuild:us-east-1:123456789012:project/p",
            "aws:SourceAccount": "123456789012",
        },
    ),
    _repository(
        "CodeBuild for another project",
        _CODEBUILD,
        "codebuild.amazonaws.com",
        PULL,
        "implicit deny",
        context={
            "aws:SourceArn": "arn:aws:codebuild:us-east-1:123456789012:project/q",
            "aws:SourceAccount": "123456789012",
        },
    ),
    _repository(
        "CodeBuild for nobody", _CODEBUILD, "codebuild.amazonaws.com", PULL, "implicit deny"
    ),
]


def _replication(resources: str) -> Policy:
    return [
        {
            "Sid": "ReplicationAccessCrossAccount",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
            "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
            "Resource": [f"arn:aws:ecr:us-west-2:111122223333:repository/{resources}"],
        }
    ]


def _registry(
    title: str, resources: str, action: str, name: str, expected: str, by: str = "REGISTRY"
) -> Case:
    return Case(
        page=REGISTRY_EXAMPLES,
        title=f"{title}: {action} on {name}",
        expected=expected,
        by=by,
        principal="arn:aws:iam::444455556666:root",
        action=action,
        resource=f"arn:aws:ecr:us-west-2:111122223333:repository/{name}",
        registry=_replication(resources),
    )


_REGISTRY_POLICIES = [
    _registry("all repositories", "*", "ecr:ReplicateImage", "app", "allow"),
    _registry("all repositories", "*", "ecr:CreateRepository", "team/app", "allow"),
    _registry("all repositories", "*", PULL, "app", "implicit deny", "REPOSITORY"),
    _registry("by prefix", "prod-*", "ecr:ReplicateImage", "prod-app", "allow"),
    _registry("by prefix", "prod-*", "ecr:ReplicateImage", "app", "implicit deny", "REPOSITORY"),
    _registry("by prefix", "prod-*", "ecr:CreateRepository", "prod-", "allow"),
]


CASES: list[Case] = [*_REPOSITORY_POLICIES, *_REGISTRY_POLICIES]
