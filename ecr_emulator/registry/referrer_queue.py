"""Referrers go where their subject went: what makes them follow.

User guide, "Lifecycle policy evaluation rules": when reference artifacts are present in a
repository, lifecycle policies expire or archive them within 24 hours of the deletion or
archival of the subject image. So it is the repositories with a policy where they follow,
whoever deleted or archived the subject.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from ecr_emulator.clock import Clock
from ecr_emulator.db.lifecycle_tables import lifecycle_policies
from ecr_emulator.db.schema import images
from ecr_emulator.jobs.queue import add_job
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.job_targets import job_target
from ecr_emulator.registry.lifecycle_policy import EXPIRE
from ecr_emulator.registry.repository import Repository

#: The kind of job that makes referrers follow.
FOLLOW_SUBJECTS = "follow-subjects"

_BATCH = 500


class ReferrerQueue:
    """Queues that the referrers of images follow them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def images_deleted(
        self, connection: Connection, repository: Repository, gone: Sequence[ImageId]
    ) -> None:
        """Queue that the referrers of the images that were deleted go too."""
        digests = [item.digest for item in gone if item.tag is None and item.digest is not None]
        queue_referrers(connection, repository, digests, EXPIRE, self._clock.now())


def queue_referrers(
    connection: Connection,
    repository: Repository,
    subjects: Sequence[str],
    action: str,
    now: datetime,
) -> None:
    """Queue that the referrers of *subjects*, if there are any, follow them.

    :param action: what became of the subjects: ``expire`` or ``transition``.
    """
    for start in range(0, len(subjects), _BATCH):
        part = list(subjects[start : start + _BATCH])
        query = (
            select(images.c.subject_digest)
            .distinct()
            .where(images.c.repository_id == repository.id, images.c.subject_digest.in_(part))
        )
        referred = list(connection.execute(query).scalars())
        if referred and _has_policy(connection, repository):
            payload = {**job_target(repository), "subjects": referred, "action": action}
            add_job(connection, FOLLOW_SUBJECTS, payload, now)


def _has_policy(connection: Connection, repository: Repository) -> bool:
    query = select(lifecycle_policies.c.repository_id).where(
        lifecycle_policies.c.repository_id == repository.id
    )
    return connection.execute(query).first() is not None
