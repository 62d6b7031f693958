"""Images as they are stored: identity, details and how they are looked up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, select

from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_tags, images
from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.repository import Repository

#: The statuses of an image (API reference ``ImageDetail``): as it was pushed; in the archive;
#: on its way back from there. Only an active image can be pulled.
ACTIVE = "ACTIVE"
ARCHIVED = "ARCHIVED"
ACTIVATING = "ACTIVATING"
#: In a filter: each of them.
ANY_STATUS = "ANY"

#: OCI distribution specification, "Pulling manifests" (<reference> as a tag).
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}\Z")
#: What ECR prints where a tag is none.
_PRINTED_TAG = re.compile(r"[a-zA-Z0-9\-_.]+")


class ImageId(NamedTuple):
    """How a caller names an image: by digest, by tag, or by both."""

    digest: str | None = None
    tag: str | None = None


class Image(NamedTuple):
    """An image, an index or another artifact as it is stored; sizes are in bytes."""

    id: int
    repository_id: int
    digest: str
    media_type: str
    artifact_media_type: str | None
    size: int
    manifest_size: int
    pushed_at: datetime
    last_pulled_at: datetime | None
    subject_digest: str | None
    status: str
    last_archived_at: datetime | None
    last_activated_at: datetime | None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Image:
        """Build an image from a row of its table."""
        return cls._make(row[: len(cls._fields)])


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """An image's manifest as it was pushed.

    :ivar checked_at: when the tag that it was asked for by was last compared with the upstream
        registry's; ``None`` when it is no cached one.
    """

    image: Image
    body: bytes
    checked_at: datetime | None = None


def looks_like_tag(text: str) -> bool:
    """Say whether *text* could be a tag, by the expression that ECR prints.

    It takes more than the registry's grammar (:func:`is_tag`), such as a tag of 300 characters.
    """
    return _PRINTED_TAG.fullmatch(text) is not None


def is_tag(text: str) -> bool:
    """Say whether *text* can be a tag."""
    return _TAG.match(text) is not None


def check_tag(tag: str) -> None:
    """Check a tag that is to be given to an image.

    :raises InvalidParameter: it breaks the registry's grammar.
    """
    if not is_tag(tag):
        # The expression is the one that ECR prints; what it takes is the registry's grammar.
        raise InvalidParameter.at("imageTag", "must satisfy regular expression '[a-zA-Z0-9-_.]+'")


_OF_REPOSITORY = select(images).where(images.c.repository_id == bindparam("repository_id"))
_DIGEST = images.c.digest == bindparam("digest")
_TAGGED = (
    image_tags.c.image_id == images.c.id,
    image_tags.c.repository_id == bindparam("repository_id"),
    image_tags.c.tag == bindparam("tag"),
)
_BY_DIGEST = HotQuery(_OF_REPOSITORY.where(_DIGEST))
_BY_TAG = HotQuery(_OF_REPOSITORY.where(*_TAGGED))
_BY_BOTH = HotQuery(_OF_REPOSITORY.where(_DIGEST, *_TAGGED))
_TAGS = HotQuery(
    select(image_tags.c.image_id, image_tags.c.tag)
    .where(image_tags.c.image_id.in_(bindparam("image_ids", expanding=True)))
    .order_by(image_tags.c.image_id, image_tags.c.tag),
    expanding="image_ids",
)


def find_image(
    where: Connection | Database, repository: Repository, image_id: ImageId
) -> Image | None:
    """Return the image that *image_id* names; digest and tag, if both given, must agree.

    An id with neither names none.
    """
    if image_id.digest is None and image_id.tag is None:
        return None
    parameters = {"repository_id": repository.id}
    if image_id.tag is None:
        query, names = _BY_DIGEST, {"digest": image_id.digest}
    elif image_id.digest is None:
        query, names = _BY_TAG, {"tag": image_id.tag}
    else:
        query, names = _BY_BOTH, {"digest": image_id.digest, "tag": image_id.tag}
    row = query.first(where, {**parameters, **names})
    return None if row is None else Image.from_row(row)


def tags_of_images(connection: Connection, image_ids: list[int]) -> dict[int, list[str]]:
    """Return the tags of several images by the images' row ids, sorted."""
    found: dict[int, list[str]] = {}
    for image_id, tag in _TAGS.all(connection, {"image_ids": image_ids}):
        found.setdefault(image_id, []).append(tag)
    return found


def status_is(status: str) -> list[ColumnElement[bool]]:
    """Return the conditions on an image's row that a filter by status sets."""
    return [] if status == ANY_STATUS else [images.c.status == status]
