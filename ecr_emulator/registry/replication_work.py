"""The work behind replication: what the jobs that pushes and deletes queue do.

Both compare with the source as it is when they run, so that what they leave behind does not
depend on the order in which workers take them: a tag that moved on in the meantime is left
to the later push, and what was deleted and pushed again is not deleted.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, delete

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import images
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.image_deletes import indexes_listing, remove_tag
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.replication_access import REPLICATE_IMAGE as MAY_REPLICATE
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_copy import (
    INTERNAL_FAILURE,
    ImageCopier,
    Outcome,
    check_allowed,
)
from ecr_emulator.registry.replication_errors import ReplicationDenied
from ecr_emulator.registry.replication_log import ReplicationLog
from ecr_emulator.registry.replication_queue import REPLICATE_DELETES, REPLICATE_IMAGE, Route
from ecr_emulator.registry.replication_rules import destinations_of
from ecr_emulator.registry.repository import Repository, find_repository

logger = logging.getLogger(__name__)

#: How often, and after what time, a delete is tried again that an index at the destination
#: holds up: the index's own delete may be on its way.
_DELETE_TRIES = 5
_DELETE_PAUSE = timedelta(seconds=5)


class ReplicationWork:
    """Replicates pushes and deletes between the registries of this installation."""

    def __init__(
        self,
        database: Database,
        jobs: JobQueue,
        copier: ImageCopier,
        log: ReplicationLog,
        clock: Clock,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._copier = copier
        self._log = log
        self._clock = clock

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

        self._copier.copy(route, digest, tag, conclude)

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
        with self._database.write() as connection:
            try:
                there = find_repository(
                    connection, route.destination, route.repository_name, for_update=True
                )
                check_allowed(connection, self._clock, route, MAY_REPLICATE, there)
            except RepositoryNotFound:
                return
            except ReplicationDenied as error:
                logger.info("deletes are not replicated: %s", error.message)
                return
            here = _find_repository(connection, route.source, route.repository_name)
            held_up = _delete_all(connection, here, there, gone)
            if held_up and payload["tries"] < _DELETE_TRIES:
                again = {
                    **payload,
                    "gone": [[item.digest, item.tag] for item in held_up],
                    "tries": payload["tries"] + 1,
                }
                self._jobs.add(
                    connection, REPLICATE_DELETES, again, due_at=self._clock.now() + _DELETE_PAUSE
                )


def _replicates_deletes(connection: Connection, route: Route) -> bool:
    rules = replication_rules(connection, route.source)
    return route.destination in destinations_of(rules, route.repository_name, deletes=True)


def _find_repository(connection: Connection, key: RegistryKey, name: str) -> Repository | None:
    try:
        return find_repository(connection, key, name)
    except RepositoryNotFound:
        return None


def _delete_all(
    connection: Connection, here: Repository | None, there: Repository, gone: list[ImageId]
) -> list[ImageId]:
    """Delete all of *gone*; return what indexes hold up that are not deleted with it.

    :param here: the repository at the source, if it still exists.
    """
    pending = gone
    while pending:
        held_up = [item for item in pending if not _delete(connection, here, there, item)]
        if len(held_up) == len(pending):
            return held_up
        pending = held_up
    return []


def _delete(
    connection: Connection, here: Repository | None, there: Repository, item: ImageId
) -> bool:
    """Delete one image or tag; say whether that is settled, and not held up by an index."""
    image = find_image(connection, there, item)
    if image is None or (here is not None and _is_back(connection, here, item)):
        return True
    if item.tag is not None:
        remove_tag(connection, there, item.tag)
        return True
    if indexes_listing(connection, there, image):
        return False
    connection.execute(delete(images).where(images.c.id == image.id))
    return True


def _is_back(connection: Connection, here: Repository, item: ImageId) -> bool:
    """Say whether what was deleted is at the source again."""
    wanted = ImageId(tag=item.tag) if item.tag is not None else item
    found: Image | None = find_image(connection, here, wanted)
    return found is not None
