"""What those have at hand who do the work behind replication and its backfills."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.jobs.queue import BACKOFF, JobQueue
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.images import ImageId, find_image
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_copy import DestinationOf, ImageCopier
from ecr_emulator.registry.replication_log import ReplicationLog
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.replication_rules import destinations_of
from ecr_emulator.registry.replication_source import ReplicationSource
from ecr_emulator.registry.repository import find_repository

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

    def _is_wanted(self, route: Route, digest: str, tag: str | None) -> Callable[[], bool]:
        """Return what says whether a tag is to be an image's at the destination, too.

        A tag that moved on at the source is left to the later push. One that was taken off must
        not come back where that is replicated too.
        """

        def is_wanted() -> bool:
            if tag is None:
                return False
            connection = self._database.reader()
            try:
                source = find_repository(connection, route.source, route.repository_name)
            except RepositoryNotFound:
                return False
            tagged = find_image(connection, source, ImageId(tag=tag))
            if tagged is not None:
                return tagged.digest == digest
            rules = replication_rules(connection, route.source)
            return route.destination not in destinations_of(
                rules, route.repository_name, deletes=True
            )

        return is_wanted

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
