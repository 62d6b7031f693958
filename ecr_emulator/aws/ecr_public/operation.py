"""Registering ECR Public's operations."""

from __future__ import annotations

from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.operation_calls import registering
from ecr_emulator.aws.operations import Operations

#: ECR Public's operations, by name.
operations: Operations[EcrPublicContext] = Operations("ecr-public")

#: Registers the decorated function as ECR Public's operation of a name.
operation = registering(operations)
