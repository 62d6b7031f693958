"""What can go wrong with lifecycle policies and their previews; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


def _of_repository(name: str, account: str) -> str:
    return f"for the repository with name '{name}' in the registry with id '{account}'"


class LifecyclePolicyNotFound(RegistryError):
    """The repository has no lifecycle policy."""

    code = "LifecyclePolicyNotFoundException"

    def __init__(self, name: str, account: str) -> None:
        super().__init__(f"Lifecycle policy does not exist {_of_repository(name, account)}")


class LifecyclePolicyPreviewNotFound(RegistryError):
    """No preview was ever started for the repository."""

    code = "LifecyclePolicyPreviewNotFoundException"

    def __init__(self, name: str, account: str) -> None:
        # Likeliest.
        super().__init__(f"Lifecycle policy preview does not exist {_of_repository(name, account)}")


class LifecyclePolicyPreviewInProgress(RegistryError):
    """The preview that was started before is not complete."""

    code = "LifecyclePolicyPreviewInProgressException"

    def __init__(self, name: str, account: str) -> None:
        # Likeliest.
        super().__init__(f"Lifecycle policy preview is in progress {_of_repository(name, account)}")
