"""How much there is: of images and bytes, and of work that waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.jobs_table import jobs
from ecr_emulator.db.schema import blobs, images, repositories, uploads


@dataclass(frozen=True, slots=True)
class Numbers:
    """What an installation holds, over all its registries.

    :ivar blob_bytes: of the blobs that are stored, each once.
    :ivar upload_bytes: of uploads under way.
    :ivar jobs_waiting: those that are queued, or in a worker's hands, by kind.
    :ivar jobs_given_up: by kind.
    :ivar job_lag: how long the job that has been due longest has been so.
    """

    repositories: int
    images: int
    blobs: int
    blob_bytes: int
    uploads: int
    upload_bytes: int
    jobs_waiting: dict[str, int]
    jobs_given_up: dict[str, int]
    job_lag: timedelta


def numbers(database: Database, clock: Clock) -> Numbers:
    """Count what there is.

    :raises StorageFailure: the database does not answer.
    """
    given_up = jobs.c.failed_at.is_not(None)
    with database.read() as connection:
        now = clock.now()
        counted = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (repositories, images)
        }
        blob_row, upload_row = (
            connection.execute(select(func.count(), func.sum(table.c.size))).one()
            for table in (blobs, uploads)
        )
        by_kind = select(jobs.c.kind, func.count()).group_by(jobs.c.kind)
        waiting = connection.execute(by_kind.where(~given_up)).all()
        ended = connection.execute(by_kind.where(given_up)).all()
        oldest = connection.execute(
            select(jobs.c.due_at).where(~given_up).order_by(jobs.c.due_at).limit(1)
        ).scalar()
    return Numbers(
        repositories=counted["repositories"],
        images=counted["images"],
        blobs=blob_row[0],
        blob_bytes=int(blob_row[1] or 0),
        uploads=upload_row[0],
        upload_bytes=int(upload_row[1] or 0),
        jobs_waiting={row.kind: row[1] for row in waiting},
        jobs_given_up={row.kind: row[1] for row in ended},
        job_lag=max(timedelta(), now - oldest) if oldest is not None else timedelta(),
    )
