"""Storing images: the one function that ``PutImage`` and a manifest ``PUT`` end in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, literal_column, select, union_all, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotPut
from ecr_emulator.db.schema import (
    image_tags,
    images,
)
from ecr_emulator.digests import algorithm_of, digest_bytes, is_digest
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.creation_templates import repository_for_push
from ecr_emulator.registry.encryption_keys import check_enabled
from ecr_emulator.registry.errors import (
    ImageAlreadyExists,
    ImageDigestDoesNotMatch,
    ImageTagAlreadyExists,
    InvalidParameter,
    LimitExceeded,
    RegistryError,
    RepositoryNotFound,
)
from ecr_emulator.registry.images import ACTIVE, Image, ImageId, check_tag, find_image
from ecr_emulator.registry.manifests import Manifest, parse_manifest
from ecr_emulator.registry.new_images import store_image
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.repository import Repository, find_repository

#: Told of an image that was pushed, or given a tag, in the transaction of the push.
PushHook = Callable[[Connection, Repository, Image, "str | None"], None]
#: Told of it likewise, to have it signed for the one who pushes it.
SignHook = Callable[[Connection, Repository, Image, "str | None", "Permit | None"], None]
#: Told of an image that went into the archive or came back, as it is since, in the transaction
#: of that.
StorageClassHook = Callable[[Connection, Repository, Image], None]


@dataclass(frozen=True, slots=True)
class PushedImage:
    """The image that a push stored or tagged, and the tag."""

    image: Image
    tag: str | None


class ImagePush:
    """Pushes to the repositories of every registry.

    :param on_push: what a push sets going, in the same transaction.
    :param sign: likewise, on account of the one who pushes.
    :param on_restore: likewise a push of an image that was in the archive.
    """

    def __init__(
        self,
        database: Database,
        quotas: ServiceQuotas,
        clock: Clock,
        on_push: Sequence[PushHook],
        sign: SignHook,
        on_restore: Sequence[StorageClassHook],
    ) -> None:
        self._database = database
        self._quotas = quotas
        self._clock = clock
        self._on_push = on_push
        self._sign = sign
        self._on_restore = on_restore

    def put(
        self,
        key: RegistryKey,
        name: str,
        body: bytes,
        *,
        media_type: str | None = None,
        tag: str | None = None,
        digest: str | None = None,
        permit: Permit | None,
    ) -> PushedImage:
        """Store a manifest, under a tag if one is given. A template may create the repository.

        An archived image is restored at once by a push of it (user guide, "Restoring an image").

        :param media_type: what the caller says the manifest is.
        :param digest: what the caller says its digest is.
        :param permit: of the one who pushes.
        :raises RepositoryNotFound: there is no such repository.
        :raises KmsFailure: the encryption key, or the template's, cannot be used.
        :raises InvalidParameter: manifest, tag or digest are not well-formed.
        :raises ImageDigestDoesNotMatch: the manifest has another digest than *digest*.
        :raises LayersNotFound, ReferencedImagesNotFound: the repository lacks what it names.
        :raises ImageTagAlreadyExists: the tag is immutable and names another image.
        :raises ImageAlreadyExists: the very same image (and tag) is there: nothing changed.
        :raises LimitExceeded: the repository has as many images, or the image as many tags, as
            it may have.
        """
        if tag is not None:
            check_tag(tag)
        try:
            # Read before the transaction, which holds up other writers.
            actual = _digest(body, digest)
            manifest = parse_manifest(body, media_type)
        except RegistryError:
            # A missing repository outweighs a bad manifest.
            self._make_sure_of(key, name, permit)
            raise
        try:
            return self._put(key, name, manifest, actual, body, tag, permit)
        except RepositoryNotFound:
            self._make_sure_of(key, name, permit)
        return self._put(key, name, manifest, actual, body, tag, permit)

    def _put(
        self,
        key: RegistryKey,
        name: str,
        manifest: Manifest,
        digest: str,
        body: bytes,
        tag: str | None,
        permit: Permit | None,
    ) -> PushedImage:
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if repository.kms_key is not None:
                check_enabled(connection, repository.kms_key)
            return self.put_in(
                connection, repository, manifest, digest, body, tag=tag, permit=permit
            )

    def put_in(
        self,
        connection: Connection,
        repository: Repository,
        manifest: Manifest,
        digest: str,
        body: bytes,
        *,
        tag: str | None = None,
        partial: bool = False,
        permit: Permit | None = None,
    ) -> PushedImage:
        """Store a manifest as :meth:`put` does, in a transaction that holds the repository.

        :param manifest: what *body* says.
        :param digest: that of *body*.
        :param partial: whether the repository may lack what the manifest names. Then nothing
            is set going: :meth:`announce` does that when all has come.
        :param permit: of the one who pushes; ``None`` for ECR itself.
        """
        existing, tagged = _find_both(connection, repository, digest, tag)
        _check_tag_is_free(repository, tag, existing, tagged, digest)
        self._check_quotas(connection, repository, tag, existing)
        now = self._clock.now()
        image = existing or store_image(
            connection, repository, manifest, digest, body, now, partial=partial
        )
        if image.status != ACTIVE:
            image = activate(connection, image, now)
            for restored in self._on_restore:
                restored(connection, repository, image)
        if tag is not None:
            _PUT_TAG.run(
                connection,
                {
                    "repository_id": repository.id,
                    "tag": tag,
                    "image_id": image.id,
                    "tagged_at": now,
                    # Whose tag it is now; the cache says so itself of its own.
                    "upstream_checked_at": None,
                },
            )
        if not partial:
            self.announce(connection, repository, image, tag, permit)
        return PushedImage(image, tag)

    def announce(
        self,
        connection: Connection,
        repository: Repository,
        image: Image,
        tag: str | None,
        permit: Permit | None = None,
    ) -> None:
        """Set going what the push of an image, or of a tag for it, sets going."""
        for hook in self._on_push:
            hook(connection, repository, image, tag)
        self._sign(connection, repository, image, tag, permit)

    def _make_sure_of(self, key: RegistryKey, name: str, permit: Permit | None) -> None:
        try:
            find_repository(self._database, key, name)
        except RepositoryNotFound:
            with self._database.write() as connection:
                repository_for_push(connection, key, name, self._clock.now(), permit, self._quotas)

    def _check_quotas(
        self,
        connection: Connection,
        repository: Repository,
        tag: str | None,
        existing: Image | None,
    ) -> None:
        """Refuse one more image or tag than there may be (texts: observed)."""
        quotas = self._quotas.of(repository.key)
        name, account = repository.name, repository.key.account
        if existing is None:
            if _has_images(connection, repository, quotas.images_per_repository):
                raise LimitExceeded.of_images(name, account, quotas.images_per_repository)
        elif tag is not None and _has_tags(connection, existing, quotas.tags_per_image):
            raise LimitExceeded.of_tags(tag, name, account, quotas.tags_per_image)


def _check_tag_is_free(
    repository: Repository,
    tag: str | None,
    existing: Image | None,
    tagged: Image | None,
    digest: str,
) -> None:
    name, account = repository.name, repository.key.account
    immutable = tag is not None and repository.tag_mutability.is_immutable(tag)
    if existing is not None and (tag is None or tagged == existing):
        if existing.status != ACTIVE:
            # The push restores it, and moves no tag.
            return
        raise ImageAlreadyExists(
            digest,
            tag,
            name,
            account,
            tag_is_immutable=immutable,
            subject=existing.subject_digest,
        )
    if tagged is not None and immutable:
        raise ImageTagAlreadyExists(tag, name)


_PUT_TAG = HotPut(image_tags)
_OF_REPOSITORY = images.c.repository_id == bindparam("repository_id")
_BY_DIGEST_OR_TAG = HotQuery(
    union_all(
        select(images, literal_column("0").label("is_tagged")).where(
            _OF_REPOSITORY, images.c.digest == bindparam("digest")
        ),
        select(images, literal_column("1")).where(
            _OF_REPOSITORY,
            image_tags.c.repository_id == bindparam("repository_id"),
            image_tags.c.tag == bindparam("tag"),
            image_tags.c.image_id == images.c.id,
        ),
    )
)
_IDS = select(images.c.id).where(_OF_REPOSITORY)
#: Two looks into an index, where counting takes as long as there are images.
_SPREAD = HotQuery(
    select(
        _IDS.order_by(images.c.id.desc()).limit(1).scalar_subquery()
        - _IDS.order_by(images.c.id).limit(1).scalar_subquery()
    )
)
_NTH_IMAGE = HotQuery(_IDS.offset(bindparam("number")).limit(1))
_NTH_TAG = HotQuery(
    select(image_tags.c.tag)
    .where(image_tags.c.image_id == bindparam("image_id"))
    .offset(bindparam("number"))
    .limit(1)
)


def _find_both(
    connection: Connection, repository: Repository, digest: str, tag: str | None
) -> tuple[Image | None, Image | None]:
    """Return the image of a digest and the one that a tag names now."""
    if tag is None:
        return find_image(connection, repository, ImageId(digest=digest)), None
    existing = tagged = None
    parameters = {"repository_id": repository.id, "digest": digest, "tag": tag}
    for row in _BY_DIGEST_OR_TAG.all(connection, parameters):
        if row[-1]:
            tagged = Image.from_row(row)
        else:
            existing = Image.from_row(row)
    return existing, tagged


def _has_images(connection: Connection, repository: Repository, number: int) -> bool:
    """Tell whether a repository has *number* images or more."""
    parameters = {"repository_id": repository.id, "number": number - 1}
    (spread,) = _SPREAD.all(connection, {"repository_id": repository.id})[0]
    if number < 1 or spread is None or spread + 1 < number:
        return number < 1
    return _NTH_IMAGE.first(connection, parameters) is not None


def _has_tags(connection: Connection, image: Image, number: int) -> bool:
    """Tell whether an image has *number* tags or more."""
    parameters = {"image_id": image.id, "number": number - 1}
    return number < 1 or _NTH_TAG.first(connection, parameters) is not None


def activate(connection: Connection, image: Image, now: datetime) -> Image:
    """Bring an archived image back, and return it as it is then."""
    connection.execute(
        update(images).where(images.c.id == image.id).values(status=ACTIVE, last_activated_at=now)
    )
    return image._replace(status=ACTIVE, last_activated_at=now)


def _digest(body: bytes, stated: str | None) -> str:
    if stated is None:
        return digest_bytes(body)
    if not is_digest(stated):
        # Likeliest: the wording of the service's pattern checks.
        raise InvalidParameter.at(
            "imageDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
    actual = digest_bytes(body, algorithm_of(stated))
    if actual != stated:
        raise ImageDigestDoesNotMatch(stated, actual)
    return actual
