"""Repository policies: the operations are those of private registries."""

from __future__ import annotations

from ecr_emulator.aws.ecr import repository_policies
from ecr_emulator.aws.ecr_public.operation import operation

operation("SetRepositoryPolicy")(repository_policies.set_repository_policy)
operation("GetRepositoryPolicy")(repository_policies.get_repository_policy)
operation("DeleteRepositoryPolicy")(repository_policies.delete_repository_policy)
