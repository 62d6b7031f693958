"""A push, as it is told to what it sets going."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sqlalchemy import Connection

from ecr_emulator.registry.images import Image
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.registry_rules import RegistryRules
from ecr_emulator.registry.repository import Repository


class Push(NamedTuple):
    """An image that was pushed, or given a tag, just now.

    :ivar tag: the tag that it was pushed under.
    :ivar rules: of the registry, as the transaction of the push sees them.
    :ivar permit: of the one who pushes; ``None`` for what ECR itself brings.
    """

    repository: Repository
    image: Image
    tag: str | None
    rules: RegistryRules
    permit: Permit | None = None


#: Told of a push in its transaction.
PushHook = Callable[[Connection, Push], None]
