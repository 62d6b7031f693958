"""What can go wrong with repository creation templates; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


class TemplateNotFound(RegistryError):
    """The registry has no template for the prefix."""

    code = "TemplateNotFoundException"

    def __init__(self, prefix: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The repository creation template with prefix '{prefix}' does not exist in the "
            f"registry with id '{account}'"
        )


class TemplateAlreadyExists(RegistryError):
    """The registry has a template for the prefix."""

    code = "TemplateAlreadyExistsException"

    def __init__(self, prefix: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The repository creation template with prefix '{prefix}' already exists in the "
            f"registry with id '{account}'"
        )
