"""Replication backfills: start, stop, list, describe."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.ecr.replication import destination_output, parse_destination
from ecr_emulator.registry.backfill import Backfill, Progress
from ecr_emulator.registry.backfills import BackfillResult

#: Backfills on a page when the caller names no number (API reference).
_DEFAULT_LIST_PAGE = 25


@operation("StartReplicationBackfill")
def start_replication_backfill(context: EcrContext, params: Params) -> dict[str, Any]:
    """Start to replicate what the registry holds already to one destination."""
    destination = parse_destination(params["destination"])
    return _started(context.registry.backfills.start(context.key(params), destination))


@operation("StopReplicationBackfill")
def stop_replication_backfill(context: EcrContext, params: Params) -> dict[str, Any]:
    """Stop a backfill; what it replicated stays."""
    backfill_id = params["replicationBackfillId"]
    return _started(context.registry.backfills.stop(context.key(params), backfill_id))


@operation("ListReplicationBackfills")
def list_replication_backfills(context: EcrContext, params: Params) -> dict[str, Any]:
    """List the registry's backfills, a page at a time."""
    key = context.key(params)
    limit = params.get("maxResults") or _DEFAULT_LIST_PAGE
    bound_to = ("ListReplicationBackfills", key.account, key.region)
    position = context.position(params, *bound_to)
    found = context.registry.backfills.page(key, after=position, limit=limit + 1)
    output: dict[str, Any] = {
        "registryId": key.account,
        "backfills": [_summary(backfill) for backfill in found[:limit]],
    }
    if len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1].row_id, *bound_to)
    return output


@operation("DescribeReplicationBackfillResults")
def describe_replication_backfill_results(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return how far a backfill is and, once it has ended, its results, a page at a time."""
    key, status = context.key(params), params.get("resultStatusFilter")
    backfill = context.registry.backfills.get(key, params["replicationBackfillId"])
    limit = page_size(params)
    bound_to = (
        "DescribeReplicationBackfillResults",
        key.account,
        key.region,
        backfill.id,
        status,
    )
    position = context.position(params, *bound_to)
    found = context.registry.backfills.results(
        backfill, status=status, after=position or 0, limit=limit + 1
    )
    output = {
        "registryId": key.account,
        **_summary(backfill),
        "results": [_result(result) for result in found[:limit]],
    }
    if len(found) > limit:
        output["nextToken"] = context.next_token(found[limit - 1].position, *bound_to)
    return output


def _started(backfill: Backfill) -> dict[str, Any]:
    return {
        "replicationBackfillId": backfill.id,
        "registryId": backfill.key.account,
        "destination": destination_output(backfill.destination),
        "status": backfill.status,
        "startedAt": backfill.started_at,
    }


def _summary(backfill: Backfill) -> dict[str, Any]:
    progress = backfill.progress
    return {
        "replicationBackfillId": backfill.id,
        "destination": destination_output(backfill.destination),
        "status": backfill.status,
        "failureCode": backfill.failure_code,
        "progress": None if progress is None else _progress(progress),
        "startedAt": backfill.started_at,
        "endedAt": backfill.ended_at,
    }


def _progress(progress: Progress) -> dict[str, Any]:
    return {
        "totalReplicationCount": progress.total,
        "completedReplicationCount": progress.completed,
        "failedReplicationCount": progress.failed,
        "failureCodes": list(progress.failure_codes),
    }


def _result(result: BackfillResult) -> dict[str, Any]:
    codes = result.child_failure_codes
    return {
        "repositoryName": result.repository_name,
        "imageId": {
            "imageDigest": result.image_id.digest,
            "imageTag": result.image_id.tag,
        },
        "status": result.status,
        "failureCode": result.failure_code,
        "subImageFailureCodes": None if codes is None else list(codes),
    }
