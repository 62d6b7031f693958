"""The two storage classes of images: into the archive and back (UpdateImageStorageClass).

Sources: user guide "Archiving an image", "Restoring an image"; that only an active image can
be archived and only an archived one restored was observed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import images
from ecr_emulator.jobs.queue import add_job
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.errors import ImageNotFound, RegistryError
from ecr_emulator.registry.image_deletes import indexes_listing
from ecr_emulator.registry.image_push import StorageClassHook, activate
from ecr_emulator.registry.images import (
    ACTIVATING,
    ACTIVE,
    ARCHIVED,
    Image,
    ImageId,
    find_image,
    tags_of_images,
)
from ecr_emulator.registry.job_targets import find_job_target, job_target
from ecr_emulator.registry.lifecycle_policy import TRANSITION
from ecr_emulator.registry.pushes import Push, PushHook
from ecr_emulator.registry.referrer_queue import queue_referrers
from ecr_emulator.registry.registry_rules import registry_rules
from ecr_emulator.registry.repository import Repository, find_repository

STANDARD = "STANDARD"
ARCHIVE = "ARCHIVE"

#: The kind of job that ends a restoration.
RESTORE_IMAGE = "restore-image"


class StorageClassUpdateNotSupported(RegistryError):
    """The image cannot change to the storage class that is asked for."""

    code = "ImageStorageClassUpdateNotSupportedException"

    def __init__(self, reason: str) -> None:
        # The service model's description of the exception; the reason is ours.
        super().__init__(f"The requested image storage class update is not supported. {reason}")


class StorageClasses:
    """Archives images and restores them, in every registry.

    :param on_restore: what a restoration sets going once the image is active, as if it were
        pushed once for each of its tags.
    :param on_change: who is told once of an image that is archived or active again.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        on_restore: Sequence[PushHook],
        on_change: Sequence[StorageClassHook],
    ) -> None:
        self._database = database
        self._clock = clock
        self._on_restore = on_restore
        self._on_change = on_change

    def update(self, key: RegistryKey, name: str, image_id: ImageId, target: str) -> Image:
        """Archive an image or begin to restore it; return it as it is then.

        :param target: :data:`ARCHIVE` or :data:`STANDARD`.
        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        :raises StorageClassUpdateNotSupported: it is in that class, on its way there, or an
            index that is not archived lists it.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            image = find_image(connection, repository, image_id)
            if image is None:
                raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
            if image.status != (ACTIVE if target == ARCHIVE else ARCHIVED):
                raise StorageClassUpdateNotSupported(f"The image is {image.status}.")
            if target == ARCHIVE:
                parents = indexes_listing(connection, repository, image, archived=False)
                if parents:
                    raise StorageClassUpdateNotSupported(
                        f"The image is referenced by manifest list: [{', '.join(parents)}]"
                    )
                self.archive_in(connection, repository, image)
            else:
                self._begin_to_restore(connection, repository, image)
            changed = find_image(connection, repository, ImageId(digest=image.digest))
        return changed or image

    def archive_in(self, connection: Connection, repository: Repository, image: Image) -> None:
        """Put an active image into the archive; its referrers are queued to follow it."""
        now = self._clock.now()
        connection.execute(
            update(images)
            .where(images.c.id == image.id)
            .values(status=ARCHIVED, last_archived_at=now)
        )
        queue_referrers(connection, repository, [image.digest], TRANSITION, now)
        self._tell(connection, repository, image._replace(status=ARCHIVED, last_archived_at=now))

    def _tell(self, connection: Connection, repository: Repository, image: Image) -> None:
        for hook in self._on_change:
            hook(connection, repository, image)

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs that a restoration queues."""
        return {RESTORE_IMAGE: self.finish_restoration}

    def _begin_to_restore(
        self, connection: Connection, repository: Repository, image: Image
    ) -> None:
        connection.execute(update(images).where(images.c.id == image.id).values(status=ACTIVATING))
        payload = {**job_target(repository), "digest": image.digest}
        add_job(connection, RESTORE_IMAGE, payload, self._clock.now())

    def finish_restoration(self, payload: dict[str, Any]) -> None:
        """Make an image that is being restored active again."""
        with self._database.write() as connection:
            repository = find_job_target(connection, payload, for_update=True)
            if repository is None:
                return
            image = find_image(connection, repository, ImageId(digest=payload["digest"]))
            if image is None or image.status != ACTIVATING:
                return
            image = activate(connection, image, self._clock.now())
            self._tell(connection, repository, image)
            tags: Sequence[str | None] = tags_of_images(connection, [image.id]).get(image.id, [])
            rules = registry_rules(connection, repository.key)
            for tag in tags or (None,):
                for hook in self._on_restore:
                    hook(connection, Push(repository, image, tag, rules))
