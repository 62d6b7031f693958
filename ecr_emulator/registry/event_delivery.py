"""The work behind events: telling each target what it was not told yet, at least once.

A target that fails is tried again after growing waits, always with the oldest event it was not
told; when the last try fails that event is given up, which the log says, and the next has its
turn. A turn is short, because the thread that does it has other jobs to do.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, delete, select, update

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.event_tables import event_deliveries, event_targets, events
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.event_queue import DELIVER_EVENTS, queue_run

logger = logging.getLogger(__name__)

#: Waits before another try; after the last of them the event is given up.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))
#: What one turn does at the most: so many events, or as many as take so many seconds.
_TURN = 100
_TURN_SECONDS = 5.0


class EventTarget(Protocol):
    """Whoever is to be told of events."""

    @property
    def name(self) -> str:
        """The name of the target; the same after a restart, and without secrets."""

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Tell of *event*; return why that failed, or ``None`` when it did not."""


class EventBus(EventTarget, Protocol):
    """Whoever is to be told of events only while somebody may wait for them there."""

    def has_rules(self) -> bool:
        """Say whether somebody may."""


class EventDelivery:
    """Delivers events to targets."""

    def __init__(self, database: Database, clock: Clock, targets: Sequence[EventTarget]) -> None:
        self._database = database
        self._clock = clock
        self._targets = {target.name: target for target in targets}

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs of :mod:`.event_queue`."""
        return {DELIVER_EVENTS: self.deliver}

    def last_words(self) -> dict[str, JobFunction]:
        """Return what lets the deliveries to a target go on whose job is given up."""
        return {DELIVER_EVENTS: self.abandon}

    def abandon(self, payload: dict[str, Any]) -> None:
        """Give up the event that nobody foresaw to fail, and go on with the next."""
        name, run = payload["target"], payload["run"]
        for event_id, _ in self._pending(name)[:1]:
            with self._database.write() as connection:
                if _is_current(connection, name, run):
                    _remove(connection, name, event_id)
        self._end_turn(name, run, None)

    def deliver(self, payload: dict[str, Any]) -> None:
        """Tell a target what it was not told yet, as far as one turn goes."""
        name, run = payload["target"], payload["run"]
        if not _is_current(self._database.reader(), name, run):
            return
        target = self._targets.get(name)
        if target is None:
            self._forget(name)
            return
        until = time.monotonic() + _TURN_SECONDS
        for event_id, body in self._pending(name):
            failure = target.deliver(body)
            if failure is not None:
                self._end_turn(name, run, (event_id, failure))
                return
            with self._database.write() as connection:
                _remove(connection, name, event_id)
            if time.monotonic() > until:
                break
        self._end_turn(name, run, None)

    def _pending(self, name: str) -> list[tuple[int, dict[str, Any]]]:
        query = (
            select(events.c.id, events.c.body)
            .join(event_deliveries, event_deliveries.c.event_id == events.c.id)
            .where(event_deliveries.c.target == name)
            .order_by(events.c.id)
            .limit(_TURN)
        )
        return [(row.id, row.body) for row in self._database.reader().execute(query)]

    def _end_turn(self, name: str, run: int, failure: tuple[int, str] | None) -> None:
        """Queue the next turn, if there is anything to do."""
        with self._database.write() as connection:
            query = select(event_targets).where(event_targets.c.target == name).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None or row.run != run:
                return
            failures, due_at = 0, self._clock.now()
            if failure is not None and row.failures < len(BACKOFF):
                logger.warning(
                    "events: %s failed at try %d: %s", name, row.failures + 1, failure[1]
                )
                failures, due_at = row.failures + 1, due_at + BACKOFF[row.failures]
            elif failure is not None:
                given_up = "events: the delivery of event %d to %s is given up: %s"
                logger.error(given_up, failure[0], name, failure[1])
                _remove(connection, name, failure[0])
            more = select(event_deliveries.c.event_id).where(event_deliveries.c.target == name)
            is_scheduled = connection.execute(more.limit(1)).first() is not None
            connection.execute(
                update(event_targets)
                .where(event_targets.c.target == name)
                .values(run=run + 1, is_scheduled=is_scheduled, failures=failures)
            )
            if is_scheduled:
                queue_run(connection, name, due_at)

    def _forget(self, name: str) -> None:
        """Drop what was to be told to a target that is not among the settings any more."""
        with self._database.write() as connection:
            connection.execute(delete(event_deliveries).where(event_deliveries.c.target == name))
            connection.execute(delete(event_targets).where(event_targets.c.target == name))


def _is_current(connection: Connection, name: str, run: int) -> bool:
    query = select(event_targets.c.run).where(event_targets.c.target == name)
    return connection.execute(query).scalar() == run


def _remove(connection: Connection, name: str, event_id: int) -> None:
    connection.execute(
        delete(event_deliveries).where(
            event_deliveries.c.target == name, event_deliveries.c.event_id == event_id
        )
    )
