"""Events to AWS's messaging services, or to what stands in for them: SQS, SNS, EventBridge.

Credentials are those of the environment, as every AWS client finds them; without any, the
``test``/``test`` that emulations take.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"total_max_attempts": 1})
#: Clients that are kept, one a region; the regions of events are for callers to choose.
_MOST_CLIENTS = 16


class _Service:
    """Clients of one service at one address.

    :param service: botocore's name of it.
    """

    def __init__(self, service: str, endpoint_url: str) -> None:
        self._service = service
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def call(self, region: str, method: str, **arguments: Any) -> dict[str, Any] | str:
        """Call an operation; return its answer, or in words why there is none."""
        try:
            answer: dict[str, Any] = getattr(self._client(region), method)(**arguments)
        except ClientError as error:
            return str(error.response.get("Error", {}).get("Code", "refused"))
        except (BotoCoreError, ValueError) as error:  # ValueError: an address that is none
            return f"no answer ({type(error).__name__})"
        return answer

    def _client(self, region: str) -> Any:
        with self._lock:
            if region not in self._clients:
                if len(self._clients) >= _MOST_CLIENTS:
                    self._clients.clear()
                session = botocore.session.Session()
                if session.get_credentials() is None:
                    session.set_credentials("test", "test")
                self._clients[region] = session.create_client(
                    self._service,
                    region_name=region,
                    endpoint_url=self._endpoint_url,
                    config=_CONFIG,
                )
            return self._clients[region]


class QueueTarget:
    """An SQS queue; the message's body is the event, as EventBridge sends it to one.

    :param url: of the queue.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        parts = urlsplit(url)
        self._url = url
        self._service = _Service("sqs", f"{parts.scheme}://{parts.netloc}")
        labels = (parts.hostname or "").split(".")
        # sqs.REGION.amazonaws.com; elsewhere any will do.
        self._region = labels[1] if labels[0] == "sqs" and len(labels) > 2 else "us-east-1"

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Send *event*; return why that failed, or ``None`` when it did not."""
        arguments = {"QueueUrl": self._url, "MessageBody": json.dumps(event)}
        if self._url.endswith(".fifo"):
            arguments.update(MessageGroupId="ecr", MessageDeduplicationId=event["id"])
        answer = self._service.call(self._region, "send_message", **arguments)
        return answer if isinstance(answer, str) else None


class TopicTarget:
    """An SNS topic; the notification's message is the event."""

    def __init__(self, name: str, endpoint_url: str, topic_arn: str) -> None:
        self.name = name
        self._service = _Service("sns", endpoint_url)
        self._topic_arn = topic_arn
        self._region = topic_arn.split(":")[3]

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Publish *event*; return why that failed, or ``None`` when it did not."""
        arguments = {"TopicArn": self._topic_arn, "Message": json.dumps(event)}
        if self._topic_arn.endswith(".fifo"):
            arguments.update(MessageGroupId="ecr", MessageDeduplicationId=event["id"])
        answer = self._service.call(self._region, "publish", **arguments)
        return answer if isinstance(answer, str) else None


class BusTarget:
    """An event bus, in the region of each event.

    :param bus: its name or ARN; empty for the default bus.
    """

    def __init__(self, name: str, endpoint_url: str, bus: str) -> None:
        self.name = name
        self._service = _Service("events", endpoint_url)
        self._bus = bus

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Put *event* on the bus; return why that failed, or ``None`` when it did not."""
        entry = {
            "Time": event["time"],
            "Source": event["source"],
            "Resources": event["resources"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        if self._bus:
            entry["EventBusName"] = self._bus
        answer = self._service.call(event["region"], "put_events", Entries=[entry])
        if isinstance(answer, str):
            return answer
        if answer.get("FailedEntryCount"):
            return str(answer["Entries"][0].get("ErrorCode", "refused"))
        return None
