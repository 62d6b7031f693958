"""A replication backfill as every part of the registry sees it, and the ways to it.

Source: API reference ``StartReplicationBackfill``, ``ReplicationBackfillSummary``; user guide
"Replication backfill".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.replication_tables import backfill_items, backfills
from ecr_emulator.jobs.queue import JobQueue

PREPARING = "PREPARING"
IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"
STOPPING = "STOPPING"
STOPPED = "STOPPED"

#: API reference: a registry can have at most 10 in progress at once.
IN_PROGRESS_AT_ONCE = 10
#: API reference ``ListReplicationBackfills``: how long one that ended is still shown.
RETENTION = timedelta(days=90)
#: User guide, "Replication backfill lifecycle": it fails by itself when half of the
#: replications, or more, failed, which is looked at from the hundredth on.
FAILURES_LOOKED_AT_FROM = 100
FAILED_SHARE = 0.5
#: The code of that failure. The API documents no values.
TOO_MANY_FAILURES = "ReplicationFailureThresholdExceeded"

#: The kinds of job.
PREPARE_BACKFILL = "prepare-backfill"
RUN_BACKFILL = "run-backfill"
FORGET_BACKFILL = "forget-backfill"


@dataclass(frozen=True, slots=True)
class Progress:
    """How many replications a backfill makes, and how many ended how."""

    total: int
    completed: int
    failed: int
    failure_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Backfill:
    """A backfill as it is stored.

    :ivar row_id: its place among all of them, in the order in which they were started.
    :ivar progress: ``None`` until the images to replicate are known.
    :ivar is_replicating: whether a worker is replicating an image of it now.
    """

    row_id: int
    id: str
    key: RegistryKey
    destination: RegistryKey
    status: str
    failure_code: str | None
    progress: Progress | None
    is_replicating: bool
    started_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether its status is one that does not change any more."""
        return self.status in (COMPLETE, FAILED, STOPPED)

    @classmethod
    def from_row(cls, row: Row[Any]) -> Backfill:
        """Build a backfill from a row of its table."""
        progress = None
        if row.total is not None:
            progress = Progress(row.total, row.completed, row.failed, tuple(row.failure_codes))
        return cls(
            row_id=row.id,
            id=row.backfill_id,
            key=RegistryKey(row.account, row.region),
            destination=RegistryKey(row.destination_account, row.destination_region),
            status=row.status,
            failure_code=row.failure_code,
            progress=progress,
            is_replicating=row.is_replicating,
            started_at=row.started_at,
            ended_at=row.ended_at,
        )


def is_shown(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a backfill is running, or ended within :data:`RETENTION`."""
    return or_(backfills.c.ended_at.is_(None), backfills.c.ended_at > now - RETENTION)


def find_backfill(connection: Connection, row_id: int) -> Backfill | None:
    """Return a backfill, which keeps as it is until the transaction ends."""
    query = select(backfills).where(backfills.c.id == row_id).with_for_update()
    row = connection.execute(query).one_or_none()
    return None if row is None else Backfill.from_row(row)


def end_backfill(
    connection: Connection,
    jobs: JobQueue,
    backfill: Backfill,
    status: str,
    now: datetime,
    *,
    failure_code: str | None = None,
) -> None:
    """Give a backfill its last status; what it did not come to is dropped."""
    connection.execute(
        update(backfills)
        .where(backfills.c.id == backfill.row_id)
        .values(
            status=status,
            failure_code=failure_code,
            active_region=None,
            is_replicating=False,
            ended_at=now,
        )
    )
    connection.execute(
        delete(backfill_items).where(
            backfill_items.c.backfill_id == backfill.row_id, backfill_items.c.status.is_(None)
        )
    )
    jobs.add(connection, FORGET_BACKFILL, {"backfill": backfill.row_id}, due_at=now + RETENTION)
