"""Resource tags of repositories."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.operation_calls import CallContext, Params, tags_of


@operation("TagResource")
def tag_resource(context: CallContext, params: Params) -> dict[str, Any]:
    """Add tags to a repository, or change their values."""
    context.registry.resource_tags.add(params["resourceArn"], tags_of(params))
    return {}


@operation("UntagResource")
def untag_resource(context: CallContext, params: Params) -> dict[str, Any]:
    """Take tags off a repository."""
    context.registry.resource_tags.remove(params["resourceArn"], params["tagKeys"])
    return {}


@operation("ListTagsForResource")
def list_tags_for_resource(context: CallContext, params: Params) -> dict[str, Any]:
    """List a repository's tags."""
    tags = context.registry.resource_tags.list(params["resourceArn"])
    return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
