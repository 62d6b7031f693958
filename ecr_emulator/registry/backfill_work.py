"""The work behind replication backfills: finding the images, replicating them, forgetting.

A backfill is worked off in batches. Each image's result and the counts change in one
transaction with its arrival at a destination of this installation, so a worker that dies loses
and repeats nothing that shows; to another emulator an image may be sent twice.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, false, insert, literal, or_, select, true, update
from sqlalchemy.sql.elements import ColumnElement

from ecr_emulator.db.replication_tables import backfill_items, backfills
from ecr_emulator.db.schema import image_tags, images, repositories
from ecr_emulator.jobs.queue import BACKOFF
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.backfill import (
    COMPLETE,
    FAILED,
    FAILED_SHARE,
    FAILURES_LOOKED_AT_FROM,
    FORGET_BACKFILL,
    IN_PROGRESS,
    PREPARE_BACKFILL,
    PREPARING,
    RUN_BACKFILL,
    STOPPED,
    STOPPING,
    TOO_MANY_FAILURES,
    Backfill,
    end_backfill,
    find_backfill,
)
from ecr_emulator.registry.images import ACTIVE
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_copy import DestinationUnavailable
from ecr_emulator.registry.replication_crew import ReplicationCrew
from ecr_emulator.registry.replication_outcomes import INTERNAL_FAILURE, Outcome
from ecr_emulator.registry.replication_queue import Route

#: Replications in one job: other jobs get their turn between two batches.
_BATCH = 100


class BackfillWork(ReplicationCrew):
    """Does the work of every registry's backfills."""

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs of backfills."""
        return {
            PREPARE_BACKFILL: self.prepare,
            RUN_BACKFILL: self.run,
            FORGET_BACKFILL: self.forget,
        }

    def last_words(self) -> dict[str, JobFunction]:
        """Return what ends the backfill whose job is given up."""
        return {PREPARE_BACKFILL: self.abandon, RUN_BACKFILL: self.abandon}

    def abandon(self, payload: dict[str, Any]) -> None:
        """End a backfill that cannot go on: stopped if that was asked for, else failed."""
        with self._database.write() as connection:
            backfill = find_backfill(connection, payload["backfill"])
            if backfill is None or backfill.has_ended:
                return
            now = self._clock.now()
            if backfill.status == STOPPING:
                end_backfill(connection, self._jobs, backfill, STOPPED, now)
            else:
                end_backfill(
                    connection, self._jobs, backfill, FAILED, now, failure_code=INTERNAL_FAILURE
                )

    def prepare(self, payload: dict[str, Any]) -> None:
        """Note every image, with each of its tags, that the registry's rules send there.

        Archived images cannot be pulled, and are left out.
        """
        with self._database.write() as connection:
            backfill = find_backfill(connection, payload["backfill"])
            if backfill is None or backfill.status != PREPARING:
                return
            total = self._note_images(connection, backfill)
            connection.execute(
                update(backfills)
                .where(backfills.c.id == backfill.row_id)
                .values(status=IN_PROGRESS, total=total)
            )
            if total == 0:
                end_backfill(connection, self._jobs, backfill, COMPLETE, self._clock.now())
            else:
                self._queue_batch(connection, backfill, after=0)

    @staticmethod
    def _note_images(connection: Connection, backfill: Backfill) -> int:
        found = (
            select(literal(backfill.row_id), repositories.c.name, images.c.digest, image_tags.c.tag)
            .select_from(repositories)
            .join(images, images.c.repository_id == repositories.c.id)
            .outerjoin(image_tags, image_tags.c.image_id == images.c.id)
            .where(
                repositories.c.account == backfill.key.account,
                repositories.c.region == backfill.key.region,
                images.c.status == ACTIVE,
                _is_covered(connection, backfill),
            )
            # In the order in which they were pushed, so the images of an index come before it.
            .order_by(images.c.id, image_tags.c.tag)
        )
        columns = ["backfill_id", "repository_name", "digest", "tag"]
        return connection.execute(insert(backfill_items).from_select(columns, found)).rowcount

    def run(self, payload: dict[str, Any]) -> None:
        """Replicate the next images, and queue a job for those after them.

        A destination that does not answer is tried again later. When it never does, what the
        batch has left fails.
        """
        row_id, after = payload["backfill"], payload["after"]
        is_last_try = payload.get("tries", 0) >= len(BACKOFF)
        backfill, batch = self._begin_batch(row_id, after)
        if backfill is None:
            return
        for item_id, name, digest, tag in batch:
            if self._status(row_id) != IN_PROGRESS:
                break
            route = Route(backfill.key, backfill.destination, name)
            try:
                self._replicate(backfill, item_id, route, digest, tag, is_last_try=is_last_try)
            except DestinationUnavailable as unavailable:
                self._rest(row_id)
                self._try_again(RUN_BACKFILL, {**payload, "after": after}, unavailable)
                return
            after = item_id
        self._end_batch(row_id, after)

    def _begin_batch(
        self, row_id: int, after: int
    ) -> tuple[Backfill | None, list[tuple[int, str, str, str | None]]]:
        items = backfill_items.c
        with self._database.write() as connection:
            backfill = find_backfill(connection, row_id)
            if backfill is None or backfill.status not in (IN_PROGRESS, STOPPING):
                return None, []
            _set_replicating(connection, row_id, True)
            rows = connection.execute(
                select(items.id, items.repository_name, items.digest, items.tag)
                .where(items.backfill_id == row_id, items.id > after, items.status.is_(None))
                .order_by(items.id)
                .limit(_BATCH)
            )
            return backfill, [(row[0], row[1], row[2], row[3]) for row in rows]

    def _status(self, row_id: int) -> str | None:
        query = select(backfills.c.status).where(backfills.c.id == row_id)
        status: str | None = self._database.reader().execute(query).scalar()
        return status

    def _replicate(
        self,
        backfill: Backfill,
        item_id: int,
        route: Route,
        digest: str,
        tag: str | None,
        *,
        is_last_try: bool,
    ) -> None:
        def conclude(connection: Connection, outcome: Outcome) -> None:
            self._log.record(connection, route, digest, tag, outcome)
            self._conclude(connection, backfill.row_id, item_id, outcome)

        self._copier.copy(
            route,
            digest,
            tag,
            conclude,
            is_wanted=self._is_wanted(route, digest, tag),
            is_last_try=is_last_try,
        )

    def _conclude(
        self, connection: Connection, row_id: int, item_id: int, outcome: Outcome
    ) -> None:
        """Record one result and count it, once however often it is come to."""
        codes = outcome.child_failure_codes
        changed = connection.execute(
            update(backfill_items)
            .where(backfill_items.c.id == item_id, backfill_items.c.status.is_(None))
            .values(
                status=outcome.status,
                failure_code=outcome.failure_code,
                child_failure_codes=None if codes is None else list(codes),
            )
        ).rowcount
        backfill = find_backfill(connection, row_id)
        if not changed or backfill is None or backfill.progress is None:
            return
        progress = backfill.progress
        completed, failed = progress.completed, progress.failed
        failure_codes = dict.fromkeys(progress.failure_codes)
        if outcome.failure_code is None:
            completed += 1
        else:
            failed += 1
            failure_codes[outcome.failure_code] = None
        connection.execute(
            update(backfills)
            .where(backfills.c.id == row_id)
            .values(completed=completed, failed=failed, failure_codes=list(failure_codes))
        )
        done = completed + failed
        if done >= FAILURES_LOOKED_AT_FROM and failed >= FAILED_SHARE * done:
            end_backfill(
                connection,
                self._jobs,
                backfill,
                FAILED,
                self._clock.now(),
                failure_code=TOO_MANY_FAILURES,
            )

    def _end_batch(self, row_id: int, after: int) -> None:
        items = backfill_items.c
        with self._database.write() as connection:
            backfill = find_backfill(connection, row_id)
            if backfill is None or backfill.has_ended:
                return
            now = self._clock.now()
            if backfill.status == STOPPING:
                end_backfill(connection, self._jobs, backfill, STOPPED, now)
                return
            # Up to *after* all is done: a batch begins where the one before it ended.
            left = select(items.id).where(
                items.backfill_id == row_id, items.id > after, items.status.is_(None)
            )
            if connection.execute(left.limit(1)).first() is None:
                end_backfill(connection, self._jobs, backfill, COMPLETE, now)
                return
            _set_replicating(connection, row_id, False)
            self._queue_batch(connection, backfill, after)

    def _rest(self, row_id: int) -> None:
        """Note that nothing is being replicated, so that it can be stopped at once."""
        with self._database.write() as connection:
            _set_replicating(connection, row_id, False)

    def _queue_batch(self, connection: Connection, backfill: Backfill, after: int) -> None:
        payload = {"backfill": backfill.row_id, "after": after}
        self._jobs.add(connection, RUN_BACKFILL, payload)

    def forget(self, payload: dict[str, Any]) -> None:
        """Delete a backfill whose time is over, with its results."""
        with self._database.write() as connection:
            connection.execute(delete(backfills).where(backfills.c.id == payload["backfill"]))


def _set_replicating(connection: Connection, row_id: int, replicating: bool) -> None:
    connection.execute(
        update(backfills).where(backfills.c.id == row_id).values(is_replicating=replicating)
    )


def _is_covered(connection: Connection, backfill: Backfill) -> ColumnElement[bool]:
    """Return the condition that a rule sends a repository to the backfill's destination."""
    rules = [
        rule
        for rule in replication_rules(connection, backfill.key)
        if backfill.destination in rule.destinations
    ]
    if any(rule.prefixes is None for rule in rules):
        return true()
    return or_(
        false(),
        *(
            repositories.c.name.startswith(prefix, autoescape=True)
            for rule in rules
            for prefix in rule.prefixes or ()
        ),
    )
