"""Previews of lifecycle policies: what a policy would do to a repository, and nothing done.

Sources: API reference ``StartLifecyclePolicyPreview``, ``GetLifecyclePolicyPreview``. A
preview lists what a run does, the referrers that follow their subject included.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, Text, cast, delete, insert, or_, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.lifecycle_tables import lifecycle_preview_results, lifecycle_previews
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import add_job
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.job_targets import find_job_target, job_target
from ecr_emulator.registry.lifecycle_errors import (
    LifecyclePolicyPreviewInProgress,
    LifecyclePolicyPreviewNotFound,
)
from ecr_emulator.registry.lifecycle_evaluation import (
    AffectedImage,
    FollowingReferrer,
    ImageFacts,
    evaluate,
)
from ecr_emulator.registry.lifecycle_facts import image_facts
from ecr_emulator.registry.lifecycle_policies import check_lifecycle_policy, policy_of
from ecr_emulator.registry.lifecycle_policy import EXPIRE, TRANSITION, parse_lifecycle_policy
from ecr_emulator.registry.repository import find_repository

#: The kind of job that makes a preview.
PREVIEW_POLICY = "preview-lifecycle-policy"

IN_PROGRESS = "IN_PROGRESS"
COMPLETE = "COMPLETE"
FAILED = "FAILED"

TAGGED = "TAGGED"
UNTAGGED = "UNTAGGED"

#: A preview that takes longer has failed: its job was given up.
_LONGEST = timedelta(hours=1)

#: Results written with one statement.
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class LifecyclePreview:
    """A repository's last preview.

    :ivar text: the policy, to the byte as it was submitted.
    :ivar expiring: how many images would be deleted.
    :ivar transitioning: how many would go into the archive.
    """

    repository_id: int
    preview_id: str
    text: str
    status: str
    expiring: int = 0
    transitioning: int = 0


@dataclass(frozen=True, slots=True)
class PreviewResult:
    """What would become of one image; the last members are in the terms of the policy.

    :ivar position: its place in the listing.
    """

    position: int
    digest: str
    tags: tuple[str, ...]
    pushed_at: datetime
    storage_class: str
    rule_priority: int
    action: str
    target_storage_class: str | None


class LifecyclePreviews:
    """The previews of every repository."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def start(self, key: RegistryKey, name: str, text: str | None) -> LifecyclePreview:
        """Begin a preview, which takes the place of the one before.

        :param text: the policy; the repository's own when left out.
        :raises InvalidParameter: *text* is no policy that ECR takes.
        :raises RepositoryNotFound: there is no such repository.
        :raises LifecyclePolicyNotFound: there is neither *text* nor a policy.
        :raises LifecyclePolicyPreviewInProgress: the one before is not complete.
        """
        if text is not None:
            check_lifecycle_policy(text)
        now = self._clock.now()
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if text is None:
                text = policy_of(connection, repository).text
            before = self._find(connection, repository.id)
            if before is not None and before.status == IN_PROGRESS:
                raise LifecyclePolicyPreviewInProgress(name, key.account)
            preview = LifecyclePreview(repository.id, str(uuid.uuid4()), text, IN_PROGRESS)
            _drop_results(connection, repository.id)
            put_row(
                connection,
                lifecycle_previews,
                repository_id=repository.id,
                preview_id=preview.preview_id,
                policy_text=text,
                status=IN_PROGRESS,
                started_at=now,
                expiring=0,
                transitioning=0,
            )
            payload = {**job_target(repository), "preview": preview.preview_id}
            add_job(connection, PREVIEW_POLICY, payload, now)
        return preview

    def get(self, key: RegistryKey, name: str) -> LifecyclePreview:
        """Return a repository's last preview.

        :raises RepositoryNotFound, LifecyclePolicyPreviewNotFound: there is none.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            preview = self._find(connection, repository.id)
        if preview is None:
            raise LifecyclePolicyPreviewNotFound(name, key.account)
        return preview

    def results(
        self,
        preview: LifecyclePreview,
        *,
        image_ids: Collection[ImageId] | None = None,
        tag_status: str | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[PreviewResult]:
        """Return what a preview found, in the order of :class:`.Evaluation`; referrers last.

        :param image_ids: only what is found of these images.
        :param tag_status: only :data:`TAGGED` or :data:`UNTAGGED` images.
        :param after: the position that the page before ended with.
        """
        columns = lifecycle_preview_results.c
        query = (
            select(lifecycle_preview_results)
            .where(columns.repository_id == preview.repository_id, columns.id > after)
            .order_by(columns.id)
            .limit(limit)
        )
        if tag_status in (TAGGED, UNTAGGED):
            query = query.where(columns.is_tagged == (tag_status == TAGGED))
        if image_ids is not None:
            # More than is asked for, as the text of a list of tags may hold a tag's otherwise.
            query = query.where(
                or_(
                    columns.digest.in_([item.digest for item in image_ids if item.digest]),
                    *(
                        cast(columns.tags, Text).contains(f'"{item.tag}"', autoescape=True)
                        for item in image_ids
                        if item.tag and not item.digest
                    ),
                )
            )
        found = [_result(row) for row in self._database.reader().execute(query)]
        if image_ids is None:
            return found
        return [result for result in found if any(_is(result, item) for item in image_ids)]

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs of previews."""
        return {PREVIEW_POLICY: self.make}

    def make(self, payload: dict[str, Any]) -> None:
        """Evaluate the policy of a preview and store what it finds."""
        with self._database.read() as connection:
            preview = self._wanted(connection, payload)
            if preview is None:
                return
            now = self._clock.now()
            facts = {fact.digest: fact for fact in image_facts(connection, preview.repository_id)}
        evaluation = evaluate(parse_lifecycle_policy(preview.text), facts.values(), now)
        found: list[AffectedImage | FollowingReferrer] = [
            *evaluation.results,
            *evaluation.followers,
        ]
        actions = Counter(entry.action for entry in found)
        with self._database.write() as connection:
            if self._wanted(connection, payload, for_update=True) is None:
                return
            for start in range(0, len(found), _BATCH):
                rows = [
                    _row(preview.repository_id, entry, facts[entry.digest])
                    for entry in found[start : start + _BATCH]
                ]
                connection.execute(insert(lifecycle_preview_results), rows)
            connection.execute(
                update(lifecycle_previews)
                .where(lifecycle_previews.c.repository_id == preview.repository_id)
                .values(
                    status=COMPLETE, expiring=actions[EXPIRE], transitioning=actions[TRANSITION]
                )
            )

    def _wanted(
        self, connection: Connection, payload: dict[str, Any], *, for_update: bool = False
    ) -> LifecyclePreview | None:
        """Return the preview that a job is to make, unless it is made or another was begun."""
        repository = find_job_target(connection, payload, for_update=for_update)
        preview = None if repository is None else self._find(connection, repository.id)
        if preview is None or preview.preview_id != payload["preview"]:
            return None
        return None if preview.status == COMPLETE else preview

    def _find(self, connection: Connection, repository_id: int) -> LifecyclePreview | None:
        query = select(lifecycle_previews).where(
            lifecycle_previews.c.repository_id == repository_id
        )
        row = connection.execute(query).one_or_none()
        if row is None:
            return None
        has_failed = row.status == IN_PROGRESS and self._clock.now() - row.started_at > _LONGEST
        return LifecyclePreview(
            repository_id=repository_id,
            preview_id=row.preview_id,
            text=row.policy_text,
            status=FAILED if has_failed else row.status,
            expiring=row.expiring,
            transitioning=row.transitioning,
        )


def _drop_results(connection: Connection, repository_id: int) -> None:
    connection.execute(
        delete(lifecycle_preview_results).where(
            lifecycle_preview_results.c.repository_id == repository_id
        )
    )


def _row(
    repository_id: int, entry: AffectedImage | FollowingReferrer, facts: ImageFacts
) -> dict[str, Any]:
    return {
        "repository_id": repository_id,
        "digest": entry.digest,
        "tags": list(facts.tags),
        "is_tagged": bool(facts.tags),
        "pushed_at": facts.pushed_at,
        "storage_class": facts.storage_class,
        "rule_priority": entry.rule_priority,
        "action": entry.action,
        "target_storage_class": entry.target_storage_class,
    }


def _result(row: Row[Any]) -> PreviewResult:
    return PreviewResult(
        position=row.id,
        digest=row.digest,
        tags=tuple(row.tags),
        pushed_at=row.pushed_at,
        storage_class=row.storage_class,
        rule_priority=row.rule_priority,
        action=row.action,
        target_storage_class=row.target_storage_class,
    )


def _is(result: PreviewResult, image_id: ImageId) -> bool:
    """Say whether *image_id* names the image of a result."""
    if image_id == ImageId():
        return False
    return image_id.digest in (None, result.digest) and (
        image_id.tag is None or image_id.tag in result.tags
    )
