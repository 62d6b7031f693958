"""What a caller may do beyond the action it calls for, asked where the need is found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecr_emulator.arns import RegistryKey
from ecr_emulator.policy.context import Origin, tagging_keys

from .access import Access, AccessDenied
from .principals import Principal


@dataclass(frozen=True, slots=True)
class CallerPermit:
    """What a caller may do to one repository, and on account of it."""

    access: Access
    principal: Principal
    key: RegistryKey
    repository: str
    origin: Origin

    def __call__(self, action: str, *, tags: Mapping[str, str] | None = None) -> None:
        """Refuse unless the caller may do the service's *action* (``CreateRepository``).

        :param tags: what the repository is to be tagged with.
        :raises AccessDenied: with AWS's text.
        """
        self.access.check(
            self.principal,
            f"{self.key.service}:{action}",
            self.key,
            self.repository,
            origin=self.origin,
            keys=tagging_keys(tags=tags) if tags else None,
        )

    def refusal(self, action: str, resource: str) -> str | None:
        """Return AWS's text if the caller may not do an action of another service.

        :param action: with its service, as ``signer:SignPayload``.
        :param resource: an ARN.
        """
        try:
            self.access.check_resource(self.principal, action, resource, origin=self.origin)
        except AccessDenied as error:
            return error.message
        return None
