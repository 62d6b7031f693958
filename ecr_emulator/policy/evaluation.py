"""The access decision, as AWS documents it.

"Policy evaluation logic", "How AWS enforcement code logic evaluates requests to allow or deny
access" and "Cross-account policy evaluation logic" (IAM User Guide): an explicit deny anywhere
ends it; then the resource-based policies speak, and, unless they grant to the requester directly,
the identity-based policies within the permissions boundary and the session policies.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .documents import Statement
from .policy_sets import NamedPolicy, PolicyKind, PolicySet
from .requesters import Naming, Requester, RequesterKind
from .statements import AccessRequest, applying, match_statement

#: Within one account, a grant to these reaches past an implicit deny of every other policy.
_DIRECT: dict[RequesterKind, frozenset[Naming]] = {
    RequesterKind.USER: frozenset({Naming.EVERYONE, Naming.IDENTITY}),
    RequesterKind.ROLE_SESSION: frozenset({Naming.EVERYONE, Naming.SESSION}),
    RequesterKind.FEDERATED_USER: frozenset({Naming.EVERYONE, Naming.SESSION}),
}
#: A grant to the role, or to the user who federated, is held in by the boundary and the session.
_LIMITED: dict[RequesterKind, Naming] = {
    RequesterKind.ROLE_SESSION: Naming.IDENTITY,
    RequesterKind.FEDERATED_USER: Naming.IDENTITY,
}
_RESOURCE_KINDS = (PolicyKind.TRUST, PolicyKind.REPOSITORY, PolicyKind.REGISTRY)


@dataclass(frozen=True)
class Source:
    """The statement that a decision rests on: its policy, and its place in it from 0."""

    kind: PolicyKind
    policy: str
    index: int
    sid: str | None


@dataclass(frozen=True)
class Decision:
    """What was decided, on which kind of policy and statement, and why.

    :ivar explicit: whether a Deny statement decided; the other denials are implicit.
    :ivar kind: the kind of policy that decided; None when it was nothing but the root user's
        full access to its own account.
    :ivar source: the statement that decided; None for an implicit deny, where none did.
    :ivar reason: one sentence for people.
    """

    allowed: bool
    reason: str
    kind: PolicyKind | None = None
    explicit: bool = False
    source: Source | None = None

    def message(self, request: AccessRequest) -> str:
        """Return the text of AWS's AccessDenied error for this denial of *request*."""
        who = request.requester.arn
        if request.requester.kind is RequesterKind.ANONYMOUS:
            who = "anonymous"
        return (
            f"User: {who} is not authorized to perform: {request.action}"
            f" on resource: {request.resource}{self.tail(request.action)}"
        )

    def tail(self, action: str) -> str:
        """Return the part of the message that tells which kind of policy denied, and how.

        "Troubleshoot access denied error messages" (IAM User Guide). It starts with a space, and
        is empty when access was allowed.
        """
        if self.allowed or self.kind is None:
            return ""
        if self.explicit:
            article = "the" if self.kind is PolicyKind.TRUST else _article(self.kind.words)
            return f" with an explicit deny in {article} {self.kind.words}"
        return f" because no {self.kind.words} allows the {action} action"


@dataclass(frozen=True)
class Finding:
    """How one statement met the request, for explanations.

    :ivar unmet: the element that kept the statement from applying; empty when it applies.
    """

    source: Source
    effect: str
    unmet: str


def evaluate(request: AccessRequest, policies: PolicySet) -> Decision:
    """Decide whether *request* is allowed by *policies*.

    :returns: the decision with the statement it rests on. It never raises: what does not fit
        does not apply, and what nothing allows is denied.
    """
    denied = _explicit_deny(request, policies)
    if denied is not None:
        return denied
    endpoint = policies.vpc_endpoint
    if endpoint is not None and _allow(request, policies, PolicyKind.VPC_ENDPOINT) is None:
        return _implicit_deny(PolicyKind.VPC_ENDPOINT, request)
    grants = list(_resource_grants(request, policies))
    kind = request.requester.kind
    if kind in (RequesterKind.ANONYMOUS, RequesterKind.SERVICE):
        return _granted(grants[0][0]) if grants else _no_resource_grant(request, policies)
    if request.requester.account != request.owner or policies.trust is not None:
        if not grants:
            return _no_resource_grant(request, policies)
        if request.requester.account != request.owner:
            return _account_side(request, policies, granted=grants[0][0])
    if kind is RequesterKind.ROOT:
        return _granted(grants[0][0]) if policies.trust is not None else _ROOT_ACCESS
    for source, named in grants:
        if named & _DIRECT[kind]:
            return _granted(source)
    limited = _LIMITED.get(kind)
    for source, named in grants:
        if limited in named:
            held = _held_in(request, policies)
            return held if held is not None else _granted(source)
    return _account_side(request, policies, granted=None)


def explain(request: AccessRequest, policies: PolicySet) -> tuple[Finding, ...]:
    """Tell of every statement of *policies* whether it applies to *request*, or what is unmet."""
    findings: list[Finding] = []
    for kind, policy in policies:
        for statement in policy.document.statements:
            match = match_statement(
                statement,
                request,
                version=policy.document.version,
                is_resource_policy=kind.is_resource_policy,
                has_permissions_boundary=policies.permissions_boundary is not None,
            )
            findings.append(
                Finding(_source(kind, policy, statement), statement.effect, match.unmet)
            )
    return tuple(findings)


_ROOT_ACCESS = Decision(
    allowed=True, reason="the root user has full access to the resources of its account"
)


def _explicit_deny(request: AccessRequest, policies: PolicySet) -> Decision | None:
    for kind, policy in policies:
        for statement, _ in applying(
            policy.document,
            request,
            "Deny",
            is_resource_policy=kind.is_resource_policy,
            has_permissions_boundary=policies.permissions_boundary is not None,
        ):
            source = _source(kind, policy, statement)
            return Decision(
                allowed=False,
                explicit=True,
                kind=kind,
                source=source,
                reason=f"{_describe(source)} denies it explicitly",
            )
    return None


def _resource_grants(
    request: AccessRequest, policies: PolicySet
) -> Iterator[tuple[Source, frozenset[Naming]]]:
    """Yield the Allow statements of resource-based policies that apply, and whom they name."""
    for kind in _RESOURCE_KINDS:
        for policy in policies.of_kind(kind):
            for statement, match in applying(
                policy.document, request, "Allow", is_resource_policy=True
            ):
                yield _source(kind, policy, statement), match.namings


def _allow(request: AccessRequest, policies: PolicySet, kind: PolicyKind) -> Source | None:
    """Return the first Allow statement of one *kind* of policy that applies."""
    for policy in policies.of_kind(kind):
        for statement, _ in applying(
            policy.document, request, "Allow", is_resource_policy=kind.is_resource_policy
        ):
            return _source(kind, policy, statement)
    return None


def _account_side(
    request: AccessRequest, policies: PolicySet, *, granted: Source | None
) -> Decision:
    """Decide by what the requester's own account lets it do.

    :param granted: the grant of the other account's resource-based policy, for the reason.
    """
    if request.requester.kind is RequesterKind.ROOT:
        return _granted(granted) if granted is not None else _ROOT_ACCESS
    source = _allow(request, policies, PolicyKind.IDENTITY)
    if source is None and not _is_federated_root(request.requester):
        return _implicit_deny(PolicyKind.IDENTITY, request)
    held = _held_in(request, policies)
    if held is not None:
        return held
    decision = _granted(source) if source is not None else _ROOT_ACCESS
    if granted is None:
        return decision
    return Decision(
        allowed=True,
        kind=decision.kind,
        source=decision.source,
        reason=f"{decision.reason}, and so does {_describe(granted)} of the other account",
    )


def _is_federated_root(requester: Requester) -> bool:
    return requester.kind is RequesterKind.FEDERATED_USER and requester.identity_arn.endswith(
        ":root"
    )


def _held_in(request: AccessRequest, policies: PolicySet) -> Decision | None:
    """Return the denial of a permissions boundary or session policy that does not allow."""
    if (
        policies.permissions_boundary is not None
        and _allow(request, policies, PolicyKind.PERMISSIONS_BOUNDARY) is None
    ):
        return _implicit_deny(PolicyKind.PERMISSIONS_BOUNDARY, request)
    # A federated user has what its session policies allow, so without any it has nothing
    # (GetFederationToken, STS API reference).
    needed = bool(policies.session) or request.requester.kind is RequesterKind.FEDERATED_USER
    if needed and _allow(request, policies, PolicyKind.SESSION) is None:
        return _implicit_deny(PolicyKind.SESSION, request)
    return None


def _no_resource_grant(request: AccessRequest, policies: PolicySet) -> Decision:
    kind = PolicyKind.TRUST if policies.trust is not None else PolicyKind.REPOSITORY
    return _implicit_deny(kind, request)


def _implicit_deny(kind: PolicyKind, request: AccessRequest) -> Decision:
    return Decision(
        allowed=False,
        kind=kind,
        reason=f"no {kind.words} allows {request.action} on {request.resource}",
    )


def _granted(source: Source) -> Decision:
    return Decision(
        allowed=True, kind=source.kind, source=source, reason=f"{_describe(source)} allows it"
    )


def _source(kind: PolicyKind, policy: NamedPolicy, statement: Statement) -> Source:
    return Source(kind=kind, policy=policy.name, index=statement.index, sid=statement.sid)


def _describe(source: Source) -> str:
    statement = f"statement {source.index + 1}"
    if source.sid:
        statement += f" ({source.sid})"
    return f"{statement} of the {source.kind.value} {source.policy}"


def _article(words: str) -> str:
    return "an" if words.startswith("identity") else "a"
