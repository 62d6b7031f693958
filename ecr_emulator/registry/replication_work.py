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
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.images import ImageId, find_image
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_copy import DestinationUnavailable
from ecr_emulator.registry.replication_crew import ReplicationCrew
from ecr_emulator.registry.replication_errors import ReplicationDenied
from ecr_emulator.registry.replication_outcomes import INTERNAL_FAILURE, Outcome
from ecr_emulator.registry.replication_queue import REPLICATE_DELETES, REPLICATE_IMAGE, Route
from ecr_emulator.registry.replication_rules import destinations_of
from ecr_emulator.registry.repository import find_repository

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
        if tag is not None and not self._is_tag_wanted(route, digest, tag):
            tag = None

        def conclude(connection: Connection, outcome: Outcome) -> None:
            self._log.record(
                connection,
                route,
                digest,
                payload["tag"],
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
                pushed_tag=payload["tag"],
                is_last_try=tries >= len(BACKOFF),
            )
        except DestinationUnavailable as unavailable:
            self._try_again(REPLICATE_IMAGE, payload, unavailable)

    def _is_tag_wanted(self, route: Route, digest: str, tag: str) -> bool:
        """Say whether the tag that was pushed with an image is still that image's."""
        with self._database.read() as connection:
            try:
                source = find_repository(connection, route.source, route.repository_name)
            except RepositoryNotFound:
                return False
            tagged = find_image(connection, source, ImageId(tag=tag))
            if tagged is not None:
                return tagged.digest == digest
            # It was taken off since. Where that is replicated too it must not come back.
            return not _replicates_deletes(connection, route)

    def replicate_deletes(self, payload: dict[str, Any]) -> None:
        """Delete at one destination what was deleted at the source."""
        route = Route.from_json(payload)
        gone = [ImageId(digest, tag) for digest, tag in payload["gone"]]
        try:
            held_up = self._destination_of(route.destination).delete(
                route, gone, lambda item: self._source.is_back(route, item)
            )
        except ReplicationDenied as error:
            logger.info("deletes are not replicated: %s", error.message)
            return
        except DestinationUnavailable as unavailable:
            self._try_again(REPLICATE_DELETES, payload, unavailable)
            return
        if held_up:
            # The delete of the index may be on its way.
            left = [[item.digest, item.tag] for item in held_up]
            self._try_again(REPLICATE_DELETES, {**payload, "gone": left}, "an index lists them")


def _replicates_deletes(connection: Connection, route: Route) -> bool:
    rules = replication_rules(connection, route.source)
    return route.destination in destinations_of(rules, route.repository_name, deletes=True)
