"""Principal: whom a resource-based policy names, and what that gives."""

from __future__ import annotations

from . import (
    ALICE,
    EVALUATION,
    FEDERATION_TOKEN,
    POLICY_TYPES,
    PRINCIPAL,
    REPOSITORY_EXAMPLES,
    ROLE,
    SESSION,
    Case,
    Policy,
    allow,
    aws,
    deny,
    grant,
)

ROOT = "arn:aws:iam::111122223333:root"
FEDERATED = "arn:aws:sts::111122223333:federated-user/exampleuser"
NOTHING = allow("s3:GetObject")


def _same(
    title: str,
    principal: str,
    named: object,
    expected: str,
    by: str = "REPOSITORY",
    *,
    page: str = EVALUATION,
    identity: Policy | None = None,
    boundary: Policy | None = None,
    session: Policy | None = None,
    identity_arn: str = "",
) -> Case:
    return Case(
        page=page,
        title=title,
        expected=expected,
        by=by,
        principal=principal,
        repository=grant(named),
        identity=identity,
        boundary=boundary,
        session=session,
        identity_arn=identity_arn,
    )


_WITHIN_ONE_ACCOUNT = [
    # The table "Resource-based policies and implicit denies in other policy types".
    _same("a user by its ARN", ALICE, aws(ALICE), "allow"),
    _same(
        "a user by its ARN, past its identity policies",
        ALICE,
        aws(ALICE),
        "allow",
        identity=NOTHING,
    ),
    _same("a user by its ARN, past its boundary", ALICE, aws(ALICE), "allow", boundary=NOTHING),
    _same(
        "a role session by the role, past the role's identity policies",
        SESSION,
        aws(ROLE),
        "allow",
        identity=NOTHING,
    ),
    _same(
        "a role session by the role, held in by the boundary",
        SESSION,
        aws(ROLE),
        "implicit deny",
        "PERMISSIONS_BOUNDARY",
        boundary=NOTHING,
    ),
    _same(
        "a role session by the role, held in by the session policy",
        SESSION,
        aws(ROLE),
        "implicit deny",
        "SESSION",
        session=NOTHING,
    ),
    _same(
        "a role session by the role, within boundary and session policy",
        SESSION,
        aws(ROLE),
        "allow",
        boundary=allow(),
        session=allow(),
    ),
    _same(
        "a role session by its own ARN, past everything",
        SESSION,
        aws(SESSION),
        "allow",
        identity=NOTHING,
        boundary=NOTHING,
        session=NOTHING,
    ),
    _same(
        "a session of the same role with another name",
        SESSION,
        aws(SESSION + "2"),
        "implicit deny",
        "IDENTITY",
    ),
    _same(
        "a federated user by its own ARN",
        FEDERATED,
        aws(FEDERATED),
        "allow",
        identity=NOTHING,
        session=NOTHING,
        identity_arn=ALICE,
    ),
    _same(
        "a federated user by the user who federated, held in by the session policy",
        FEDERATED,
        aws(ALICE),
        "implicit deny",
        "SESSION",
        session=NOTHING,
        identity_arn=ALICE,
    ),
    _same(
        "a federated user by the user who federated, within the session policy",
        FEDERATED,
        aws(ALICE),
        "allow",
        session=allow(),
        identity_arn=ALICE,
    ),
    _same("the root user", ROOT, aws(ROOT), "allow", ""),
    # Naming the account delegates to the account.
    _same(
        "the account does not grant to a user",
        ALICE,
        aws(ROOT),
        "implicit deny",
        "IDENTITY",
        page=PRINCIPAL,
    ),
    _same(
        "the account by its id does not grant to a user",
        ALICE,
        {"AWS": "111122223333"},
        "implicit deny",
        "IDENTITY",
        page=PRINCIPAL,
    ),
    _same(
        "the user's identity policies do",
        ALICE,
        aws(ROOT),
        "allow",
        "IDENTITY",
        page=PRINCIPAL,
        identity=allow(),
    ),
    # Everyone.
    _same("everyone, a user", ALICE, "*", "allow", page=PRINCIPAL),
    _same("everyone, written as an AWS principal", ALICE, {"AWS": "*"}, "allow", page=PRINCIPAL),
    _same(
        "everyone, past boundary and session policy",
        SESSION,
        "*",
        "allow",
        page=PRINCIPAL,
        boundary=NOTHING,
        session=NOTHING,
    ),
    _same("everyone, an anonymous caller", "*", "*", "allow", page=PRINCIPAL),
    _same(
        "everyone as AWS principal, an anonymous caller", "*", {"AWS": "*"}, "allow", page=PRINCIPAL
    ),
    _same("an account is not anonymous", "*", aws(ROOT), "implicit deny", page=PRINCIPAL),
    Case(
        page=PRINCIPAL,
        title="everyone under aws:PrincipalArn of the role, past the boundary",
        expected="allow",
        by="REPOSITORY",
        principal=SESSION,
        boundary=NOTHING,
        repository=grant("*", Condition={"ArnEquals": {"aws:PrincipalArn": ROLE}}),
        context={"aws:PrincipalArn": ROLE},
    ),
    Case(
        page=PRINCIPAL,
        title="everyone under aws:PrincipalArn, an explicit deny in the boundary",
        expected="explicit deny",
        by="PERMISSIONS_BOUNDARY",
        principal=SESSION,
        boundary=deny(),
        repository=grant("*", Condition={"ArnEquals": {"aws:PrincipalArn": ROLE}}),
        context={"aws:PrincipalArn": ROLE},
    ),
    # Names are compared whole and with their case.
    _same(
        "user names know case",
        ALICE,
        aws(ALICE.replace("alice", "Alice")),
        "implicit deny",
        "IDENTITY",
        page=PRINCIPAL,
    ),
    _same(
        "a user of the same name elsewhere",
        ALICE,
        aws(ALICE.replace("1111", "9999")),
        "implicit deny",
        "IDENTITY",
        page=PRINCIPAL,
    ),
    _same(
        "a role with a path",
        SESSION,
        aws("arn:aws:iam::111122223333:role/teams/examplerole"),
        "allow",
        page=PRINCIPAL,
        identity_arn="arn:aws:iam::111122223333:role/teams/examplerole",
    ),
    # Services.
    _same(
        "a service",
        "codebuild.amazonaws.com",
        {"Service": "codebuild.amazonaws.com"},
        "allow",
        page=REPOSITORY_EXAMPLES,
    ),
    _same(
        "another service",
        "lambda.amazonaws.com",
        {"Service": "codebuild.amazonaws.com"},
        "implicit deny",
        page=REPOSITORY_EXAMPLES,
    ),
    _same(
        "a service is no user",
        ALICE,
        {"Service": "codebuild.amazonaws.com"},
        "implicit deny",
        "IDENTITY",
        page=PRINCIPAL,
    ),
    _same(
        "one of several services",
        "lambda.amazonaws.com",
        {"Service": ["ecs.amazonaws.com", "lambda.amazonaws.com"]},
        "allow",
        page=PRINCIPAL,
    ),
    # Federated user sessions have what their session policies allow.
    Case(
        page=FEDERATION_TOKEN,
        title="a federated user without a session policy",
        expected="implicit deny",
        by="SESSION",
        principal=FEDERATED,
        identity=allow(),
        identity_arn=ALICE,
    ),
    Case(
        page=FEDERATION_TOKEN,
        title="a federated user within both",
        expected="allow",
        principal=FEDERATED,
        identity=allow(),
        session=allow("ecr:Batch*"),
        identity_arn=ALICE,
    ),
    Case(
        page=POLICY_TYPES,
        title="a session has the resource policy's grant to it beside the intersection",
        expected="allow",
        by="REPOSITORY",
        principal=SESSION,
        identity=allow(),
        session=NOTHING,
        repository=grant(aws(SESSION)),
    ),
]


CASES: list[Case] = _WITHIN_ONE_ACCOUNT
