"""The registry's own policy."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation


@operation("GetRegistryPolicy")
def get_registry_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return the registry's policy."""
    key = context.key(params)
    return {"registryId": key.account, "policyText": context.registry.registry_policies.get(key)}


@operation("PutRegistryPolicy")
def put_registry_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give the registry a policy in place of the one it has."""
    key = context.key(params)
    text = context.registry.registry_policies.put(key, params["policyText"])
    return {"registryId": key.account, "policyText": text}


@operation("DeleteRegistryPolicy")
def delete_registry_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Remove the registry's policy and return it."""
    key = context.key(params)
    text = context.registry.registry_policies.delete(key)
    return {"registryId": key.account, "policyText": text}
