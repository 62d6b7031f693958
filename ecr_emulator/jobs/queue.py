"""The queue: jobs are rows, written in the transaction of the change that calls for them.

A worker claims a job by moving its due time past the end of the claim; should the worker
die, the job is due again then. So every job is done at least once, and its function must
bear being called twice. For that reason what the worker writes down about jobs need not
survive a power cut, while a job's being there does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.jobs_table import jobs
from ecr_emulator.db.locks import keep_others_from_writing

#: How long a worker may take for a job before another one takes it over.
CLAIM = timedelta(minutes=10)
#: Waits before another try; after the last of them the job is given up.
BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 120, 600))


@dataclass(frozen=True, slots=True)
class Lane:
    """The jobs that one thread takes.

    :ivar takes_these: whether these are its kinds, or all but these.
    """

    kinds: tuple[str, ...]
    takes_these: bool


ALL = Lane((), takes_these=False)


@dataclass(frozen=True, slots=True)
class Job:
    """A job that a worker has claimed."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempts: int


class JobQueue:
    """The jobs of every registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(
        self,
        connection: Connection,
        kind: str,
        payload: Mapping[str, Any],
        *,
        due_at: datetime | None = None,
    ) -> None:
        """Queue a job with the transaction of *connection*: it is there if that commits.

        :param due_at: not to be done before this time; now when left out.
        """
        add_job(connection, kind, payload, due_at or self._clock.now())

    def keep_queued(self, kind: str, every: timedelta) -> None:
        """Queue a job that is done again and again, unless it is queued already.

        :param every: the time from now to its first run.
        """
        with self._database.write() as connection:
            keep_others_from_writing(connection, jobs)
            queued = select(jobs.c.id).where(jobs.c.kind == kind)
            if connection.execute(queued).first() is None:
                self.add(connection, kind, {}, due_at=self._clock.now() + every)

    def repeat(self, job: Job, every: timedelta) -> None:
        """Let a job be done again, after a while."""
        values = {"due_at": self._clock.now() + every, "attempts": 0}
        with self._database.write(lasting=False) as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(**values))

    def bring_forward(self, by: timedelta) -> None:
        """Make every job due earlier: the clock went back, and it is as far off as it was."""
        pending = select(jobs.c.id, jobs.c.due_at).where(jobs.c.failed_at.is_(None))
        statement = update(jobs).where(jobs.c.id == bindparam("job_id"))
        with self._database.write() as connection:
            moved = [
                {"job_id": row.id, "due_at": row.due_at - by} for row in connection.execute(pending)
            ]
            if moved:
                connection.execute(statement, moved)

    def claim(self, lane: Lane = ALL) -> Job | None:
        """Take the job of *lane* that has been due longest, or return ``None``."""
        now = self._clock.now()
        kind = jobs.c.kind
        of_lane = kind.in_(lane.kinds) if lane.takes_these else kind.not_in(lane.kinds)
        due = (
            select(jobs)
            .where(jobs.c.due_at <= now, jobs.c.failed_at.is_(None), of_lane)
            .order_by(jobs.c.due_at, jobs.c.id)
            .limit(1)
        )
        # A look without a lock first: most often there is nothing to do.
        if self._database.reader().execute(due).first() is None:
            return None
        with self._database.write(lasting=False) as connection:
            row = connection.execute(due.with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return None
            connection.execute(
                update(jobs)
                .where(jobs.c.id == row.id)
                .values(due_at=now + CLAIM, attempts=row.attempts + 1)
            )
        return Job(row.id, row.kind, row.payload, row.attempts + 1)

    def done(self, job: Job) -> None:
        """Take a job off the queue."""
        with self._database.write(lasting=False) as connection:
            connection.execute(delete(jobs).where(jobs.c.id == job.id))

    def failed(self, job: Job, error: str) -> bool:
        """Let a job be tried again later, or give it up after its last try.

        :returns: whether it is given up.
        """
        now = self._clock.now()
        gone = job.attempts > len(BACKOFF)
        values: dict[str, Any] = {"last_error": error[:2000]}
        if gone:
            values["failed_at"] = now
        else:
            values["due_at"] = now + BACKOFF[job.attempts - 1]
        with self._database.write(lasting=False) as connection:
            connection.execute(update(jobs).where(jobs.c.id == job.id).values(**values))
        return gone


def add_job(
    connection: Connection, kind: str, payload: Mapping[str, Any], due_at: datetime
) -> None:
    """Queue a job with the transaction of *connection*, for those who have no queue at hand.

    :param due_at: not to be done before this time.
    """
    connection.execute(
        insert(jobs).values(kind=kind, payload=dict(payload), due_at=due_at, attempts=0)
    )
