"""Whether one statement applies to one request, and if not, which of its elements says no."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .conditions import first_unmet
from .context import RequestContext
from .documents import PolicyDocument, Statement
from .matching import action_matches, resource_matches
from .requesters import Naming, Requester, excepted, namings
from .variables import expand_resource


@dataclass(frozen=True)
class AccessRequest:
    """One question: may *requester* perform *action* on *resource*?

    :ivar action: with its service, ``ecr:PutImage``.
    :ivar resource: an ARN, or ``*`` for an action that knows no resource.
    :ivar resource_account: the account that owns the resource; of an ARN with an account it may
        be left out.
    """

    requester: Requester
    action: str
    resource: str
    context: RequestContext
    resource_account: str = ""

    @property
    def owner(self) -> str:
        """The account that owns the resource; without one, the requester's own."""
        if self.resource_account:
            return self.resource_account
        parts = self.resource.split(":", 5)
        return parts[4] if len(parts) == 6 and parts[4] else self.requester.account


@dataclass(frozen=True)
class Match:
    """How a statement meets a request.

    :ivar unmet: the element that does not fit (``Principal``, ``NotAction``, ``Condition
        StringEquals aws:SourceVpce``, …), or an empty string when the statement applies.
    :ivar namings: when it applies, the ways in which it names the requester.
    """

    unmet: str = ""
    namings: frozenset[Naming] = frozenset()

    @property
    def applies(self) -> bool:
        """Whether the statement applies to the request."""
        return not self.unmet


def match_statement(
    statement: Statement,
    request: AccessRequest,
    *,
    version: str,
    is_resource_policy: bool,
    has_permissions_boundary: bool = False,
) -> Match:
    """Tell whether *statement* applies to *request*.

    :param version: the language version of the statement's policy.
    :param is_resource_policy: a resource-based policy has to name the requester and may leave
        the resource out; an identity-based policy is the other way round.
    :param has_permissions_boundary: whether the requester's user or role has one, for
        ``NotPrincipal``.
    """
    named: frozenset[Naming] = frozenset()
    if is_resource_policy:
        named = _named(statement, request.requester, has_permissions_boundary)
        if not named:
            return Match("Principal" if statement.principals is not None else "NotPrincipal")
    if statement.actions:
        if not any(action_matches(pattern, request.action) for pattern in statement.actions):
            return Match("Action")
    elif any(action_matches(pattern, request.action) for pattern in statement.not_actions):
        return Match("NotAction")
    if statement.resources:
        if not _covers(statement.resources, request, version, complete=not is_resource_policy):
            return Match("Resource")
    elif statement.not_resources:
        if _covers(statement.not_resources, request, version, complete=not is_resource_policy):
            return Match("NotResource")
    elif not is_resource_policy:
        return Match("Resource")
    unmet = first_unmet(statement.conditions, request.context, version=version)
    if unmet is not None:
        return Match(f"Condition {unmet.operator_name} {unmet.key}")
    return Match(namings=named)


def applying(
    document: PolicyDocument,
    request: AccessRequest,
    effect: str,
    *,
    is_resource_policy: bool,
    has_permissions_boundary: bool = False,
) -> Iterable[tuple[Statement, Match]]:
    """Yield the statements of *document* with *effect* that apply to *request*, in order."""
    for statement in document.statements:
        if statement.effect != effect:
            continue
        match = match_statement(
            statement,
            request,
            version=document.version,
            is_resource_policy=is_resource_policy,
            has_permissions_boundary=has_permissions_boundary,
        )
        if match.applies:
            yield statement, match


def _named(
    statement: Statement, requester: Requester, has_permissions_boundary: bool
) -> frozenset[Naming]:
    if statement.principals is not None:
        return namings(statement.principals, requester)
    if statement.not_principals is None:
        return frozenset()
    if statement.effect == "Deny":
        left_out = excepted(
            statement.not_principals,
            requester,
            has_permissions_boundary=has_permissions_boundary,
        )
    else:
        # An Allow is read narrowly: whoever is listed at any level is not allowed by it.
        left_out = bool(namings(statement.not_principals, requester))
    return frozenset() if left_out else frozenset({Naming.EVERYONE})


def _covers(
    resources: tuple[str, ...], request: AccessRequest, version: str, *, complete: bool
) -> bool:
    for resource in resources:
        pattern = expand_resource(resource, request.context, version=version)
        if pattern is not None and resource_matches(pattern, request.resource, complete=complete):
            return True
    return False
