"""API calls as CloudTrail records them and EventBridge tells of them, if that is wanted.

Sources: CloudTrail user guide, "CloudTrail record contents" and "userIdentity element"; ECR
user guide, "Logging Amazon ECR actions with AWS CloudTrail" (sample entries); IAM user guide,
"Logging IAM and AWS STS API calls with AWS CloudTrail" (all of STS's reads, and tells its answers
nonetheless). Left out of the parameters is what holds no information for an auditor: the bytes of
layers.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.registry.event_bodies import API_CALL, Event, iso_time, without_none
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.uuids import random_uuid

logger = logging.getLogger(__name__)

#: "CloudTrail record contents": parameters and answers of more than 100 KB are left out.
_LARGEST_PART = 100 * 1024
_LEFT_OUT = {"omitted": True, "reason": "more than 100 KB"}
#: The service whose calls are no registry's.
STS = "sts"
#: The error of a call that failed for a reason of our own.
INTERNAL_FAILURE = ("InternalFailure", None)
_READING = ("BatchCheck", "BatchGet", "Describe", "Get", "List", "Validate")
_ACCOUNT = re.compile("[0-9]{12}")
_BLOBS = frozenset({"layerPartBlob", "logoImageBlob"})


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call of an operation, by whichever door it came.

    :ivar service: whose operation it is, if not that of the registry's service.

    :ivar key: the caller's own registry; its region is that of the call.
    :ivar name: of the operation.
    :ivar identity: the ``userIdentity`` of the record.
    :ivar parameters: the operation's input, as on the wire.
    :ivar answer: its output likewise; ``None`` when it was refused.
    :ivar error: code and message, if it was refused.
    """

    key: RegistryKey
    name: str
    identity: Mapping[str, Any]
    source_ip: str
    user_agent: str
    parameters: Mapping[str, Any] | None
    answer: Mapping[str, Any] | None = None
    error: tuple[str, str | None] | None = None
    service: str = ""
    request_id: str = field(default_factory=random_uuid)


class ApiCalls:
    """Writes down API calls, each in a transaction of its own.

    :param enabled: whether any are wanted at all: each costs a write.
    """

    def __init__(self, log: EventLog, clock: Clock, *, enabled: bool) -> None:
        self._log = log
        self._clock = clock
        self.enabled = enabled

    def record(self, call: ApiCall) -> None:
        """Write a call down. That this fails is no reason to fail the call."""
        record = _record(call, iso_time(self._clock.now()))
        event = Event(call.key, API_CALL, record, source=f"aws.{_service(call)}")
        try:
            self._log.record_alone(event)
        except SQLAlchemyError:
            logger.exception("the record of a call of %s is lost", call.name)


def _service(call: ApiCall) -> str:
    return call.service or call.key.service


def _record(call: ApiCall, now: str) -> dict[str, Any]:
    is_sts = call.service == STS
    reads = is_sts or call.name.startswith(_READING)
    code, message = call.error or (None, None)
    region = "us-east-1" if call.key.is_public else call.key.region
    errors = without_none({"errorCode": code, "errorMessage": message})
    return {
        "eventVersion": "1.08",
        "userIdentity": dict(call.identity),
        "eventTime": now,
        "eventSource": f"{_service(call)}.amazonaws.com",
        "eventName": call.name,
        "awsRegion": region,
        "sourceIPAddress": call.source_ip,
        "userAgent": call.user_agent,
        **errors,
        "requestParameters": _part(call.parameters),
        # What reads has none (CloudTrail), so no token of a registry is ever in a record.
        "responseElements": None if reads and not is_sts else _part(call.answer),
        "requestID": call.request_id,
        "eventID": random_uuid(),
        "readOnly": reads,
        "resources": _resources(call),
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": call.key.account,
        "eventCategory": "Management",
    }


def _part(members: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not members:
        return None
    kept = {name: value for name, value in members.items() if name not in _BLOBS}
    try:
        size = len(json.dumps(kept, allow_nan=False))
    except (ValueError, RecursionError):
        # No JSON that others could read: a number that is none, or nested without end.
        return None
    return kept if size <= _LARGEST_PART else dict(_LEFT_OUT)


def _resources(call: ApiCall) -> list[dict[str, str]]:
    if call.service == STS:
        return _role(call)
    name = (call.parameters or {}).get("repositoryName")
    if not isinstance(name, str):
        return []
    # ECR Public takes an alias for it too, which is no account.
    account = (call.parameters or {}).get("registryId")
    is_account = isinstance(account, str) and _ACCOUNT.fullmatch(account) is not None
    owner = str(account) if is_account else call.key.account
    arn = RegistryKey(owner, call.key.region).repository_arn(name)
    return [{"ARN": arn[:2048], "accountId": owner[:12]}]


def _role(call: ApiCall) -> list[dict[str, str]]:
    """Return the role that a call to STS is about."""
    arn = (call.parameters or {}).get("roleArn")
    if not isinstance(arn, str) or arn.count(":") < 5:
        return []
    account = arn.split(":")[4]
    return [{"ARN": arn[:2048], "accountId": account[:12], "type": "AWS::IAM::Role"}]
