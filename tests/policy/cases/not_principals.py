"""NotPrincipal, and the condition that AWS recommends in its place."""

from __future__ import annotations

from . import (
    ALICE,
    NOT_PRINCIPAL,
    PRINCIPAL,
    Case,
    Policy,
    allow,
    aws,
    grant,
    refuse,
)

OTHER_ROOT = "arn:aws:iam::444455556666:root"
BOB = "arn:aws:iam::444455556666:user/Bob"
CARLA = "arn:aws:iam::444455556666:user/Carla"
AUDIT = (
    "arn:aws:sts::444455556666:assumed-role/cross-account-read-only-role/cross-account-audit-app"
)
AUDIT_ROLE = "arn:aws:iam::444455556666:role/cross-account-read-only-role"


def _except(
    title: str,
    principal: str,
    names: list[str],
    expected: str,
    *,
    boundary: Policy | None = None,
) -> Case:
    statements = [
        *grant("*"),
        {"Effect": "Deny", "NotPrincipal": {"AWS": names}, "Action": "ecr:*"},
    ]
    return Case(
        page=NOT_PRINCIPAL,
        title=title,
        expected=expected,
        by="IDENTITY" if expected == "allow" else "REPOSITORY",
        principal=principal,
        identity=allow(),
        boundary=boundary,
        repository=statements,
    )


_NOT_PRINCIPALS = [
    _except("all but Bob: Bob", BOB, [BOB, OTHER_ROOT], "allow"),
    _except("all but Bob: Carla of his account", CARLA, [BOB, OTHER_ROOT], "explicit deny"),
    _except(
        "all but Bob: a user of the resource's account", ALICE, [BOB, OTHER_ROOT], "explicit deny"
    ),
    _except("Bob without his account is denied with it", BOB, [BOB], "explicit deny"),
    _except("the account without Bob", BOB, [OTHER_ROOT], "explicit deny"),
    _except("all but one session: the session", AUDIT, [AUDIT, AUDIT_ROLE, OTHER_ROOT], "allow"),
    _except(
        "all but one session: another one",
        AUDIT + "2",
        [AUDIT, AUDIT_ROLE, OTHER_ROOT],
        "explicit deny",
    ),
    _except("the session without its role", AUDIT, [AUDIT, OTHER_ROOT], "explicit deny"),
    _except("the session without its account", AUDIT, [AUDIT, AUDIT_ROLE], "explicit deny"),
    _except(
        "whoever has a boundary is denied whatever is listed",
        BOB,
        [BOB, OTHER_ROOT],
        "explicit deny",
        boundary=allow("*"),
    ),
    Case(
        page=NOT_PRINCIPAL,
        title="all but Bob: nobody is allowed by a Deny",
        expected="implicit deny",
        by="REPOSITORY",
        principal=BOB,
        identity=allow(),
        repository=[
            {"Effect": "Deny", "NotPrincipal": aws(BOB, OTHER_ROOT), "Action": "ecr:*"},
        ],
    ),
    Case(
        page=NOT_PRINCIPAL,
        title="NotPrincipal with Allow reaches anonymous callers",
        expected="allow",
        by="REPOSITORY",
        principal="*",
        repository=[{"Effect": "Allow", "NotPrincipal": aws(BOB), "Action": "ecr:*"}],
    ),
    Case(
        page=NOT_PRINCIPAL,
        title="NotPrincipal with Allow leaves out the one it names",
        expected="implicit deny",
        by="REPOSITORY",
        principal=BOB,
        identity=allow(),
        repository=[{"Effect": "Allow", "NotPrincipal": aws(BOB), "Action": "ecr:*"}],
    ),
    Case(
        page=PRINCIPAL,
        title="UsePrincipalArnInsteadOfNotPrincipalWithDeny: the one it names",
        expected="allow",
        principal=BOB,
        identity=allow(),
        repository=grant("*") + refuse("*", Condition={"ArnNotEquals": {"aws:PrincipalArn": BOB}}),
        context={"aws:PrincipalArn": BOB},
    ),
    Case(
        page=PRINCIPAL,
        title="UsePrincipalArnInsteadOfNotPrincipalWithDeny: another one",
        expected="explicit deny",
        by="REPOSITORY",
        principal=CARLA,
        identity=allow(),
        repository=grant("*") + refuse("*", Condition={"ArnNotEquals": {"aws:PrincipalArn": BOB}}),
        context={"aws:PrincipalArn": CARLA},
    ),
]


CASES: list[Case] = _NOT_PRINCIPALS
