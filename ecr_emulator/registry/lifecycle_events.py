"""What a lifecycle policy did, as CloudTrail records it (``PolicyExecutionEvent``).

Source: user guide, "Logging Amazon ECR actions with AWS CloudTrail": the sample entry for a
lifecycle policy; that actions on ten images and more are split up, and that at most 100 tags
of an image are named. The words of selections that the sample does not show are likeliest.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.registry.event_bodies import iso_time
from ecr_emulator.registry.lifecycle_evaluation import ImageFacts
from ecr_emulator.registry.lifecycle_policy import (
    IMAGE_COUNT_MORE_THAN,
    SINCE_IMAGE_PULLED,
    SINCE_IMAGE_PUSHED,
    SINCE_IMAGE_TRANSITIONED,
    LifecyclePolicy,
    LifecycleRule,
)
from ecr_emulator.registry.repository import Repository
from ecr_emulator.uuids import random_uuid

_IMAGES_PER_EVENT = 9
_TAGS_PER_IMAGE = 100
_COUNT_TYPES = {
    IMAGE_COUNT_MORE_THAN: "Image count more than",
    SINCE_IMAGE_PUSHED: "Since image pushed",
    SINCE_IMAGE_PULLED: "Since image pulled",
    SINCE_IMAGE_TRANSITIONED: "Since image transitioned",
}
_POLICY_IDS = uuid.UUID("b1f2a8c4-52c1-5d0e-9a3c-6f4f0f0a7c52")


@dataclass(frozen=True, slots=True)
class PolicyExecution:
    """What one step of a run of a lifecycle policy did.

    :ivar text: of the policy, which tells it from another.
    :ivar actions: the images that it deleted or archived, as they were, each with the priority
        of the rule.
    :ivar evaluated_at: when the policy was evaluated before; ``None`` for never.
    """

    policy: LifecyclePolicy
    text: str
    actions: Sequence[tuple[ImageFacts, int]]
    now: datetime
    evaluated_at: datetime | None = None


def policy_executions(
    repository: Repository, execution: PolicyExecution
) -> Iterator[dict[str, Any]]:
    """Yield the records of what a policy did."""
    key = repository.key
    policy = {
        "lifecycleEventRules": [_rule(rule) for rule in execution.policy.rules],
        "lastEvaluatedAt": _milliseconds(execution.evaluated_at),
        "policyVersion": 1,
        "policyId": str(uuid.uuid5(_POLICY_IDS, repository.arn + "\n" + execution.text)),
    }
    for start in range(0, len(execution.actions), _IMAGES_PER_EVENT):
        part = execution.actions[start : start + _IMAGES_PER_EVENT]
        yield {
            "eventVersion": "1.05",
            "userIdentity": {"accountId": key.account, "invokedBy": "AWS Internal"},
            "eventTime": iso_time(execution.now),
            "eventSource": "ecr.amazonaws.com",
            "eventName": "PolicyExecutionEvent",
            "awsRegion": key.region,
            "sourceIPAddress": "AWS Internal",
            "userAgent": "AWS Internal",
            "requestParameters": None,
            "responseElements": None,
            "eventID": random_uuid(),
            "readOnly": True,
            "resources": [
                {
                    "ARN": repository.arn,
                    "accountId": key.account,
                    "type": "AWS::ECR::Repository",
                }
            ],
            "eventType": "AwsServiceEvent",
            "recipientAccountId": key.account,
            "serviceEventDetails": {
                "repositoryName": repository.name,
                "lifecycleEventPolicy": policy,
                "lifecycleEventImageActions": [_action(*action) for action in part],
                "lifecycleEventFailureDetails": [],
            },
        }


def _rule(rule: LifecycleRule) -> dict[str, Any]:
    selection = rule.selection
    return {
        "rulePriority": rule.priority,
        "description": rule.description or "",
        "lifecycleEventSelection": {
            "tagStatus": selection.tag_status.capitalize(),
            "tagPrefixList": list(selection.tag_prefixes),
            "countType": _COUNT_TYPES.get(selection.count_type, selection.count_type),
            "countNumber": selection.count_number,
        },
        "action": rule.action.type,
    }


def _action(facts: ImageFacts, priority: int) -> dict[str, Any]:
    return {
        "lifecycleEventImage": {
            "digest": facts.digest,
            "tagStatus": "Tagged" if facts.tags else "Untagged",
            "tagList": list(facts.tags[:_TAGS_PER_IMAGE]),
            "pushedAt": _milliseconds(facts.pushed_at),
        },
        "rulePriority": priority,
    }


def _milliseconds(moment: datetime | None) -> int:
    if moment is None:
        return 0
    return int(moment.astimezone(timezone.utc).timestamp() * 1000)
