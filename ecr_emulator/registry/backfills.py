"""Replication backfills: start, stop, list, describe.

Source: API reference ``StartReplicationBackfill``, ``StopReplicationBackfill``,
``ListReplicationBackfills``, ``DescribeReplicationBackfillResults``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.replication_tables import backfill_items, backfills
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.registry import backfill as statuses
from ecr_emulator.registry.backfill import (
    IN_PROGRESS_AT_ONCE,
    PREPARE_BACKFILL,
    Backfill,
    end_backfill,
    is_shown,
)
from ecr_emulator.registry.errors import InvalidParameter, LimitExceeded
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_errors import (
    BackfillInProgress,
    BackfillInvalidStatus,
    BackfillNotFound,
)


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """One replication of a backfill that has ended.

    :ivar position: its place among the backfill's results.
    :ivar status: ``COMPLETE`` or ``FAILED``.
    :ivar child_failure_codes: why images that an index lists failed; ``None`` for what is no
        index.
    """

    position: int
    repository_name: str
    image_id: ImageId
    status: str
    failure_code: str | None
    child_failure_codes: tuple[str, ...] | None


class Backfills:
    """The replication backfills of every registry."""

    def __init__(self, database: Database, jobs: JobQueue, clock: Clock) -> None:
        self._database = database
        self._jobs = jobs
        self._clock = clock

    def start(self, key: RegistryKey, destination: RegistryKey) -> Backfill:
        """Start to replicate what the registry *key* holds already to *destination*.

        :raises InvalidParameter: no rule of the registry replicates there.
        :raises BackfillInProgress: another backfill to that region has not ended.
        :raises LimitExceeded: too many have not ended.
        """
        values = {
            "backfill_id": str(uuid.uuid4()),
            "account": key.account,
            "region": key.region,
            "destination_account": destination.account,
            "destination_region": destination.region,
            "active_region": destination.region,
            "status": statuses.PREPARING,
            "completed": 0,
            "failed": 0,
            "failure_codes": [],
            "is_replicating": False,
            "started_at": self._clock.now(),
        }
        try:
            with self._database.write() as connection:
                self._check_start(connection, key, destination)
                result = connection.execute(insert(backfills).values(**values))
                row_id = result.inserted_primary_key.id  # type: ignore[union-attr]
                self._jobs.add(connection, PREPARE_BACKFILL, {"backfill": row_id})
                query = select(backfills).where(backfills.c.id == row_id)
                return Backfill.from_row(connection.execute(query).one())
        except IntegrityError:
            # Another node was faster.
            raise BackfillInProgress(destination.region, key.account) from None

    @staticmethod
    def _check_start(connection: Connection, key: RegistryKey, destination: RegistryKey) -> None:
        rules = replication_rules(connection, key)
        if not any(destination in rule.destinations for rule in rules):
            # Likeliest, after the operation's description.
            raise InvalidParameter.at(
                "destination",
                "The destination must be configured in the registry's replication configuration",
            )
        query = select(backfills.c.active_region).where(
            backfills.c.account == key.account,
            backfills.c.region == key.region,
            backfills.c.active_region.is_not(None),
        )
        active = list(connection.execute(query).scalars())
        if destination.region in active:
            raise BackfillInProgress(destination.region, key.account)
        if len(active) >= IN_PROGRESS_AT_ONCE:
            # Likeliest.
            raise LimitExceeded(
                f"The registry with id '{key.account}' cannot have more than "
                f"{IN_PROGRESS_AT_ONCE} replication backfills in progress"
            )

    def stop(self, key: RegistryKey, backfill_id: str) -> Backfill:
        """Stop a backfill and return it as it is then.

        It is STOPPED at once, or STOPPING while a replication of it is being made.

        :raises BackfillNotFound: there is no such backfill.
        :raises BackfillInvalidStatus: it has ended or is being stopped already.
        """
        with self._database.write() as connection:
            backfill = self._find(connection, key, backfill_id, for_update=True)
            if backfill.status not in (statuses.PREPARING, statuses.IN_PROGRESS):
                raise BackfillInvalidStatus(backfill.id, backfill.status)
            if backfill.is_replicating:
                connection.execute(
                    update(backfills)
                    .where(backfills.c.id == backfill.row_id)
                    .values(status=statuses.STOPPING)
                )
            else:
                end_backfill(connection, self._jobs, backfill, statuses.STOPPED, self._clock.now())
            return self._find(connection, key, backfill_id)

    def get(self, key: RegistryKey, backfill_id: str) -> Backfill:
        """Return a backfill.

        :raises BackfillNotFound: there is none of that id, or it ended more than 90 days ago.
        """
        return self._find(self._database.reader(), key, backfill_id)

    def page(self, key: RegistryKey, *, after: int | None, limit: int) -> list[Backfill]:
        """Return up to *limit* backfills of a registry, those started last first.

        :param after: the row id that the page before ended with.
        """
        query = (
            select(backfills)
            .where(
                backfills.c.account == key.account,
                backfills.c.region == key.region,
                is_shown(self._clock.now()),
            )
            .order_by(backfills.c.id.desc())
            .limit(limit)
        )
        if after is not None:
            query = query.where(backfills.c.id < after)
        return [Backfill.from_row(row) for row in self._database.reader().execute(query)]

    def results(
        self, backfill: Backfill, *, status: str | None, after: int, limit: int
    ) -> list[BackfillResult]:
        """Return up to *limit* results of a backfill; none before it has ended.

        :param status: only those of this status.
        :param after: the position that the page before ended with; 0 for the first page.
        """
        if not backfill.has_ended:
            return []
        items = backfill_items.c
        query = (
            select(backfill_items)
            .where(
                items.backfill_id == backfill.row_id, items.id > after, items.status.is_not(None)
            )
            .order_by(items.id)
            .limit(limit)
        )
        if status is not None:
            query = query.where(items.status == status)
        return [
            BackfillResult(
                position=row.id,
                repository_name=row.repository_name,
                image_id=ImageId(row.digest, row.tag),
                status=row.status,
                failure_code=row.failure_code,
                child_failure_codes=(
                    None if row.child_failure_codes is None else tuple(row.child_failure_codes)
                ),
            )
            for row in self._database.reader().execute(query)
        ]

    def _find(
        self,
        connection: Connection,
        key: RegistryKey,
        backfill_id: str,
        *,
        for_update: bool = False,
    ) -> Backfill:
        query = select(backfills).where(
            backfills.c.account == key.account,
            backfills.c.region == key.region,
            # The model lets its digits be in either case.
            backfills.c.backfill_id == backfill_id.lower(),
            is_shown(self._clock.now()),
        )
        if for_update:
            query = query.with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            raise BackfillNotFound(backfill_id, key.account)
        return Backfill.from_row(row)
