"""Lifecycle policies and their previews."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size, refuse_paging_with
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import named_image
from ecr_emulator.registry.lifecycle_previews import COMPLETE, LifecyclePreview, PreviewResult


@operation("PutLifecyclePolicy")
def put_lifecycle_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give a repository a lifecycle policy in place of the one it has."""
    text = context.registry.lifecycle_policies.put(
        context.key(params), params["repositoryName"], params["lifecyclePolicyText"]
    )
    return _answer(context, params, text)


@operation("GetLifecyclePolicy")
def get_lifecycle_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return a repository's lifecycle policy, and when it was last run."""
    policy = context.registry.lifecycle_policies.get(context.key(params), params["repositoryName"])
    return _answer(context, params, policy.text, policy.last_evaluated_at)


@operation("DeleteLifecyclePolicy")
def delete_lifecycle_policy(context: EcrContext, params: Params) -> dict[str, Any]:
    """Remove a repository's lifecycle policy and return it."""
    policy = context.registry.lifecycle_policies.delete(
        context.key(params), params["repositoryName"]
    )
    return _answer(context, params, policy.text, policy.last_evaluated_at)


@operation("StartLifecyclePolicyPreview")
def start_lifecycle_policy_preview(context: EcrContext, params: Params) -> dict[str, Any]:
    """Begin a preview of the policy given, or of the repository's own."""
    preview = context.registry.lifecycle_previews.start(
        context.key(params), params["repositoryName"], params.get("lifecyclePolicyText")
    )
    return {**_answer(context, params, preview.text), "status": preview.status}


@operation("GetLifecyclePolicyPreview")
def get_lifecycle_policy_preview(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return how a preview stands and what it found, a page at a time."""
    previews = context.registry.lifecycle_previews
    key, name = context.key(params), params["repositoryName"]
    tag_status = (params.get("filter") or {}).get("tagStatus")
    image_ids = None
    limit: int | None = None
    if params.get("imageIds"):
        refuse_paging_with(params, "imageIds")
        image_ids = [named_image(item) for item in params["imageIds"]]
    else:
        limit = page_size(params)
    preview = previews.get(key, name)
    bound_to = (
        "GetLifecyclePolicyPreview",
        key.account,
        key.region,
        name,
        preview.preview_id,
        tag_status,
    )
    found = previews.results(
        preview,
        image_ids=image_ids,
        tag_status=tag_status,
        after=context.position(params, *bound_to) or 0,
        limit=None if limit is None else limit + 1,
    )
    output: dict[str, Any] = {
        **_answer(context, params, preview.text),
        "status": preview.status,
        "previewResults": [_result(item) for item in found[:limit]],
        "summary": _summary(preview) if preview.status == COMPLETE else None,
    }
    if limit is not None and len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1].position, *bound_to)
    return output


def _answer(
    context: EcrContext, params: Params, text: str, last_evaluated_at: datetime | None = None
) -> dict[str, Any]:
    return {
        "registryId": context.key(params).account,
        "repositoryName": params["repositoryName"],
        "lifecyclePolicyText": text,
        "lastEvaluatedAt": last_evaluated_at,
    }


def _result(result: PreviewResult) -> dict[str, Any]:
    target = result.target_storage_class
    return {
        "imageTags": list(result.tags),
        "imageDigest": result.digest,
        "imagePushedAt": result.pushed_at,
        "action": {
            "type": result.action.upper(),
            "targetStorageClass": None if target is None else target.upper(),
        },
        "appliedRulePriority": result.rule_priority,
        "storageClass": result.storage_class.upper(),
    }


def _summary(preview: LifecyclePreview) -> dict[str, Any]:
    transitioning = preview.transitioning
    return {
        "expiringImageTotalCount": preview.expiring,
        # "Only present if at least one image will be transitioned" (API reference).
        "transitioningImageTotalCounts": (
            [{"targetStorageClass": "ARCHIVE", "imageTotalCount": transitioning}]
            if transitioning
            else None
        ),
    }
