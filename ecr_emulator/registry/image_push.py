"""Storing images: the one function that ``PutImage`` and a manifest ``PUT`` end in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

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
from ecr_emulator.registry.images import ACTIVE, Image, check_tag
from ecr_emulator.registry.manifests import Manifest, parse_manifest
from ecr_emulator.registry.new_images import store_image
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.push_targets import PushTarget, find_target
from ecr_emulator.registry.pushes import Push, PushHook
from ecr_emulator.registry.registry_rules import registry_rules
from ecr_emulator.registry.repository import Repository, find_repository

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
    :param on_restore: likewise a push of an image that was in the archive.
    """

    def __init__(
        self,
        database: Database,
        quotas: ServiceQuotas,
        clock: Clock,
        on_push: Sequence[PushHook],
        on_restore: Sequence[StorageClassHook],
    ) -> None:
        self._database = database
        self._quotas = quotas
        self._clock = clock
        self._on_push = on_push
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
        def push(connection: Connection) -> PushedImage:
            target = find_target(connection, key, name, digest, tag)
            if target.repository.kms_key is not None:
                check_enabled(connection, target.repository.kms_key)
            image = self._store(connection, target, manifest, digest, body, tag)
            self._tell(connection, Push(target.repository, image, tag, target.rules, permit))
            return PushedImage(image, tag)

        return self._database.write_together(push)

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
    ) -> PushedImage:
        """Store a manifest for ECR itself as :meth:`put` does, in a transaction that goes on.

        :param manifest: what *body* says.
        :param digest: that of *body*.
        :param partial: whether the repository may lack what the manifest names. Then nothing
            is set going: :meth:`announce` does that when all has come.
        """
        target = find_target(connection, repository.key, repository.name, digest, tag)
        image = self._store(connection, target, manifest, digest, body, tag, partial=partial)
        if not partial:
            self._tell(connection, Push(repository, image, tag, target.rules))
        return PushedImage(image, tag)

    def _store(
        self,
        connection: Connection,
        target: PushTarget,
        manifest: Manifest,
        digest: str,
        body: bytes,
        tag: str | None,
        *,
        partial: bool = False,
    ) -> Image:
        repository, existing = target.repository, target.existing
        _check_tag_is_free(target, tag, digest)
        self._check_quotas(connection, target, tag)
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
        return image

    def announce(
        self, connection: Connection, repository: Repository, image: Image, tag: str | None
    ) -> None:
        """Set going what the push of an image, or of a tag for it, sets going."""
        rules = registry_rules(connection, repository.key)
        self._tell(connection, Push(repository, image, tag, rules))

    def _tell(self, connection: Connection, push: Push) -> None:
        for hook in self._on_push:
            hook(connection, push)

    def _make_sure_of(self, key: RegistryKey, name: str, permit: Permit | None) -> None:
        try:
            find_repository(self._database, key, name)
        except RepositoryNotFound:
            with self._database.write() as connection:
                repository_for_push(connection, key, name, self._clock.now(), permit, self._quotas)

    def _check_quotas(self, connection: Connection, target: PushTarget, tag: str | None) -> None:
        """Refuse one more image or tag than there may be (texts: observed)."""
        repository, existing = target.repository, target.existing
        quotas = self._quotas.of(repository.key)
        name, account = repository.name, repository.key.account
        if existing is None:
            if _has_images(connection, target, quotas.images_per_repository):
                raise LimitExceeded.of_images(name, account, quotas.images_per_repository)
        elif tag is not None and _has_tags(connection, existing, quotas.tags_per_image):
            raise LimitExceeded.of_tags(tag, name, account, quotas.tags_per_image)


def _check_tag_is_free(target: PushTarget, tag: str | None, digest: str) -> None:
    repository, existing, tagged_id = target.repository, target.existing, target.tagged_id
    name, account = repository.name, repository.key.account
    immutable = tag is not None and repository.tag_mutability.is_immutable(tag)
    if existing is not None and (tag is None or tagged_id == existing.id):
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
    if tagged_id is not None and immutable:
        raise ImageTagAlreadyExists(tag, name)


_PUT_TAG = HotPut(image_tags)
_NTH_IMAGE = HotQuery(
    select(images.c.id)
    .where(images.c.repository_id == bindparam("repository_id"))
    .offset(bindparam("number"))
    .limit(1)
)
_NTH_TAG = HotQuery(
    select(image_tags.c.tag)
    .where(image_tags.c.image_id == bindparam("image_id"))
    .offset(bindparam("number"))
    .limit(1)
)


def _has_images(connection: Connection, target: PushTarget, number: int) -> bool:
    """Tell whether a repository has *number* images or more."""
    if number < 1 or target.images_at_most < number:
        return number < 1
    parameters = {"repository_id": target.repository.id, "number": number - 1}
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
