"""Who may do what: asked by both doors before anything is done."""

from __future__ import annotations

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.principals import Principal


class AccessDenied(Exception):
    """The principal may not do it; the message is AWS's."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Access:
    """Decides on access.

    Today a principal may do everything in the registries of its own account, and nothing in
    those of others: repository and registry policies are stored and validated, and not yet
    evaluated.
    """

    def check(
        self, principal: Principal, action: str, key: RegistryKey, repository: str | None
    ) -> None:
        """Let the principal do *action* (``ecr:PutImage``, …), or refuse.

        :param repository: the repository it would act on; ``None`` for the registry itself.
        :raises AccessDenied: with AWS's text.
        """
        if principal.account == key.account:
            return
        resource = "*" if repository is None else key.repository_arn(repository)
        raise AccessDenied(
            f"User: {principal.arn} is not authorized to perform: {action} on resource: "
            f"{resource} because no resource-based policy allows the {action} action"
        )
