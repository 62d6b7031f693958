"""The log of events: written with the changes they tell of, kept for a while, and read.

An event is one row more in the transaction of the change, so there is none for what was rolled
back and none is lost. Those who are to be told get theirs by :mod:`.event_delivery`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, or_, select

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.event_tables import event_deliveries, events
from ecr_emulator.db.hot_writes import HotInsert
from ecr_emulator.registry.event_bodies import Event
from ecr_emulator.registry.event_queue import DeliveryQueue

#: How many events are kept. One that is still to be delivered is kept longer, up to the time
#: for which EventBridge itself tries ("Event retry policy": 24 hours).
KEPT = 10_000
KEPT_FOR_DELIVERY = timedelta(hours=24)
#: After so many events the log is cut back.
_BETWEEN_CUTS = 100

_INSERT = HotInsert(events)
_OLD = delete(events).where(
    events.c.id <= bindparam("last"),
    or_(
        events.c.happened_at < bindparam("before"),
        ~select(event_deliveries.c.event_id)
        .where(event_deliveries.c.event_id == events.c.id)
        .exists(),
    ),
)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log.

    :ivar id: its place; that of a later event is higher.
    :ivar body: the event as EventBridge has it.
    """

    id: int
    body: dict[str, Any]


class EventLog:
    """The events of every registry.

    :param kept: how many events are kept.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        deliveries: DeliveryQueue,
        *,
        kept: int = KEPT,
    ) -> None:
        self._database = database
        self._clock = clock
        self._deliveries = deliveries
        self._kept = kept

    def record(self, connection: Connection, event: Event) -> None:
        """Write an event down in the transaction of what it tells of."""
        now = self._clock.now()
        # ECR Public is at home in one region (its endpoints are in us-east-1 and us-west-2, and
        # its CloudTrail records come from the former).
        region = "us-east-1" if event.key.is_public else event.key.region
        event_id = _INSERT.run(
            connection,
            {
                "happened_at": now,
                "account": event.key.account,
                "region": region,
                "detail_type": event.detail_type,
                "body": event.body(region, now),
            },
        )
        self._deliveries.add(connection, event_id, now)
        if event_id % _BETWEEN_CUTS == 0:
            before = now - KEPT_FOR_DELIVERY
            connection.execute(_OLD, {"last": event_id - self._kept, "before": before})

    def record_alone(self, event: Event) -> None:
        """Write an event down in a transaction of its own."""
        with self._database.write() as connection:
            self.record(connection, event)

    def find(
        self,
        *,
        account: str | None = None,
        region: str | None = None,
        detail_type: str | None = None,
        after: int | None = None,
        limit: int,
    ) -> list[LoggedEvent]:
        """Return events in the order in which they happened.

        :param after: only those behind the one with this id, from the first on; without it the
            newest are returned.
        """
        query = select(events.c.id, events.c.body).limit(limit)
        for column, value in (
            (events.c.account, account),
            (events.c.region, region),
            (events.c.detail_type, detail_type),
        ):
            if value is not None:
                query = query.where(column == value)
        if after is None:
            query = query.order_by(events.c.id.desc())
        else:
            query = query.where(events.c.id > after).order_by(events.c.id)
        found: Sequence[Any] = self._database.reader().execute(query).all()
        return sorted((LoggedEvent(row.id, row.body) for row in found), key=lambda event: event.id)
