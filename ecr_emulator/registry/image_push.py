"""Storing images: the one function that ``PutImage`` and a manifest ``PUT`` end in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotInsert, HotPut, HotWrite
from ecr_emulator.db.schema import (
    blobs,
    image_children,
    image_layers,
    image_tags,
    images,
    layers,
    manifests,
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
    LayersNotFound,
    LimitExceeded,
    ReferencedImagesNotFound,
    RepositoryNotFound,
)
from ecr_emulator.registry.images import ACTIVE, Image, ImageId, check_tag, find_image
from ecr_emulator.registry.manifests import Descriptor, Manifest, parse_manifest
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.repository import Repository, find_repository

#: Told of an image that was pushed, or given a tag, in the transaction of the push.
PushHook = Callable[[Connection, Repository, Image, "str | None"], None]
#: Told of it likewise, to have it signed for the one who pushes it.
SignHook = Callable[[Connection, Repository, Image, "str | None", "Permit | None"], None]
#: Told of an image that went into the archive or came back, as it is since, in the transaction
#: of that.
StorageClassHook = Callable[[Connection, Repository, Image], None]

#: Digests asked for in one statement; SQLite allows 32,766 parameters, older builds 999.
_BATCH = 500
#: What the column of an image's size holds at the most.
_LARGEST_SIZE = (1 << 63) - 1


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
        # Asked first, as a missing repository outweighs a bad manifest; and reading the
        # manifest must not hold up other writers.
        self._make_sure_of(key, name, permit)
        actual = _digest(body, digest)
        manifest = parse_manifest(body, media_type)
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if repository.kms_key is not None:
                check_enabled(connection, repository.kms_key)
            return self.put_in(
                connection, repository, manifest, actual, body, tag=tag, permit=permit
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
        existing = find_image(connection, repository, ImageId(digest=digest))
        self._check_tag_is_free(connection, repository, tag, existing, digest)
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

    @staticmethod
    def _check_tag_is_free(
        connection: Connection,
        repository: Repository,
        tag: str | None,
        existing: Image | None,
        digest: str,
    ) -> None:
        name, account = repository.name, repository.key.account
        tagged = None if tag is None else find_image(connection, repository, ImageId(tag=tag))
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


_INSERT_IMAGE, _INSERT_MANIFEST = HotInsert(images), HotWrite(manifests.insert())
_INSERT_LAYER, _INSERT_CHILD = HotWrite(image_layers.insert()), HotWrite(image_children.insert())
_PUT_TAG = HotPut(image_tags)
_IDS = select(images.c.id).where(images.c.repository_id == bindparam("repository_id"))
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
_LAYER_SIZES = HotQuery(
    select(blobs.c.digest, blobs.c.size)
    .join(layers, layers.c.digest == blobs.c.digest)
    .where(
        layers.c.repository_id == bindparam("repository_id"),
        layers.c.digest.in_(bindparam("digests", expanding=True)),
    ),
    expanding="digests",
)


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


def store_image(
    connection: Connection,
    repository: Repository,
    manifest: Manifest,
    digest: str,
    body: bytes,
    now: datetime,
    *,
    partial: bool = False,
) -> Image:
    """Store an image that *repository* does not have, untagged, and return it.

    :param manifest: what *body* says.
    :param partial: whether the repository may lack what it names, which is yet to come.
    :raises LayersNotFound, ReferencedImagesNotFound: the repository lacks what it names.
    """
    size = (
        _size_of_index(connection, repository, manifest, partial=partial)
        if manifest.is_index
        else _stated_size(manifest)
        if partial
        else _size_of_image(connection, repository, manifest)
    )
    values: dict[str, Any] = {
        "repository_id": repository.id,
        "digest": digest,
        "media_type": manifest.media_type,
        "artifact_media_type": manifest.artifact_media_type,
        "size": size,
        "manifest_size": len(body),
        "pushed_at": now,
        "subject_digest": manifest.subject,
        "status": ACTIVE,
        "last_pulled_at": None,
        "last_archived_at": None,
        "last_activated_at": None,
    }
    image = Image(_INSERT_IMAGE.run(connection, values), **values)
    _INSERT_MANIFEST.run(connection, {"image_id": image.id, "body": body})
    _INSERT_LAYER.run_many(
        connection,
        [
            {"image_id": image.id, "digest": layer.digest, "media_type": layer.media_type}
            for layer in manifest.layers
        ],
    )
    _INSERT_CHILD.run_many(
        connection,
        [{"image_id": image.id, "digest": child.digest} for child in manifest.children],
    )
    return image


def activate(connection: Connection, image: Image, now: datetime) -> Image:
    """Bring an archived image back, and return it as it is then."""
    connection.execute(
        update(images).where(images.c.id == image.id).values(status=ACTIVE, last_activated_at=now)
    )
    return replace(image, status=ACTIVE, last_activated_at=now)


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


def _size_of_image(connection: Connection, repository: Repository, manifest: Manifest) -> int:
    """Return the bytes of configuration and layers; every one must be in the repository."""
    sizes: dict[str, int] = {}
    for batch in _batches(manifest.layers):
        parameters = {"repository_id": repository.id, "digests": batch}
        sizes.update(_LAYER_SIZES.all(connection, parameters))
    missing = [layer.digest for layer in manifest.layers if layer.digest not in sizes]
    if missing:
        raise LayersNotFound.for_image(missing, repository.name, repository.key.account)
    return sum(sizes.values())


def _stated_size(manifest: Manifest) -> int:
    """Return the bytes of configuration and layers as the manifest itself has them."""
    sizes = {layer.digest: layer.size for layer in manifest.layers}
    return min(sum(sizes.values()), _LARGEST_SIZE)


def _size_of_index(
    connection: Connection, repository: Repository, manifest: Manifest, *, partial: bool
) -> int:
    """Return the size of the largest child (API reference ``ImageDetail``).

    All must be there, unless it is *partial*.
    """
    sizes: dict[str, int] = {}
    for batch in _batches(manifest.children):
        query = select(images.c.digest, images.c.size).where(
            images.c.repository_id == repository.id, images.c.digest.in_(batch)
        )
        sizes.update((row[0], row[1]) for row in connection.execute(query))
    missing = [child.digest for child in manifest.children if child.digest not in sizes]
    if missing and not partial:
        raise ReferencedImagesNotFound(missing, repository.name, repository.key.account)
    return max(sizes.values(), default=0)


def _batches(descriptors: tuple[Descriptor, ...]) -> list[list[str]]:
    digests = [descriptor.digest for descriptor in descriptors]
    return [digests[start : start + _BATCH] for start in range(0, len(digests), _BATCH)]
