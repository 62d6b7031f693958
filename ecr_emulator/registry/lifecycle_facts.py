"""What lifecycle evaluation needs to know of a repository's images, read from the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, select

from ecr_emulator.db.schema import image_children, image_tags, images
from ecr_emulator.registry.image_deletes import parents_of
from ecr_emulator.registry.images import ACTIVE, ARCHIVED
from ecr_emulator.registry.lifecycle_evaluation import ImageFacts
from ecr_emulator.registry.lifecycle_policy import ARCHIVE, STANDARD

#: An image that is being restored is in neither class: no rule sees it.
_IN_BETWEEN = "activating"
_CLASSES = {ACTIVE: STANDARD, ARCHIVED: ARCHIVE}

_COLUMNS = (
    images.c.digest,
    images.c.pushed_at,
    images.c.status,
    images.c.last_pulled_at,
    images.c.last_activated_at,
    images.c.last_archived_at,
    images.c.subject_digest,
)


def image_facts(
    connection: Connection, repository_id: int, digests: Sequence[str] | None = None
) -> list[ImageFacts]:
    """Return the facts of all images of a repository.

    :param connection: a transaction, so that all of them are of one moment.
    :param digests: only those of these images, of which there must be a few hundred at most.
    """
    query = select(images.c.id, *_COLUMNS).where(images.c.repository_id == repository_id)
    tags_query = select(image_tags.c.image_id, image_tags.c.tag)
    if digests is None:
        rows = connection.execute(query).all()
        tags_query = tags_query.where(image_tags.c.repository_id == repository_id)
        listed = _all_parents(connection, repository_id)
    else:
        rows = connection.execute(query.where(images.c.digest.in_(digests))).all()
        tags_query = tags_query.where(image_tags.c.image_id.in_([row.id for row in rows]))
        listed = parents_of(connection, repository_id, digests)
    tags: dict[int, list[str]] = defaultdict(list)
    for image_id, tag in connection.execute(tags_query):
        tags[image_id].append(tag)
    parents: dict[str, list[str]] = defaultdict(list)
    for child, parent in listed:
        parents[child].append(parent)
    return [
        ImageFacts(
            digest=row.digest,
            pushed_at=row.pushed_at,
            tags=tuple(sorted(tags.get(row.id, ()))),
            storage_class=_CLASSES.get(row.status, _IN_BETWEEN),
            last_pulled_at=row.last_pulled_at,
            last_activated_at=row.last_activated_at,
            last_archived_at=row.last_archived_at,
            referenced_by=tuple(parents.get(row.digest, ())),
            subject=row.subject_digest,
        )
        for row in rows
    ]


def _all_parents(connection: Connection, repository_id: int) -> list[tuple[str, str]]:
    """Return which indexes of a repository list which images, as :func:`.parents_of` does."""
    query = (
        select(image_children.c.digest, images.c.digest)
        .join(images, images.c.id == image_children.c.image_id)
        .where(images.c.repository_id == repository_id)
        .order_by(images.c.id)
    )
    return [(child, parent) for child, parent in connection.execute(query)]
