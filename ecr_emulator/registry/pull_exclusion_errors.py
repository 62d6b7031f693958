"""What can go wrong with pull-time update exclusions; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


class ExclusionAlreadyExists(RegistryError):
    """The principal is excluded already."""

    code = "ExclusionAlreadyExistsException"

    def __init__(self, principal_arn: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The pull time update exclusion for the principal '{principal_arn}' already exists "
            f"in the registry with id '{account}'"
        )


class ExclusionNotFound(RegistryError):
    """The principal is not excluded."""

    code = "ExclusionNotFoundException"

    def __init__(self, principal_arn: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The pull time update exclusion for the principal '{principal_arn}' does not exist "
            f"in the registry with id '{account}'"
        )
