"""Signing images: a signature is made, stored beside the image, and only then reported."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

from sqlalchemy import Connection

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.digests import digest_bytes
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.errors import LayerAlreadyExists
from ecr_emulator.registry.image_push import ImagePush
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.job_targets import find_job_target
from ecr_emulator.registry.manifests import Descriptor, parse_manifest
from ecr_emulator.registry.notary import EMPTY_CONFIGURATION, make_envelope, make_manifest
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.signing_keys import SignerUnavailable, SigningKeys
from ecr_emulator.registry.signing_log import IN_PROGRESS, SIGN_IMAGE, SigningLog
from ecr_emulator.registry.uploads import Uploads

logger = logging.getLogger(__name__)

#: The code of a signing that failed for want of a signer. ECR documents no codes.
SIGNER_UNAVAILABLE = "SignerUnavailable"


class SigningWork:
    """Signs the images of every registry."""

    def __init__(
        self,
        database: Database,
        log: SigningLog,
        uploads: Uploads,
        pushes: ImagePush,
        clock: Clock,
    ) -> None:
        self._database = database
        self._log = log
        self._uploads = uploads
        self._pushes = pushes
        self._keys = SigningKeys(database, clock)
        self._clock = clock

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs that :class:`.SigningLog` queues."""
        return {SIGN_IMAGE: self.sign_image}

    def sign_image(self, payload: dict[str, Any]) -> None:
        """Sign an image by one profile, unless that is done already."""
        profile_arn = payload["profile"]
        with self._database.read() as connection:
            found = self._find(connection, payload)
        if found is None:
            return
        repository, image = found
        try:
            signer = self._keys.signer(profile_arn)
        except SignerUnavailable as error:
            logger.warning("%s is not signed: %s", image.digest, error)
            self._fail(payload, SIGNER_UNAVAILABLE, str(error))
            return
        now = self._clock.now()
        subject = Descriptor(image.digest, image.manifest_size, image.media_type)
        envelope = make_envelope(signer, subject, now)
        body = make_manifest(signer, subject, envelope, now)
        for blob in (EMPTY_CONFIGURATION, envelope):
            # The configuration is there from the signature before.
            with contextlib.suppress(LayerAlreadyExists):
                self._uploads.put(repository.key, repository.name, digest_bytes(blob), [blob], None)
        with self._database.write() as connection:
            found = self._find(connection, payload, for_update=True)
            if found is not None:
                repository, image = found
                manifest = parse_manifest(body, None)
                self._pushes.put_in(connection, repository, manifest, digest_bytes(body), body)
                self._log.record(connection, image, profile_arn)

    def _fail(self, payload: dict[str, Any], code: str, reason: str) -> None:
        with self._database.write() as connection:
            found = self._find(connection, payload, for_update=True)
            if found is not None:
                self._log.record(connection, found[1], payload["profile"], failure=(code, reason))

    def _find(
        self, connection: Connection, payload: dict[str, Any], *, for_update: bool = False
    ) -> tuple[Repository, Image] | None:
        """Return what a job is to sign, or ``None`` when it is gone or the job is done."""
        repository = find_job_target(connection, payload, for_update=for_update)
        if repository is None:
            return None
        image = find_image(connection, repository, ImageId(payload["digest"]))
        if image is None:
            return None
        status = self._log.status_in(connection, image, payload["profile"])
        return (repository, image) if status == IN_PROGRESS else None
