"""ECR Public's operations: one thin function each, by the families of the API reference."""

from __future__ import annotations

from ecr_emulator.aws.ecr_public import (
    authorization,
    catalog,
    images,
    layers,
    registries,
    repositories,
    repository_policies,
    tags,
)
from ecr_emulator.aws.ecr_public.operation import operations

__all__ = [
    "authorization",
    "catalog",
    "images",
    "layers",
    "operations",
    "registries",
    "repositories",
    "repository_policies",
    "tags",
]
