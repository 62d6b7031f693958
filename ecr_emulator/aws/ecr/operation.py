"""Registering ECR's operations."""

from __future__ import annotations

from ecr_emulator.aws.ecr.context import EcrContext
from ecr_emulator.aws.operation_calls import registering, to_aws_error
from ecr_emulator.aws.operations import Operations

__all__ = ["operation", "operations", "to_aws_error"]

#: ECR's operations, by name.
operations: Operations[EcrContext] = Operations("ecr")

#: Registers the decorated function as ECR's operation of a name: ``@operation("PutImage")``.
operation = registering(operations)
