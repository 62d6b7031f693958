"""ECR's operations: one thin function each, by the families of the API reference."""

from __future__ import annotations

from ecr_emulator.aws.ecr import (
    account_settings,
    authorization,
    images,
    layers,
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
    "repositories",
    "repository_policies",
    "tags",
]
