"""The policies that bear on a request, by kind, and the words AWS has for each kind."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from .documents import PolicyDocument


class PolicyKind(enum.Enum):
    """The kinds of policy an access decision can rest on; values are AWS's words for them."""

    VPC_ENDPOINT = "VPC endpoint policy"
    REPOSITORY = "repository policy"
    REGISTRY = "registry policy"
    TRUST = "role trust policy"
    IDENTITY = "identity-based policy"
    PERMISSIONS_BOUNDARY = "permissions boundary"
    SESSION = "session policy"

    @property
    def is_resource_policy(self) -> bool:
        """Whether policies of the kind name their principals."""
        return self in _NAMING_KINDS

    @property
    def words(self) -> str:
        """The kind as error messages name it ("Troubleshoot access denied error messages")."""
        if self in (PolicyKind.REPOSITORY, PolicyKind.REGISTRY):
            return "resource-based policy"
        return str(self.value)


_NAMING_KINDS = frozenset(
    {PolicyKind.VPC_ENDPOINT, PolicyKind.REPOSITORY, PolicyKind.REGISTRY, PolicyKind.TRUST}
)


@dataclass(frozen=True)
class NamedPolicy:
    """A policy and the name it is known by: its own, or that of what it is attached to."""

    name: str
    document: PolicyDocument


@dataclass(frozen=True)
class PolicySet:
    """All policies that bear on one request.

    :ivar identity: those of the user and its groups, or of the role.
    :ivar permissions_boundary: that of the user or role.
    :ivar session: those passed when the session was made; empty when none was.
    :ivar repository: the repository policy of the resource.
    :ivar registry: the registry policy of the resource's registry.
    :ivar trust: for ``sts:AssumeRole``, the role's trust policy. It must allow; identity-based
        policies alone do not.
    :ivar vpc_endpoint: the policy of the endpoint that the request came through.
    """

    identity: tuple[NamedPolicy, ...] = ()
    permissions_boundary: NamedPolicy | None = None
    session: tuple[NamedPolicy, ...] = ()
    repository: NamedPolicy | None = None
    registry: NamedPolicy | None = None
    trust: NamedPolicy | None = None
    vpc_endpoint: NamedPolicy | None = None

    def of_kind(self, kind: PolicyKind) -> tuple[NamedPolicy, ...]:
        """Return the policies of one *kind*."""
        if kind is PolicyKind.IDENTITY:
            return self.identity
        if kind is PolicyKind.SESSION:
            return self.session
        single = {
            PolicyKind.PERMISSIONS_BOUNDARY: self.permissions_boundary,
            PolicyKind.REPOSITORY: self.repository,
            PolicyKind.REGISTRY: self.registry,
            PolicyKind.TRUST: self.trust,
            PolicyKind.VPC_ENDPOINT: self.vpc_endpoint,
        }[kind]
        return () if single is None else (single,)

    def __iter__(self) -> Iterator[tuple[PolicyKind, NamedPolicy]]:
        """Yield every policy with its kind, in the order in which denials are reported."""
        for kind in PolicyKind:
            for policy in self.of_kind(kind):
                yield kind, policy
