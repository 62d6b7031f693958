"""Registering ECR's operations, and what happens around each: access first, AWS's errors last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ecr_emulator.auth.access import AccessDenied
from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.errors import AwsError, access_denied
from ecr_emulator.aws.operations import Operations
from ecr_emulator.registry.errors import RegistryError, ServerFailure

Function = Callable[[EcrContext, Params], dict[str, Any]]

#: ECR's operations, by name.
operations: Operations[EcrContext] = Operations("ecr")


def operation(name: str) -> Callable[[Function], Function]:
    """Register the decorated function as ECR's operation *name*."""

    def register(function: Function) -> Function:
        def call(context: EcrContext, params: Params) -> dict[str, Any]:
            try:
                context.authorize(name, params)
                return function(context, params)
            except AccessDenied as error:
                raise access_denied(error.message) from None
            except RegistryError as error:
                raise to_aws_error(error) from error

        operations.operation(name)(call)
        return function

    return register


def to_aws_error(error: RegistryError) -> AwsError:
    """Return a refusal of the registry as the JSON door answers it."""
    status = 500 if isinstance(error, ServerFailure) else 400
    return AwsError(error.code, error.message, status=status, fields=error.fields)
