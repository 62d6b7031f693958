"""Referrers of cached images: discovered at the upstream when they are listed, and cached.

Source: AWS, "Amazon ECR pull through cache now supports referrer discovery and sync" (April 2026)
and ``UnableToListUpstreamImageReferrersException``. How often ECR asks is not documented; likeliest
is as for tags.
"""

from __future__ import annotations

import logging
from datetime import datetime

from sqlalchemy import select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.store import BlobStore, StorageFull
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.upsert import put_row
from ecr_emulator.db.upstream_tables import referrer_checks
from ecr_emulator.registry.errors import ImageNotFound, RepositoryNotFound, ServerFailure
from ecr_emulator.registry.image_imports import ImageImports
from ecr_emulator.registry.image_reads import ImageReads
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.manifests import parse_manifest
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.pull_through import RETRY_AFTER, TAG_AGE
from ecr_emulator.registry.pull_through_errors import (
    ACCESS_DENIED,
    UNAVAILABLE,
    UpstreamImageFailure,
    UpstreamLayerFailure,
    UpstreamReferrersFailure,
    upstream_failure_code,
)
from ecr_emulator.registry.pull_through_layers import PullThroughLayers
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.upstream_sources import Source, UpstreamSources
from ecr_emulator.registry.upstream_turns import TurnNeverCame, my_turn, turn_id
from ecr_emulator.upstreams.client import ANSWER_SECONDS, UpstreamError

logger = logging.getLogger(__name__)


class PullThroughReferrers:
    """Caches the referrers of images that the cache has."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        images: ImageReads,
        imports: ImageImports,
        layers: PullThroughLayers,
        sources: UpstreamSources,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._images = images
        self._imports = imports
        self._layers = layers
        self._sources = sources
        self._clock = clock

    def sync(self, key: RegistryKey, name: str, subject: str, permit: Permit) -> None:
        """See to it that an image's referrers that the upstream has are in the repository too.

        The upstream is asked once in 24 hours; when it cannot be, and was before, what is cached
        has to do. Nothing is done for what no rule covers, or is not in the repository.

        :param subject: the digest of the image.
        :raises UpstreamReferrersFailure: the upstream does not tell.
        :raises ServerFailure: there is no room.
        """
        source = self._sources.covering(key, name)
        if source is None:
            return
        image = self._subject(key, name, subject)
        if image is None or not self._is_due(image):
            return
        turn = turn_id("referrers", key.account, key.region, name, subject)
        try:
            with my_turn(self._blobs, turn, ANSWER_SECONDS * 2):
                if self._is_due(image):
                    self._sync(key, name, source, image, permit)
        except TurnNeverCame:
            raise UpstreamReferrersFailure(UNAVAILABLE) from None
        except StorageFull as error:
            raise ServerFailure(f"The registry's storage cannot take more: {error}") from None

    def _sync(
        self, key: RegistryKey, name: str, source: Source, image: Image, permit: Permit
    ) -> None:
        try:
            found = self._imports.upstream(key, source).referrers(image.digest)
            for digest in found:
                self._fetch(key, name, digest, permit)
        except (UpstreamError, UpstreamImageFailure, UpstreamLayerFailure) as error:
            failure = _referrers_failure(error)
            if failure.failure_code in (None, ACCESS_DENIED) or self._checked_at(image) is None:
                raise failure from None
            logger.warning("referrers in %s are listed as cached: %s", name, type(error).__name__)
            self._note(image, self._clock.now() - TAG_AGE + RETRY_AFTER)
            return
        self._note(image, self._clock.now())

    def _fetch(self, key: RegistryKey, name: str, digest: str, permit: Permit) -> None:
        """Cache a referrer with its layers: they are small, and it is of no use without."""
        self._imports.import_image(key, name, ImageId(digest=digest), permit)
        try:
            stored = self._images.manifest(key, name, ImageId(digest=digest))
        except ImageNotFound:
            # The upstream lists what it does not have, or it is archived here.
            return
        for layer in parse_manifest(stored.body, stored.image.media_type).layers:
            self._layers.fetch_whole(key, name, layer.digest, permit)

    def _subject(self, key: RegistryKey, name: str, subject: str) -> Image | None:
        connection = self._database.reader()
        try:
            repository = find_repository(connection, key, name)
        except RepositoryNotFound:
            return None
        return find_image(connection, repository, ImageId(digest=subject))

    def _is_due(self, image: Image) -> bool:
        checked_at = self._checked_at(image)
        return checked_at is None or self._clock.now() - checked_at >= TAG_AGE

    def _checked_at(self, image: Image) -> datetime | None:
        query = select(referrer_checks.c.checked_at).where(referrer_checks.c.image_id == image.id)
        found: datetime | None = self._database.reader().execute(query).scalar()
        return found

    def _note(self, image: Image, checked_at: datetime) -> None:
        with self._database.write() as connection:
            put_row(connection, referrer_checks, image_id=image.id, checked_at=checked_at)


def _referrers_failure(
    error: UpstreamError | UpstreamImageFailure | UpstreamLayerFailure,
) -> UpstreamReferrersFailure:
    if isinstance(error, (UpstreamImageFailure, UpstreamLayerFailure)):
        return UpstreamReferrersFailure(error.failure_code)
    return UpstreamReferrersFailure(upstream_failure_code(error))
