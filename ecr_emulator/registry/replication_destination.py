"""The repository that a replicated image arrives in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.schema import repositories
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.registry.repositories import AES256
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.tag_mutability import MUTABLE


def create_destination_repository(
    connection: Connection, key: RegistryKey, name: str, now: datetime
) -> Repository:
    """Create the repository that replication finds missing, and return it.

    It has the settings that ECR gives to what no creation template covers: mutable tags,
    AES-256, no policies (user guide, "Repository creation templates"). A template that is
    applied for REPLICATION takes effect here.
    """
    insert_once(
        connection,
        repositories,
        account=key.account,
        region=key.region,
        name=name,
        created_at=now,
        tag_mutability=MUTABLE,
        tag_mutability_filters=[],
        scan_on_push=False,
        encryption_type=AES256,
    )
    return find_repository(connection, key, name, for_update=True)
