"""EventBridge's default bus in moto, which is told of events where a rule may wait for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .companion import Companion


class CompanionBus:
    """The default bus of every account and region
    (:class:`~ecr_emulator.registry.event_delivery.EventBus`)."""

    name = "companions"

    def __init__(self, companion: Companion) -> None:
        self._companion = companion

    def has_rules(self) -> bool:
        """Say whether a rule may wait for events."""
        return self._companion.has_rules()

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Put *event* on the bus; return why that failed, or ``None`` when it did not."""
        return self._companion.put_event(event)
