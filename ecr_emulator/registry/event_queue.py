"""Who is to be told of an event, and the one job at a time that tells each of them.

There is never more than one job for a target, so it is told in the order of the log; and it
has its own, so a target that cannot be reached holds up no other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ecr_emulator.db.event_tables import event_deliveries, event_targets
from ecr_emulator.jobs.queue import add_job

#: The kind of job that tells a target what it was not told yet.
DELIVER_EVENTS = "deliver-events"


class DeliveryQueue:
    """Queues the delivery of events.

    :param targets: the names of the targets; each is told of every event.
    :param at_times: the names of further targets, with what says whether one is to be told now.
    """

    def __init__(
        self,
        targets: Collection[str] = (),
        at_times: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        self._targets = tuple(targets)
        self._at_times = dict(at_times or {})

    def add(self, connection: Connection, event_id: int, now: datetime) -> None:
        """Queue the delivery of an event with the transaction that records it."""
        now_and_then = [name for name, is_wanted in self._at_times.items() if is_wanted()]
        for target in (*self._targets, *now_and_then):
            connection.execute(insert(event_deliveries).values(target=target, event_id=event_id))
            if _schedule(connection, target):
                queue_run(connection, target, now)


def queue_run(connection: Connection, target: str, due_at: datetime) -> None:
    """Queue the job of a target whose row says that it is scheduled."""
    query = select(event_targets.c.run).where(event_targets.c.target == target)
    run = connection.execute(query).scalar_one()
    add_job(connection, DELIVER_EVENTS, {"target": target, "run": run}, due_at)


def _schedule(connection: Connection, target: str) -> bool:
    """Note that a job for the target is queued, unless there is one; say whether it was noted.

    PostgreSQL locks the row either way, so that the job which is at work does not end before
    it sees what this transaction adds.
    """
    postgres = connection.dialect.name == "postgresql"
    statement = postgresql.insert(event_targets) if postgres else sqlite.insert(event_targets)
    upsert = statement.values(
        target=target, run=1, is_scheduled=True, failures=0
    ).on_conflict_do_update(
        index_elements=[event_targets.c.target],
        set_={"run": event_targets.c.run + 1, "is_scheduled": True, "failures": 0},
        where=event_targets.c.is_scheduled.is_(False),
    )
    return connection.execute(upsert).rowcount == 1
