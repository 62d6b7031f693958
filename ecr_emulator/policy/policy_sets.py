"""The policies that bear on a request, by kind, and the words AWS has for each kind."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

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
        return self.name in _NAMING_KINDS

    @property
    def words(self) -> str:
        """The kind as error messages name it ("Troubleshoot access denied error messages")."""
        if self in (PolicyKind.REPOSITORY, PolicyKind.REGISTRY):
            return "resource-based policy"
        return str(self.value)


_NAMING_KINDS = frozenset({"VPC_ENDPOINT", "REPOSITORY", "REGISTRY", "TRUST"})


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

    @cached_property
    def _by_kind(self) -> dict[str, tuple[NamedPolicy, ...]]:
        """The policies by the names of their kinds, in the order denials are reported."""

        def single(policy: NamedPolicy | None) -> tuple[NamedPolicy, ...]:
            return () if policy is None else (policy,)

        found = {
            "VPC_ENDPOINT": single(self.vpc_endpoint),
            "REPOSITORY": single(self.repository),
            "REGISTRY": single(self.registry),
            "TRUST": single(self.trust),
            "IDENTITY": self.identity,
            "PERMISSIONS_BOUNDARY": single(self.permissions_boundary),
            "SESSION": self.session,
        }
        return {name: policies for name, policies in found.items() if policies}

    def of_kind(self, kind: PolicyKind) -> tuple[NamedPolicy, ...]:
        """Return the policies of one *kind*."""
        return self._by_kind.get(kind.name, ())

    def __iter__(self) -> Iterator[tuple[PolicyKind, NamedPolicy]]:
        """Yield every policy with its kind, in the order in which denials are reported."""
        for name, policies in self._by_kind.items():
            for policy in policies:
                yield PolicyKind[name], policy
