"""The work behind replication: what the jobs that pushes and deletes queue do.

Both compare with the source as it is when they run, so that what they leave behind does not
depend on the order in which workers take them: a tag that moved on in the meantime is left
to the later push, and what was deleted and pushed again is not deleted.
"""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Connection

from ecr_emulator.jobs.queue import BACKOFF
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.replication_copy import DestinationUnavailable
from ecr_emulator.registry.replication_crew import ReplicationCrew
from ecr_emulator.registry.replication_errors import ReplicationDenied, ReplicationRefused
from ecr_emulator.registry.replication_outcomes import INTERNAL_FAILURE, Outcome
from ecr_emulator.registry.replication_queue import REPLICATE_DELETES, REPLICATE_IMAGE, Route

logger = logging.getLogger(__name__)


class ReplicationWork(ReplicationCrew):
    """Replicates pushes and deletes from the registries of this installation."""

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs that :class:`.ReplicationQueue` queues."""
        return {
            REPLICATE_IMAGE: self.replicate_image,
            REPLICATE_DELETES: self.replicate_deletes,
        }

    def last_words(self) -> dict[str, JobFunction]:
        """Return what ends the replication whose job is given up."""
        return {REPLICATE_IMAGE: self.abandon_image}

    def abandon_image(self, payload: dict[str, Any]) -> None:
        """Record that an image could not be replicated, for a reason nobody foresaw."""
        with self._database.write() as connection:
            self._log.record(
                connection,
                Route.from_json(payload),
                payload["digest"],
                payload["tag"],
                Outcome(INTERNAL_FAILURE),
                push_number=payload["push_number"],
            )

    def replicate_image(self, payload: dict[str, Any]) -> None:
        """Copy an image that was pushed to one destination, and record how that went."""
        route = Route.from_json(payload)
        digest, tag = payload["digest"], payload["tag"]

        def conclude(connection: Connection, outcome: Outcome) -> None:
            self._log.record(
                connection,
                route,
                digest,
                tag,
                outcome,
                push_number=payload["push_number"],
            )

        tries = payload.get("tries", 0)
        try:
            self._copier.copy(
                route,
                digest,
                tag,
                conclude,
                is_wanted=self._is_wanted(route, digest, tag),
                is_last_try=tries >= len(BACKOFF),
            )
        except DestinationUnavailable as unavailable:
            self._try_again(REPLICATE_IMAGE, payload, unavailable)

    def replicate_deletes(self, payload: dict[str, Any]) -> None:
        """Delete at one destination what was deleted at the source."""
        route = Route.from_json(payload)
        gone = [ImageId(digest, tag) for digest, tag in payload["gone"]]
        try:
            held_up = self._destination_of(route.destination).delete(
                route, gone, lambda item: self._source.is_back(route, item)
            )
        except (ReplicationDenied, ReplicationRefused) as error:
            logger.info("deletes are not replicated: %s", error.message)
            return
        except DestinationUnavailable as unavailable:
            self._try_again(REPLICATE_DELETES, payload, unavailable)
            return
        if held_up:
            # The delete of the index may be on its way.
            left = [[item.digest, item.tag] for item in held_up]
            self._try_again(REPLICATE_DELETES, {**payload, "gone": left}, "an index lists them")
