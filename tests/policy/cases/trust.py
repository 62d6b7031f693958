"""AssumeRole: the role's trust policy has to allow."""

from __future__ import annotations

from . import (
    ACCESS_DENIED,
    ALICE,
    EVALUATION,
    ROLE,
    SESSION,
    Case,
    Policy,
    allow,
    aws,
    grant,
    refuse,
)

ROOT = "arn:aws:iam::111122223333:root"
OTHER_ROOT = "arn:aws:iam::444455556666:root"
BOB = "arn:aws:iam::444455556666:user/Bob"
BUILDER = "arn:aws:iam::111122223333:role/builder"


def _assume(
    title: str,
    principal: str,
    named: object,
    expected: str,
    by: str,
    identity: Policy | None = None,
) -> Case:
    return Case(
        page=ACCESS_DENIED if "deny" in expected else EVALUATION,
        title=f"AssumeRole: {title}",
        expected=expected,
        by=by,
        principal=principal,
        action="sts:AssumeRole",
        resource=BUILDER,
        trust=grant(named, "sts:AssumeRole"),
        identity=identity,
    )


_TRUST = [
    _assume("a user of the account whom the policy names", ALICE, aws(ALICE), "allow", "TRUST"),
    _assume(
        "the account, and the user's policies",
        ALICE,
        aws(ROOT),
        "allow",
        "IDENTITY",
        allow("sts:*"),
    ),
    _assume(
        "the account, without the user's policies", ALICE, aws(ROOT), "implicit deny", "IDENTITY"
    ),
    _assume(
        "identity policies alone do not", ALICE, aws(BOB), "implicit deny", "TRUST", allow("sts:*")
    ),
    _assume(
        "another account's user whom both allow", BOB, aws(BOB), "allow", "IDENTITY", allow("sts:*")
    ),
    _assume("another account's user without policies", BOB, aws(BOB), "implicit deny", "IDENTITY"),
    _assume(
        "another account's user by the account",
        BOB,
        aws(OTHER_ROOT),
        "allow",
        "IDENTITY",
        allow("sts:*"),
    ),
    _assume("a service", "ecs.amazonaws.com", {"Service": "ecs.amazonaws.com"}, "allow", "TRUST"),
    _assume("a role that chains", SESSION, aws(ROLE), "allow", "TRUST"),
    Case(
        page=ACCESS_DENIED,
        title="AssumeRole: an explicit deny in the trust policy",
        expected="explicit deny",
        by="TRUST",
        action="sts:AssumeRole",
        resource=BUILDER,
        trust=grant(aws(ALICE), "sts:AssumeRole") + refuse("*", "sts:AssumeRole"),
        identity=allow("*"),
    ),
]


CASES: list[Case] = _TRUST
