"""What every ECR operation is handed: who calls, and what it may call."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_emulator.arns import RegistryKey
from ecr_emulator.aws.operation_calls import (
    DEFAULT_PAGE,
    CallContext,
    Params,
    page_size,
    refuse_paging_with,
)

__all__ = ["DEFAULT_PAGE", "EcrContext", "Params", "page_size", "refuse_paging_with"]


@dataclass(frozen=True, slots=True)
class EcrContext(CallContext):
    """One call of an ECR operation."""

    @property
    def home(self) -> RegistryKey:
        """The caller's private registry in the region of the call."""
        return RegistryKey(self.principal.account, self.region)
