"""Decisions of several policies together within one account."""

from __future__ import annotations

from . import (
    ACCESS_DENIED,
    ALICE,
    BOUNDARIES,
    EVALUATION,
    EXPLICIT_IMPLICIT,
    POLICY_TYPES,
    PRINCIPAL,
    SESSION,
    SINGLE_ACCOUNT,
    Case,
    Policy,
    allow,
    deny,
    grant,
    refuse,
)

ROOT = "arn:aws:iam::111122223333:root"
VISITOR = "arn:aws:iam::444455556666:user/visitor"
NOTHING = allow("s3:GetObject")


def _here(
    title: str,
    expected: str,
    by: str = "IDENTITY",
    *,
    page: str = SINGLE_ACCOUNT,
    principal: str = ALICE,
    identity: Policy | None = None,
    boundary: Policy | None = None,
    session: Policy | None = None,
    repository: Policy | None = None,
    registry: Policy | None = None,
    endpoint: Policy | None = None,
) -> Case:
    return Case(
        page=page,
        title=title,
        expected=expected,
        by=by,
        principal=principal,
        identity=identity,
        boundary=boundary,
        session=session,
        repository=repository,
        registry=registry,
        endpoint=endpoint,
    )


_SINGLE = [
    _here("nothing allows", "implicit deny", page=EXPLICIT_IMPLICIT),
    _here("other policies do not allow", "implicit deny", identity=NOTHING, page=EXPLICIT_IMPLICIT),
    _here("an identity policy allows", "allow", identity=allow()),
    _here("a resource policy allows", "allow", "REPOSITORY", repository=grant({"AWS": ALICE})),
    _here("both allow", "allow", "REPOSITORY", identity=allow(), repository=grant({"AWS": ALICE})),
    _here(
        "only the identity policy allows",
        "allow",
        identity=allow(),
        repository=grant({"AWS": VISITOR}),
    ),
    _here(
        "a deny beats an allow of its own policy",
        "explicit deny",
        identity=allow() + deny(),
        page=EXPLICIT_IMPLICIT,
    ),
    _here(
        "a deny before the allow",
        "explicit deny",
        identity=deny() + allow(),
        page=EXPLICIT_IMPLICIT,
    ),
    _here(
        "a deny in the identity policy beats the resource policy",
        "explicit deny",
        identity=deny(),
        repository=grant("*"),
    ),
    _here(
        "a deny in the resource policy beats the identity policy",
        "explicit deny",
        "REPOSITORY",
        identity=allow(),
        repository=refuse("*"),
    ),
    _here(
        "a deny that names another does not count",
        "allow",
        identity=allow(),
        repository=refuse({"AWS": VISITOR}),
    ),
    _here(
        "a deny that names the account denies its users",
        "explicit deny",
        "REPOSITORY",
        identity=allow(),
        repository=refuse({"AWS": ROOT}),
        page=PRINCIPAL,
    ),
    _here(
        "a deny of another action does not count", "allow", identity=allow() + deny("ecr:PutImage")
    ),
    _here(
        "a deny in the registry policy",
        "explicit deny",
        "REGISTRY",
        identity=allow(),
        registry=refuse("*", Resource="*"),
    ),
    _here(
        "the registry policy allows",
        "allow",
        "REGISTRY",
        registry=grant({"AWS": ALICE}, Resource="*"),
    ),
    _here(
        "the registry policy allows, the repository policy denies",
        "explicit deny",
        "REPOSITORY",
        registry=grant({"AWS": ALICE}, Resource="*"),
        repository=refuse("*"),
    ),
    # The root user.
    _here("the root user needs no policy", "allow", "", principal=ROOT, page=EVALUATION),
    _here(
        "the root user can be denied by a resource policy",
        "explicit deny",
        "REPOSITORY",
        principal=ROOT,
        repository=refuse("*"),
        page=POLICY_TYPES,
    ),
    # Permissions boundaries.
    _here("the boundary allows too", "allow", identity=allow(), boundary=allow(), page=BOUNDARIES),
    _here(
        "the boundary does not allow",
        "implicit deny",
        "PERMISSIONS_BOUNDARY",
        identity=allow(),
        boundary=NOTHING,
        page=BOUNDARIES,
    ),
    _here("a boundary alone grants nothing", "implicit deny", boundary=allow(), page=BOUNDARIES),
    _here(
        "a boundary denies",
        "explicit deny",
        "PERMISSIONS_BOUNDARY",
        identity=allow(),
        boundary=allow() + deny("ecr:Batch*"),
        page=BOUNDARIES,
    ),
    _here(
        "a boundary of a role",
        "implicit deny",
        "PERMISSIONS_BOUNDARY",
        principal=SESSION,
        identity=allow(),
        boundary=NOTHING,
        page=BOUNDARIES,
    ),
    # Session policies.
    _here(
        "a role session without a session policy",
        "allow",
        principal=SESSION,
        identity=allow(),
        page=EVALUATION,
    ),
    _here(
        "the session policy allows too",
        "allow",
        principal=SESSION,
        identity=allow(),
        session=allow(),
        page=POLICY_TYPES,
    ),
    _here(
        "the session policy does not allow",
        "implicit deny",
        "SESSION",
        principal=SESSION,
        identity=allow(),
        session=NOTHING,
        page=POLICY_TYPES,
    ),
    _here(
        "a session policy alone grants nothing",
        "implicit deny",
        principal=SESSION,
        session=allow(),
        page=POLICY_TYPES,
    ),
    _here(
        "a session policy denies",
        "explicit deny",
        "SESSION",
        principal=SESSION,
        identity=allow(),
        session=allow() + deny(),
        page=POLICY_TYPES,
    ),
    _here(
        "identity, boundary and session policy allow",
        "allow",
        principal=SESSION,
        identity=allow(),
        boundary=allow(),
        session=allow(),
        page=POLICY_TYPES,
    ),
    _here(
        "the boundary is looked at before the session policy",
        "implicit deny",
        "PERMISSIONS_BOUNDARY",
        principal=SESSION,
        identity=allow(),
        boundary=NOTHING,
        session=NOTHING,
        page=EVALUATION,
    ),
    # VPC endpoint policies.
    _here(
        "the endpoint policy allows too",
        "allow",
        identity=allow(),
        endpoint=grant("*", "*", Resource="*"),
        page=ACCESS_DENIED,
    ),
    _here(
        "the endpoint policy does not allow",
        "implicit deny",
        "VPC_ENDPOINT",
        identity=allow(),
        endpoint=grant("*", "ecr:PutImage", Resource="*"),
        page=ACCESS_DENIED,
    ),
    _here(
        "the endpoint policy denies",
        "explicit deny",
        "VPC_ENDPOINT",
        identity=allow(),
        endpoint=grant("*", "*", Resource="*") + refuse("*", Resource="*"),
        page=ACCESS_DENIED,
    ),
    _here(
        "an endpoint policy alone grants nothing",
        "implicit deny",
        endpoint=grant("*", "*", Resource="*"),
        page=ACCESS_DENIED,
    ),
    _here(
        "the endpoint policy holds the root user in",
        "implicit deny",
        "VPC_ENDPOINT",
        principal=ROOT,
        endpoint=grant("*", "s3:*", Resource="*"),
        page=ACCESS_DENIED,
    ),
]


CASES: list[Case] = _SINGLE
