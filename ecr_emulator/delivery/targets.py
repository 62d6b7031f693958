"""Who is to be told of events, by the texts of the setting ``event_targets``.

====================================  =========================================================
``file:PATH``                         each event as one line of JSON at the end of a file
``http://…``, ``https://…``           each event as the body of a POST
``sqs:QUEUE_URL``                     each event as a message of a queue
``sns:ENDPOINT_URL#TOPIC_ARN``        each event as a notification of a topic
``eventbridge:ENDPOINT_URL[#BUS]``    each event put on an event bus
====================================  =========================================================

The real EventBridge takes no events whose source begins with ``aws.`` from anyone but AWS:
this is for its emulations.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from ecr_emulator.delivery.files import FileTarget
from ecr_emulator.delivery.messaging import BusTarget, QueueTarget, TopicTarget
from ecr_emulator.delivery.webhooks import WebhookTarget


class Target(Protocol):
    """Someone who is told of events."""

    @property
    def name(self) -> str:
        """The name, without secrets; the same after every start."""

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Tell of *event*; return why that failed, or ``None`` when it did not."""


def open_targets(texts: Iterable[str], *, durability: str) -> list[Target]:
    """Return the targets that the setting names; none is reached before the first event.

    :param texts: as :func:`ecr_emulator.setting_values.event_targets` lets them through.
    :param durability: ``full`` syncs what is written to files.
    """
    return [_open(text, durability) for text in dict.fromkeys(texts)]


def _open(text: str, durability: str) -> Target:
    kind, _, rest = text.partition(":")
    if kind == "file":
        return FileTarget(text, rest, sync=durability == "full")
    if kind in ("http", "https"):
        return WebhookTarget(_name(kind, text, text), text)
    address, _, named = rest.partition("#")
    name = _name(kind, address, text)
    if kind == "sqs":
        return QueueTarget(name, rest)
    if kind == "sns":
        return TopicTarget(name, address, named)
    if kind == "eventbridge":
        return BusTarget(name, address, named)
    raise ValueError(f"no target of events: {kind}")


def _name(kind: str, address: str, text: str) -> str:
    """Return a name that shows the host alone, as the rest of a URL may hold secrets."""
    host = urlsplit(address).hostname or ""
    return f"{kind}:{host}:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
