"""What those have at hand who do the work behind replication and its backfills."""

from __future__ import annotations

import logging
from typing import Any

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.jobs.queue import BACKOFF, JobQueue
from ecr_emulator.registry.replication_copy import DestinationOf, ImageCopier
from ecr_emulator.registry.replication_log import ReplicationLog
from ecr_emulator.registry.replication_source import ReplicationSource

logger = logging.getLogger(__name__)


class ReplicationCrew:
    """The tools, and a way to try again later what another emulator holds up."""

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        destination_of: DestinationOf,
        log: ReplicationLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._source = ReplicationSource(database)
        self._destination_of = destination_of
        self._copier = ImageCopier(database, self._source, destination_of)
        self._log = log
        self._clock = clock

    def _try_again(self, kind: str, payload: dict[str, Any], reason: object) -> None:
        """Queue a job once more, after a pause that grows; after the last one it is dropped."""
        tries = payload.get("tries", 0)
        if tries >= len(BACKOFF):
            return
        logger.info("%s is tried again in %s: %s", kind, BACKOFF[tries], reason)
        with self._database.write() as connection:
            self._jobs.add(
                connection,
                kind,
                {**payload, "tries": tries + 1},
                due_at=self._clock.now() + BACKOFF[tries],
            )
