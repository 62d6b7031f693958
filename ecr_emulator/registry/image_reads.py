"""Reading images: pulls, descriptions, tags and referrers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, and_, bindparam, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_tags, images, manifests, repositories
from ecr_emulator.digests import looks_like_digest
from ecr_emulator.registry.described_images import DescribedImage, describe
from ecr_emulator.registry.encryption_keys import check_enabled
from ecr_emulator.registry.errors import ImageNotFound, KmsFailure
from ecr_emulator.registry.images import (
    ACTIVE,
    Image,
    ImageId,
    StoredManifest,
    find_image,
    looks_like_tag,
    status_is,
)
from ecr_emulator.registry.pull_exclusions import is_excluded
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.storage_failure import StorageFailure

logger = logging.getLogger(__name__)

#: A pull is recorded when the last recorded one is older than this. ECR promises no more
#: than once in 24 hours (API reference ``ImageDetail``); a write for every read would cost
#: the read its speed.
PULL_TIME_RESOLUTION = timedelta(seconds=60)

INACCESSIBLE = "ImageInaccessible"
KMS_ERROR = "KmsError"

#: What a remembered manifest takes in memory beside its text.
_MANIFEST_BYTES = 1500

#: Manifests read for one page of referrers, in bytes together: annotations, which the answer
#: repeats, may make each as large as a manifest can be.
_REFERRERS_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageFailure:
    """Why one image of a batch could not be had."""

    image_id: ImageId
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class ReferrersPage:
    """Some of a subject's referrers, and whether there are more behind them."""

    manifests: tuple[StoredManifest, ...]
    more: bool


_IN_REPOSITORY = (
    repositories.c.account == bindparam("account"),
    repositories.c.region == bindparam("region"),
    repositories.c.name == bindparam("name"),
)
_IMAGE_COLUMNS = len(images.c)
_PULL = (
    select(images, repositories.c.kms_key, manifests.c.body)
    .select_from(repositories)
    .join(images, images.c.repository_id == repositories.c.id)
    .join(manifests, manifests.c.image_id == images.c.id)
)
_DIGEST = images.c.digest == bindparam("digest")
_PULL_BY_DIGEST = HotQuery(_PULL.where(*_IN_REPOSITORY, _DIGEST))
_PULL_TAGGED = (
    _PULL.add_columns(image_tags.c.upstream_checked_at)
    .join(
        image_tags,
        and_(
            image_tags.c.repository_id == repositories.c.id,
            image_tags.c.image_id == images.c.id,
        ),
    )
    .where(*_IN_REPOSITORY, image_tags.c.tag == bindparam("tag"))
)
_PULL_BY_TAG = HotQuery(_PULL_TAGGED)
_PULL_BY_BOTH = HotQuery(_PULL_TAGGED.where(_DIGEST))


_TAG_PAGE = HotQuery(
    select(image_tags.c.tag)
    .where(
        image_tags.c.repository_id == bindparam("repository_id"),
        image_tags.c.tag > bindparam("after"),
    )
    .order_by(image_tags.c.tag)
    .limit(bindparam("limit"))
)


def _refusal_of_key(connection: Connection, kms_key: str | None) -> str | None:
    """Return why nothing can be had of a repository by its key, or ``None``."""
    try:
        if kms_key is not None:
            check_enabled(connection, kms_key)
    except KmsFailure as error:
        return error.message
    return None


class ImageReads:
    """Reads from the repositories of every registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def manifest(self, key: RegistryKey, name: str, image_id: ImageId) -> StoredManifest:
        """Return the manifest that a digest or a tag (one of them) names.

        An image that is archived, or on its way back, is not to be had: as observed, ECR answers
        as if it were not there.

        :raises RepositoryNotFound, ImageNotFound: there is none.
        :raises KmsFailure: the repository's key is disabled.
        """
        found = _pull(self._database, key, name, image_id)
        if found is None:
            find_repository(self._database, key, name)
            raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
        stored, kms_key = found
        if kms_key is not None:
            check_enabled(self._database.reader(), kms_key)
        if stored.image.status != ACTIVE:
            raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
        return stored

    def record_pull(self, key: RegistryKey, image: Image, caller_arn: str) -> None:
        """Remember that the image was pulled now (``lastRecordedPullTime``).

        :param caller_arn: who pulled it; of some the registry does not want to know.
        """
        self._record_pulls(key, [image], caller_arn)

    def _record_pulls(self, key: RegistryKey, pulled: Iterable[Image], caller_arn: str) -> None:
        now = self._clock.now()
        outdated = [
            image.id
            for image in pulled
            if image.last_pulled_at is None or now - image.last_pulled_at >= PULL_TIME_RESOLUTION
        ]
        # Only when there is something to write is anything read for it.
        if not outdated or is_excluded(self._database.reader(), key, caller_arn):
            return
        try:
            with self._database.write(lasting=False) as connection:
                connection.execute(
                    update(images).where(images.c.id.in_(outdated)).values(last_pulled_at=now)
                )
        except StorageFailure as failure:
            # A full disk, say: no reason to refuse what can be read.
            logger.warning("pulls by %s are not recorded: %s", caller_arn, failure)

    def batch_get(
        self, key: RegistryKey, name: str, image_ids: Iterable[ImageId], *, caller_arn: str
    ) -> tuple[list[tuple[ImageId, StoredManifest]], list[ImageFailure]]:
        """Return the manifests of several images, and why others cannot be had.

        :returns: each manifest with what the caller named it by.
        :param caller_arn: who pulls them, as for :meth:`record_pull`.
        :raises RepositoryNotFound: there is no such repository.
        """
        asked = tuple(dict.fromkeys(image_ids))
        found, failures = self._database.remember(
            ("manifests", key, name, asked),
            lambda: self._batch_get(key, name, asked),
            lambda read: sum(_MANIFEST_BYTES + len(stored.body) for _, stored in read[0]),
        )
        self._record_pulls(key, [stored.image for _, stored in found], caller_arn)
        return list(found), list(failures)

    def _batch_get(
        self, key: RegistryKey, name: str, image_ids: Iterable[ImageId]
    ) -> tuple[list[tuple[ImageId, StoredManifest]], list[ImageFailure]]:
        found: list[tuple[ImageId, StoredManifest]] = []
        failures: list[ImageFailure] = []
        with self._database.read() as connection:
            for image_id in image_ids:
                failure = _malformed(image_id)
                pulled = None if failure else _pull(connection, key, name, image_id)
                if pulled is None:
                    failures.append(failure or _not_found(image_id))
                    continue
                stored, kms_key = pulled
                refusal = _refusal_of_key(connection, kms_key)
                if refusal is not None:
                    failures.append(ImageFailure(image_id, KMS_ERROR, refusal))
                elif stored.image.status != ACTIVE:
                    # Code: API reference; reason: likeliest.
                    reason = f"Requested image is not accessible: it is {stored.image.status}"
                    failures.append(ImageFailure(image_id, INACCESSIBLE, reason))
                else:
                    found.append((image_id, stored))
            if not found:
                find_repository(connection, key, name)
        return found, failures

    def describe(
        self, key: RegistryKey, name: str, image_ids: Sequence[ImageId]
    ) -> list[DescribedImage]:
        """Return the images named, each once; all of them or none (DescribeImages).

        :raises RepositoryNotFound, ImageNotFound: one of them does not exist.
        """
        found: list[int] = []
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            for image_id in image_ids:
                image = find_image(connection, repository, image_id) if _names(image_id) else None
                if image is None:
                    raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
                if image.id not in found:
                    found.append(image.id)
            return describe(connection, found)

    def tags(self, key: RegistryKey, name: str, *, after: str, limit: int) -> list[str]:
        """Return up to *limit* tags of the repository in lexical order.

        :param after: the tag that the page before ended with; empty for the first page.
        :raises RepositoryNotFound: there is no such repository.
        """
        repository = find_repository(self._database, key, name)
        parameters = {"repository_id": repository.id, "after": after, "limit": limit}
        return [row[0] for row in _TAG_PAGE.all(self._database, parameters)]

    def referrers(
        self,
        key: RegistryKey,
        name: str,
        subject: str,
        *,
        artifact_types: Sequence[str] = (),
        status: str = ACTIVE,
        after: int,
        limit: int,
    ) -> ReferrersPage:
        """Return up to *limit* images whose manifests refer to *subject*, in push order.

        :param artifact_types: only those of one of these types; empty for all.
        :param after: the row id of the last image of the page before; 0 for the first page.
        :raises RepositoryNotFound: there is no such repository.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            query = (
                select(images)
                .where(
                    images.c.repository_id == repository.id,
                    images.c.subject_digest == subject,
                    images.c.id > after,
                    *status_is(status),
                )
                .order_by(images.c.id)
                .limit(limit + 1)
            )
            if artifact_types:
                query = query.where(images.c.artifact_media_type.in_(list(artifact_types)))
            found = [Image.from_row(row) for row in connection.execute(query)]
            page = _first_of(found[:limit])
            query = select(manifests).where(manifests.c.image_id.in_([one.id for one in page]))
            bodies = {row.image_id: row.body for row in connection.execute(query)}
        return ReferrersPage(
            tuple(StoredManifest(image, bodies[image.id]) for image in page),
            more=len(found) > len(page),
        )


def _pull(
    where: Database | Connection, key: RegistryKey, name: str, image_id: ImageId
) -> tuple[StoredManifest, str | None] | None:
    """Return the manifest that a digest, a tag or both name, whatever its image's status.

    With it comes the key that the repository is encrypted by.
    """
    parameters = {"account": key.account, "region": key.region, "name": name}
    if image_id.tag is None:
        query, names = _PULL_BY_DIGEST, {"digest": image_id.digest}
    elif image_id.digest is None:
        query, names = _PULL_BY_TAG, {"tag": image_id.tag}
    else:
        query, names = _PULL_BY_BOTH, {"digest": image_id.digest, "tag": image_id.tag}
    row = query.first(where, {**parameters, **names})
    if row is None:
        return None
    image, kms_key = Image(*row[:_IMAGE_COLUMNS]), row[_IMAGE_COLUMNS]
    return StoredManifest(image, *row[_IMAGE_COLUMNS + 1 :]), kms_key


def find_or_fail(
    connection: Connection, repository: Repository, image_id: ImageId
) -> Image | ImageFailure:
    """Return the image of a batch request, or the failure that AWS answers in its place.

    Codes: API reference ``ImageFailure``.
    """
    failure = _malformed(image_id)
    if failure is not None:
        return failure
    return find_image(connection, repository, image_id) or _not_found(image_id)


def _malformed(image_id: ImageId) -> ImageFailure | None:
    if not _names(image_id):
        reason = "Invalid request parameters: both tag and digest cannot be null"
        return ImageFailure(image_id, "MissingDigestAndTag", reason)
    if image_id.digest is not None and not looks_like_digest(image_id.digest):
        reason = (
            "Invalid request parameters: image digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
        return ImageFailure(image_id, "InvalidImageDigest", reason)
    if image_id.tag is not None and not looks_like_tag(image_id.tag):
        # Likeliest, after the one for digests.
        reason = "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9-_.]+'"
        return ImageFailure(image_id, "InvalidImageTag", reason)
    return None


def _not_found(image_id: ImageId) -> ImageFailure:
    return ImageFailure(image_id, "ImageNotFound", "Requested image not found")


def _first_of(found: list[Image]) -> list[Image]:
    """Return the first images (one at least) whose manifests together are not too large."""
    size = 0
    for number, image in enumerate(found):
        size += image.manifest_size
        if number and size > _REFERRERS_BYTES:
            return found[:number]
    return found


def _names(image_id: ImageId) -> bool:
    return image_id.digest is not None or image_id.tag is not None
