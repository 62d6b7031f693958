"""What a change of an image sets going elsewhere: the work is queued with the change itself.

Only pushes and deletes that a client (or a lifecycle policy) makes come here. What
replication does at a destination does not, so a copy is not replicated again (user guide,
"Private image replication": a replication action occurs only once for each push).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.replication_tables import image_replications
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import JobQueue
from ecr_emulator.registry.images import Image, ImageId
from ecr_emulator.registry.pushes import Push
from ecr_emulator.registry.replication_configurations import replication_rules
from ecr_emulator.registry.replication_rules import destinations_of
from ecr_emulator.registry.repository import Repository

#: The kinds of job.
REPLICATE_IMAGE = "replicate-image"
REPLICATE_DELETES = "replicate-deletes"

IN_PROGRESS = "IN_PROGRESS"

#: Deletes in one job, which does them in one transaction.
_DELETES_PER_JOB = 100


@dataclass(frozen=True, slots=True)
class Route:
    """From which registry to which, and the name of the repository in both."""

    source: RegistryKey
    destination: RegistryKey
    repository_name: str

    def to_json(self) -> dict[str, Any]:
        """Return the route in the form in which a job carries it."""
        return {
            "source": [self.source.account, self.source.region],
            "destination": [self.destination.account, self.destination.region],
            "repository": self.repository_name,
        }

    @classmethod
    def from_json(cls, payload: dict[str, Any]) -> Route:
        """Return the route of a job."""
        return cls(
            RegistryKey(*payload["source"]),
            RegistryKey(*payload["destination"]),
            payload["repository"],
        )


class ReplicationQueue:
    """Queues the replication of what happens to images, by their registries' rules."""

    def __init__(self, jobs: JobQueue) -> None:
        self._jobs = jobs

    def image_pushed(self, connection: Connection, push: Push) -> None:
        """Queue the replication of a push.

        Its image's status for each destination is IN_PROGRESS from here on.
        """
        repository, image = push.repository, push.image
        for destination in destinations_of(push.rules.replication, repository.name):
            number = _count_push(connection, image, destination)
            self._jobs.add(
                connection,
                REPLICATE_IMAGE,
                {
                    **Route(repository.key, destination, repository.name).to_json(),
                    "digest": image.digest,
                    "tag": push.tag,
                    "push_number": number,
                },
            )

    def images_deleted(
        self, connection: Connection, repository: Repository, gone: Sequence[ImageId]
    ) -> None:
        """Queue the replication of deletes, to the destinations whose rules ask for it.

        :param gone: a digest for an image that was deleted, digest and tag for a tag that
            was taken off an image that stays.
        """
        if not gone:
            return
        rules = replication_rules(connection, repository.key)
        for destination in destinations_of(rules, repository.name, deletes=True):
            route = Route(repository.key, destination, repository.name).to_json()
            for start in range(0, len(gone), _DELETES_PER_JOB):
                part = [[item.digest, item.tag] for item in gone[start : start + _DELETES_PER_JOB]]
                self._jobs.add(connection, REPLICATE_DELETES, {**route, "gone": part, "tries": 0})


def _count_push(connection: Connection, image: Image, destination: RegistryKey) -> int:
    """Note that the image is on its way to *destination*; return the number of the push."""
    query = select(image_replications.c.push_number).where(
        image_replications.c.image_id == image.id,
        image_replications.c.account == destination.account,
        image_replications.c.region == destination.region,
    )
    number = (connection.execute(query).scalar() or 0) + 1
    put_row(
        connection,
        image_replications,
        image_id=image.id,
        account=destination.account,
        region=destination.region,
        status=IN_PROGRESS,
        failure_code=None,
        push_number=number,
    )
    return number
