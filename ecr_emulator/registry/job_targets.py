"""How a job names the repository it is about.

By its name and by its row: the name alone might be that of a later repository, and SQLite
gives the number of a deleted row to another one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.repository import Repository, find_repository


def job_target(repository: Repository) -> dict[str, Any]:
    """Return what a job's payload holds to name *repository*."""
    key = repository.key
    return {"repository": [key.account, key.region, repository.name, repository.id]}


def find_job_target(
    connection: Connection, payload: Mapping[str, Any], *, for_update: bool = False
) -> Repository | None:
    """Return the repository that a job is about, or ``None`` when it is gone.

    :param for_update: keep it as it is until the transaction ends.
    """
    account, region, name, row_id = payload["repository"]
    key = RegistryKey(account, region)
    try:
        repository = find_repository(connection, key, name, for_update=for_update)
    except RepositoryNotFound:
        return None
    return repository if repository.id == row_id else None
