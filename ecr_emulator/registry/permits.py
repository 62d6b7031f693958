"""What the registry asks of the access of those for whom it acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Permit(Protocol):
    """What a caller may do to a repository and on account of it; asks the door's access.

    What ECR does itself (replication, signatures, refreshing its cache) needs none.
    """

    def __call__(self, action: str, *, tags: Mapping[str, str] | None = None) -> None:
        """Refuse, by an exception of the door's own, unless the caller may do ECR's *action*.

        :param action: as ``CreateRepository``.
        :param tags: what the repository is to be tagged with.
        """

    def refusal(self, action: str, resource: str) -> str | None:
        """Return AWS's text if the caller may not do an action of another service.

        :param action: with its service, as ``signer:SignPayload``.
        :param resource: an ARN.
        """
