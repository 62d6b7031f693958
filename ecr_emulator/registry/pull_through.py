"""The pull-through cache: pulls of what a repository lacks and an upstream registry has.

Both doors pull through here. What is there is answered by one look at the database, as if
there was no cache; only after a miss is a rule looked for. Sources: user guide "Sync an upstream
registry with an Amazon ECR private registry" (the first pull creates repository and image; a
tag is compared with the upstream's at most once in 24 hours; what is cached is served when the
upstream cannot be asked).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_tags, repositories
from ecr_emulator.registry.errors import (
    ImageNotFound,
    RepositoryNotFound,
)
from ecr_emulator.registry.image_imports import ImageImports, mark_checked
from ecr_emulator.registry.image_reads import ImageFailure, ImageReads
from ecr_emulator.registry.images import ImageId, StoredManifest, find_image, looks_like_tag
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.pull_through_errors import (
    REASONS,
    UpstreamImageFailure,
)
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.upstream_sources import (
    UpstreamSources,
)
from ecr_emulator.upstreams.client import (
    UpstreamError,
    UpstreamMissing,
)

logger = logging.getLogger(__name__)

#: How long a cached tag is good without asking the upstream (user guide).
TAG_AGE = timedelta(hours=24)
#: How long after an upstream could not be asked it is asked again (our own: the guide says
#: nothing, and a client must not wait for it on each pull).
RETRY_AFTER = timedelta(seconds=60)

_CHECKED_AT = HotQuery(
    select(image_tags.c.tag, image_tags.c.upstream_checked_at)
    .join(repositories, repositories.c.id == image_tags.c.repository_id)
    .where(
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
        repositories.c.name == bindparam("name"),
        image_tags.c.tag.in_(bindparam("tags", expanding=True)),
        image_tags.c.upstream_checked_at.is_not(None),
    ),
    expanding="tags",
)


class PullThrough:
    """Pulls of images through the cache."""

    def __init__(
        self,
        database: Database,
        images: ImageReads,
        imports: ImageImports,
        sources: UpstreamSources,
        clock: Clock,
    ) -> None:
        self._database = database
        self._images = images
        self._imports = imports
        self._sources = sources
        self._clock = clock

    def manifest(
        self, key: RegistryKey, name: str, image_id: ImageId, permit: Permit
    ) -> StoredManifest:
        """Return the manifest that a digest or a tag (one of them) names, cached if need be.

        :raises RepositoryNotFound, ImageNotFound: neither the registry nor an upstream has it.
        :raises UpstreamImageFailure: the upstream does not give it.
        """
        try:
            stored = self._images.manifest(key, name, image_id)
        except (RepositoryNotFound, ImageNotFound):
            if not self._imports.import_image(key, name, image_id, permit):
                raise
            return self._images.manifest(key, name, image_id)
        if image_id.tag is None or stored.checked_at is None:
            return stored
        if self._clock.now() - stored.checked_at < TAG_AGE:
            return stored
        self._refresh(key, name, image_id.tag, stored.checked_at)
        return self._images.manifest(key, name, image_id)

    def batch_get(
        self,
        key: RegistryKey,
        name: str,
        image_ids: Sequence[ImageId],
        permit: Permit,
        *,
        caller_arn: str,
    ) -> tuple[list[tuple[ImageId, StoredManifest]], list[ImageFailure]]:
        """Return manifests as :meth:`ImageReads.batch_get` does, cached if need be.

        What an upstream does not give is a failure of that image.

        :raises RepositoryNotFound: neither the registry nor an upstream has it.
        :raises UpstreamImageFailure: the credentials for the upstream cannot be had.
        """
        self._refresh_all(key, name, [item.tag for item in image_ids if item.digest is None])
        refused: RepositoryNotFound | None = None
        try:
            found, failures = self._images.batch_get(key, name, image_ids, caller_arn=caller_arn)
            missing = [item.image_id for item in failures if item.code == "ImageNotFound"]
        except RepositoryNotFound as error:
            found, failures, refused = [], [], error
            missing = list(dict.fromkeys(image_ids))
        upstream_failures: dict[ImageId, ImageFailure] = {}
        imported = []
        for image_id in missing:
            try:
                if self._imports.import_image(key, name, image_id, permit):
                    imported.append(image_id)
            except UpstreamImageFailure as error:
                if error.failure_code is None:
                    raise
                upstream_failures[image_id] = ImageFailure(
                    image_id, error.failure_code, REASONS[error.failure_code]
                )
        if imported:
            more, left = self._images.batch_get(key, name, imported, caller_arn=caller_arn)
            found = found + more
            gone = {item.image_id for item in left}
            settled = set(imported) - gone
            if refused is not None:
                rest = [item for item in missing if item not in settled]
                _, failures = self._images.batch_get(key, name, rest, caller_arn=caller_arn)
                refused = None
            failures = [item for item in failures if item.image_id not in settled]
        if refused is not None:
            if not upstream_failures:
                raise refused
            failures = [
                ImageFailure(item, "ImageNotFound", "Requested image not found") for item in missing
            ]
        return found, [upstream_failures.get(item.image_id, item) for item in failures]

    # -- cached tags ------------------------------------------------------------------------

    def _refresh_all(self, key: RegistryKey, name: str, tags: Sequence[str | None]) -> None:
        before = self._clock.now() - TAG_AGE
        parameters = {
            "account": key.account,
            "region": key.region,
            "name": name,
            "tags": [tag for tag in tags if tag is not None and looks_like_tag(tag)],
        }
        for tag, checked_at in _CHECKED_AT.all(self._database, parameters):
            if checked_at <= before:
                self._refresh(key, name, tag, checked_at)

    def _refresh(self, key: RegistryKey, name: str, tag: str, checked_at: datetime) -> None:
        """Compare a cached tag with the upstream's, and follow it if that has moved.

        One caller does so; the others have what is cached meanwhile. No permission is asked
        for: it is ECR that keeps its cache (likeliest).
        """
        source = self._sources.covering(key, name)
        if source is None:
            # The rule is gone; what it cached stays as it is.
            return
        now = self._clock.now()
        with self._database.write() as connection:
            repository = find_repository(connection, key, name)
            cached = find_image(connection, repository, ImageId(tag=tag))
            claimed = connection.execute(
                update(image_tags)
                .where(
                    image_tags.c.repository_id == repository.id,
                    image_tags.c.tag == tag,
                    image_tags.c.upstream_checked_at == checked_at,
                )
                # Should the upstream not answer, or this process end: once more, before long.
                .values(upstream_checked_at=now - TAG_AGE + RETRY_AFTER)
            )
        if cached is None or claimed.rowcount != 1:
            return
        try:
            if self._imports.upstream(key, source).digest(tag) != cached.digest:
                self._imports.fetch(key, name, source, ImageId(tag=tag))
        except UpstreamMissing:
            # It is gone there; what is cached is served on.
            pass
        except (UpstreamError, UpstreamImageFailure, RepositoryNotFound) as error:
            logger.warning("%s:%s is served as cached: %s", name, tag, type(error).__name__)
            return
        with self._database.write() as connection:
            mark_checked(connection, repository, tag, now)
