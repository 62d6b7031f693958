"""Repository policies."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.operation_calls import CallContext, Params


@operation("SetRepositoryPolicy")
def set_repository_policy(context: CallContext, params: Params) -> dict[str, Any]:
    """Give a repository a policy in place of the one it has."""
    text = context.registry.policies.set(
        context.key(params),
        params["repositoryName"],
        params["policyText"],
        caller_arn=context.principal.arn,
        force=params.get("force", False),
    )
    return _output(context, params, text)


@operation("GetRepositoryPolicy")
def get_repository_policy(context: CallContext, params: Params) -> dict[str, Any]:
    """Return a repository's policy."""
    text = context.registry.policies.get(context.key(params), params["repositoryName"])
    return _output(context, params, text)


@operation("DeleteRepositoryPolicy")
def delete_repository_policy(context: CallContext, params: Params) -> dict[str, Any]:
    """Remove a repository's policy and return it."""
    text = context.registry.policies.delete(context.key(params), params["repositoryName"])
    return _output(context, params, text)


def _output(context: CallContext, params: Params, text: str) -> dict[str, Any]:
    return {
        "registryId": context.key(params).account,
        "repositoryName": params["repositoryName"],
        "policyText": text,
    }
