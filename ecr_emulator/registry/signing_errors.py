"""What can go wrong with signing configurations; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


class SigningConfigurationNotFound(RegistryError):
    """The registry has no signing configuration."""

    code = "SigningConfigurationNotFoundException"

    def __init__(self, account: str) -> None:
        # Likeliest: the sentence of RegistryPolicyNotFoundException, which sources show.
        super().__init__(
            f"Signing configuration does not exist in the registry with id '{account}'"
        )
