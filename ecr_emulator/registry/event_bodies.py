"""Events of ECR in the shape in which Amazon EventBridge delivers them.

Sources: user guide, "Amazon ECR events and EventBridge" (the sample events); the EventBridge
schema registry's ``aws.ecr`` schemas (members of referrers' events); user guide, "Logging
Amazon ECR actions with AWS CloudTrail" (the records of API calls and of lifecycle policies).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.uuids import random_uuid

IMAGE_ACTION = "ECR Image Action"
REFERRER_ACTION = "ECR Referrer Action"
IMAGE_SCAN = "ECR Image Scan"
SCAN_RESOURCE_CHANGE = "ECR Scan Resource Change"
#: Amazon Inspector's.
INSPECTOR_SCAN = "Inspector2 Scan"
REPLICATION_ACTION = "ECR Replication Action"
PULL_THROUGH_CACHE_ACTION = "ECR Pull Through Cache Action"
API_CALL = "AWS API Call via CloudTrail"
SERVICE_EVENT = "AWS Service Event via CloudTrail"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a registry.

    :ivar key: the registry; its account and region are the event's.
    :ivar detail_type: as :data:`IMAGE_ACTION`.
    :ivar resources: ARNs.
    :ivar source: whose event it is.
    """

    key: RegistryKey
    detail_type: str
    detail: Mapping[str, Any]
    resources: Sequence[str] = field(default=())
    source: str = "aws.ecr"

    def body(self, region: str, now: datetime) -> dict[str, Any]:
        """Return the whole event as EventBridge has it.

        :param region: where it is told of; a public registry's key names none.
        """
        return {
            "version": "0",
            "id": random_uuid(),
            "detail-type": self.detail_type,
            "source": self.source,
            "account": self.key.account,
            "time": iso_time(now),
            "region": region,
            "resources": list(self.resources),
            "detail": dict(self.detail),
        }


def iso_time(moment: datetime) -> str:
    """Return an aware time in the form of events, in UTC and whole seconds."""
    return moment.astimezone(timezone.utc).isoformat(timespec="seconds")[:19] + "Z"


def without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return *members* without those that have no value."""
    return {name: value for name, value in members.items() if value is not None}
