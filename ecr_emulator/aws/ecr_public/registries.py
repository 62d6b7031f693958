"""DescribeRegistries: the caller's public registry and its alias."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.ecr_public.operation import operation
from ecr_emulator.aws.operation_calls import Params


@operation("DescribeRegistries")
def describe_registries(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Describe the caller's registry: an account has one, once it has a repository in it.

    Likeliest: the reference says that the alias comes with the first repository, and that
    every registry described has an alias in its address.
    """
    account = context.principal.account
    # There is never a second page, so no token is good.
    context.position(params, "DescribeRegistries", account)
    alias = context.registry.public_registries.alias(account)
    if alias is None:
        return {"registries": []}
    return {
        "registries": [
            {
                "registryId": account,
                "registryArn": f"arn:aws:ecr-public::{account}:registry/{account}",
                "registryUri": context.registry_uri(account),
                "verified": False,
                "aliases": [
                    {
                        "name": alias,
                        "status": "ACTIVE",
                        "primaryRegistryAlias": True,
                        "defaultRegistryAlias": True,
                    }
                ],
            }
        ]
    }
