"""The users and roles of every source: the emulator's own, and those of another IAM beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .identities import Identities, Identity


class IdentitySource(Protocol):
    """Where the users and roles behind a request are looked up."""

    def find(self, account: str, kind: str, name: str) -> Identity | None:
        """Return a user or role, or ``None``."""

    def policies(self, identity: Identity) -> Mapping[str, str]:
        """Return the identity-based policies of a user or role, by name."""

    def organization(self, account: str) -> str:
        """Return the id of the organization that an account belongs to, or an empty string."""


class OtherIam(Protocol):
    """An IAM beside the emulator's own."""

    def find(self, account: str, kind: str, name: str) -> tuple[Identity, Mapping[str, str]] | None:
        """Return a user or role with its policies by name, or ``None``."""


class Directory:
    """The emulator's own users and roles, and behind them those of another IAM.

    Of two with one name in one account the emulator's own counts.
    """

    def __init__(self, own: Identities, other: OtherIam) -> None:
        self._own = own
        self._other = other

    def find(self, account: str, kind: str, name: str) -> Identity | None:
        """Return a user or role, or ``None``."""
        found = self._own.find(account, kind, name)
        if found is not None:
            return found
        other = self._other.find(account, kind, name)
        return None if other is None else other[0]

    def policies(self, identity: Identity) -> Mapping[str, str]:
        """Return the identity-based policies of a user or role, by name."""
        if identity.id:
            return self._own.policies(identity)
        # Not the emulator's own, which have ids of its database.
        other = self._other.find(identity.account, identity.kind, identity.name)
        return {} if other is None else other[1]

    def organization(self, account: str) -> str:
        """Return the id of the organization that an account belongs to, or an empty string."""
        return self._own.organization(account)
