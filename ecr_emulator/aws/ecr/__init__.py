"""ECR's operations: one thin function each, by the families of the API reference."""

from __future__ import annotations

from ecr_emulator.aws.ecr import (
    account_settings,
    authorization,
    images,
    layers,
    registry_policies,
    replication,
    replication_backfills,
    repositories,
    repository_policies,
    tags,
)
from ecr_emulator.aws.ecr.operation import operations

__all__ = [
    "account_settings",
    "authorization",
    "images",
    "layers",
    "operations",
    "registry_policies",
    "replication",
    "replication_backfills",
    "repositories",
    "repository_policies",
    "tags",
]
