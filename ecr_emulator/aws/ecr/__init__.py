"""ECR's operations: one thin function each, by the families of the API reference."""

from __future__ import annotations

from ecr_emulator.aws.ecr import (
    account_settings,
    authorization,
    images,
    layers,
    lifecycle,
    pull_exclusions,
    pull_through_cache_rules,
    referrers,
    registry_policies,
    replication,
    replication_backfills,
    repositories,
    repository_creation_templates,
    repository_policies,
    scanning,
    signing,
    storage_classes,
    tags,
)
from ecr_emulator.aws.ecr.operation import operations

__all__ = [
    "account_settings",
    "authorization",
    "images",
    "layers",
    "lifecycle",
    "operations",
    "pull_exclusions",
    "pull_through_cache_rules",
    "referrers",
    "registry_policies",
    "replication",
    "replication_backfills",
    "repositories",
    "repository_creation_templates",
    "repository_policies",
    "scanning",
    "signing",
    "storage_classes",
    "tags",
]
