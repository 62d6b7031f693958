"""How the signing of images goes: queued by their pushes, told by DescribeImageSigningStatus.

Sources: API reference ``ImageSigningStatus``; user guide "Managed signing": images are signed
as they are pushed, by every profile whose rules cover the repository; "signatures cannot be
signed. Only container images can".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from ecr_emulator import media_types
from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.signing_tables import image_signings
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import add_job
from ecr_emulator.registry.errors import ImageNotFound
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.job_targets import job_target
from ecr_emulator.registry.pushes import Push
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.signing_rules import profiles_for

#: The kind of job that signs an image by one profile.
SIGN_IMAGE = "sign-image"

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"
#: The code of a signing that the one who pushed may not do.
ACCESS_DENIED = "AccessDeniedException"

#: What the configurations of container images are; those of other artifacts differ.
_IMAGE_CONFIGURATIONS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG})
#: The tags under which cosign keeps signatures, attestations and SBOMs of an image, whose
#: manifests look like images.
_COSIGN_TAG = re.compile(r"sha(256|512)-[0-9a-f]{64,128}(\.[a-z]+)?\Z")


@dataclass(frozen=True, slots=True)
class SigningStatus:
    """How the signing of an image by one profile went, or that it goes on.

    :ivar status: ``IN_PROGRESS``, ``COMPLETE`` or ``FAILED``.
    :ivar failure_code: only of what failed, as its reason.
    """

    profile_arn: str
    status: str
    failure_code: str | None
    failure_reason: str | None


class SigningLog:
    """How the signing of every image goes."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def image_pushed(self, connection: Connection, push: Push) -> None:
        """Queue the signing of an image that was pushed just now, where a rule asks for it.

        What is signed already, or about to be, is not signed again for another tag. An image is
        signed in the name of the one who pushes it (user guide): who may not sign pushes all the
        same, and the signing has failed (likeliest, as is its code).
        """
        repository, image, permit = push.repository, push.image, push.permit
        if repository.key.is_public or not _is_container_image(image, push.tag):
            return
        for profile_arn in profiles_for(push.rules.signing, repository.name):
            if self.status_in(connection, image, profile_arn) in (IN_PROGRESS, COMPLETE):
                continue
            refusal = permit.refusal("signer:SignPayload", profile_arn) if permit else None
            put_row(
                connection,
                image_signings,
                image_id=image.id,
                profile_arn=profile_arn,
                status=FAILED if refusal else IN_PROGRESS,
                failure_code=ACCESS_DENIED if refusal else None,
                failure_reason=refusal,
            )
            if refusal:
                continue
            payload = {**job_target(repository), "digest": image.digest, "profile": profile_arn}
            add_job(connection, SIGN_IMAGE, payload, self._clock.now())

    def of_image(
        self, key: RegistryKey, name: str, image_id: ImageId
    ) -> tuple[Image, list[SigningStatus]]:
        """Return an image and how its signing by each profile went.

        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            image = find_image(connection, repository, image_id)
            if image is None:
                raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
            query = (
                select(image_signings)
                .where(image_signings.c.image_id == image.id)
                .order_by(image_signings.c.profile_arn)
            )
            return image, [
                SigningStatus(row.profile_arn, row.status, row.failure_code, row.failure_reason)
                for row in connection.execute(query)
            ]

    def status_in(self, connection: Connection, image: Image, profile_arn: str) -> str | None:
        """Return the status of an image's signing by a profile; ``None`` if it never began."""
        query = select(image_signings.c.status).where(
            image_signings.c.image_id == image.id, image_signings.c.profile_arn == profile_arn
        )
        status: str | None = connection.execute(query).scalar()
        return status

    def record(
        self,
        connection: Connection,
        image: Image,
        profile_arn: str,
        *,
        failure: tuple[str, str] | None = None,
    ) -> None:
        """Write down how a signing ended, in the transaction that made it so.

        :param failure: the code and the reason, if it failed.
        """
        code, reason = failure or (None, None)
        connection.execute(
            update(image_signings)
            .where(
                image_signings.c.image_id == image.id,
                image_signings.c.profile_arn == profile_arn,
            )
            .values(
                status=COMPLETE if failure is None else FAILED,
                failure_code=code,
                failure_reason=reason,
            )
        )


def _is_container_image(image: Image, tag: str | None) -> bool:
    if image.subject_digest is not None or (tag is not None and _COSIGN_TAG.match(tag)):
        return False
    if image.media_type in media_types.INDEX_TYPES:
        return image.artifact_media_type is None
    return image.artifact_media_type is None or image.artifact_media_type in _IMAGE_CONFIGURATIONS
