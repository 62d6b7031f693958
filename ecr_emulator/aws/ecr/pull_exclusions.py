"""Pull-time update exclusions: register, deregister, list."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size
from ecr_emulator.aws.ecr.operation import operation


@operation("RegisterPullTimeUpdateExclusion")
def register_pull_time_update_exclusion(context: EcrContext, params: Params) -> dict[str, Any]:
    """Record the pulls of a principal no longer."""
    principal_arn = params["principalArn"]
    created_at = context.registry.pull_exclusions.register(context.key(params), principal_arn)
    return {"principalArn": principal_arn, "createdAt": created_at}


@operation("DeregisterPullTimeUpdateExclusion")
def deregister_pull_time_update_exclusion(context: EcrContext, params: Params) -> dict[str, Any]:
    """Record the pulls of a principal again."""
    principal_arn = params["principalArn"]
    context.registry.pull_exclusions.deregister(context.key(params), principal_arn)
    return {"principalArn": principal_arn}


@operation("ListPullTimeUpdateExclusions")
def list_pull_time_update_exclusions(context: EcrContext, params: Params) -> dict[str, Any]:
    """List the principals whose pulls are not recorded, a page at a time."""
    key, limit = context.key(params), page_size(params)
    bound_to = ("ListPullTimeUpdateExclusions", key.account, key.region)
    found = context.registry.pull_exclusions.page(
        key, after=context.position(params, *bound_to) or "", limit=limit + 1
    )
    output: dict[str, Any] = {"pullTimeUpdateExclusions": found[:limit]}
    if len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1], *bound_to)
    return output
