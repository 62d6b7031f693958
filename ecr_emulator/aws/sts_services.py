"""What the operations of STS are built from."""

from __future__ import annotations

from dataclasses import dataclass

from ecr_emulator.auth.access import Access
from ecr_emulator.auth.credentials import TemporaryCredentials
from ecr_emulator.auth.directory import IdentitySource
from ecr_emulator.clock import Clock


@dataclass(frozen=True, slots=True)
class StsServices:
    """Temporary credentials, and who may have them."""

    temporary_credentials: TemporaryCredentials
    access: Access
    identities: IdentitySource
    clock: Clock
