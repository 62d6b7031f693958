"""What the operations of STS are built from."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_emulator.auth.access import Access
from ecr_emulator.auth.credentials import TemporaryCredentials
from ecr_emulator.auth.directory import IdentitySource
from ecr_emulator.clock import Clock
from ecr_emulator.registry.api_calls import ApiCalls


@dataclass(frozen=True, slots=True)
class StsServices:
    """Temporary credentials, who may have them, and where calls are written down."""

    temporary_credentials: TemporaryCredentials
    access: Access
    identities: IdentitySource
    clock: Clock
    api_calls: ApiCalls
