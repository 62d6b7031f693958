"""Who is to be told of an event, and the one job at a time that tells each of them.

There is never more than one job for a target, so it is told in the order of the log; and it
has its own, so a target that cannot be reached holds up no other.
"""

from __future__ import annotations

from collections.abc import Collection
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
    """

    def __init__(self, targets: Collection[str] = ()) -> None:
        self._targets = tuple(targets)

    def add(self, connection: Connection, event_id: int, now: datetime) -> None:
        """Queue the delivery of an event with the transaction that records it."""
        for target in self._targets:
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
