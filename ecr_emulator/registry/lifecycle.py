"""Acting on lifecycle policies: on schedule, on demand, and on the referrers of what went.

Every policy has one queued job, which queues the next before it does anything: whatever
becomes of a run, there will be another. What a run does is what :mod:`.lifecycle_evaluation`
says, and a preview shows just that. It is done in steps, so that other writers get their turn;
an image that changed since the evaluation is left for the next run.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.lifecycle_tables import lifecycle_policies
from ecr_emulator.db.schema import images, repositories
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.image_deletes import ImageDeletes, indexes_listing
from ecr_emulator.registry.images import ACTIVE, ARCHIVED, Image, ImageId, find_image
from ecr_emulator.registry.job_targets import find_job_target, job_target
from ecr_emulator.registry.lifecycle_evaluation import (
    AffectedImage,
    Evaluation,
    FollowingReferrer,
    ImageFacts,
    evaluate,
)
from ecr_emulator.registry.lifecycle_events import PolicyExecution
from ecr_emulator.registry.lifecycle_facts import image_facts
from ecr_emulator.registry.lifecycle_policies import (
    BETWEEN_RUNS,
    RUN_POLICY,
    queue_run,
    run_number,
)
from ecr_emulator.registry.lifecycle_policy import EXPIRE, parse_lifecycle_policy
from ecr_emulator.registry.referrer_queue import FOLLOW_SUBJECTS
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.storage_classes import StorageClasses

logger = logging.getLogger(__name__)

#: Images dealt with in one transaction.
_STEP = 25

_Affected = AffectedImage | FollowingReferrer
ExecutionHook = Callable[[Connection, Repository, PolicyExecution], None]


@dataclass(frozen=True, slots=True)
class LifecycleRun:
    """What one run of a repository's policy did.

    :ivar expired: the digests of the images that it deleted.
    :ivar archived: those of the images that it put into the archive.
    """

    key: RegistryKey
    repository_name: str
    expired: tuple[str, ...]
    archived: tuple[str, ...]


class Lifecycle:
    """Runs the lifecycle policies of every registry.

    :param on_execution: told of each step that did something, in its transaction.
    """

    def __init__(
        self,
        database: Database,
        deletes: ImageDeletes,
        storage_classes: StorageClasses,
        clock: Clock,
        on_execution: ExecutionHook,
    ) -> None:
        self._database = database
        self._deletes = deletes
        self._storage_classes = storage_classes
        self._clock = clock
        self._on_execution = on_execution

    def run(self, key: RegistryKey | None = None) -> list[LifecycleRun]:
        """Run every lifecycle policy now, and return what each run did.

        :param key: only those of this registry.
        """
        query = (
            select(repositories)
            .join(lifecycle_policies, lifecycle_policies.c.repository_id == repositories.c.id)
            .order_by(repositories.c.account, repositories.c.region, repositories.c.name)
        )
        if key is not None:
            query = query.where(
                repositories.c.account == key.account, repositories.c.region == key.region
            )
        found = [Repository.from_row(row) for row in self._database.reader().execute(query)]
        runs = [self._run(repository) for repository in found]
        return [run for run in runs if run is not None]

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the jobs of lifecycle policies."""
        return {RUN_POLICY: self.run_scheduled, FOLLOW_SUBJECTS: self.follow_subjects}

    def run_scheduled(self, payload: dict[str, Any]) -> None:
        """Run the policy of one repository, and queue its next run."""
        with self._database.write() as connection:
            repository = find_job_target(connection, payload, for_update=True)
            if repository is None:
                return
            query = select(lifecycle_policies.c.next_run_at).where(
                lifecycle_policies.c.repository_id == repository.id
            )
            planned = connection.execute(query).scalar()
            if planned is None or run_number(planned) != payload["at"]:
                # The policy was replaced or deleted, or the job is done already.
                return
            following = self._clock.now() + BETWEEN_RUNS
            connection.execute(
                update(lifecycle_policies)
                .where(lifecycle_policies.c.repository_id == repository.id)
                .values(next_run_at=following)
            )
            queue_run(connection, repository, following)
        self._run(repository)

    def _run(self, repository: Repository) -> LifecycleRun | None:
        """Run the policy of *repository*; ``None`` if it has gone, or its policy has."""
        with self._database.read() as connection:
            text = _policy_text(connection, repository.id)
            if text is None:
                return None
            evaluated_at = _evaluated_at(connection, repository.id)
            now = self._clock.now()
            facts = {fact.digest: fact for fact in image_facts(connection, repository.id)}
        policy = parse_lifecycle_policy(text)
        evaluation = evaluate(policy, facts.values(), now)
        expired: list[str] = []
        archived: list[str] = []
        ordered = list(_in_order(evaluation))
        for start in _with_pauses(range(0, len(ordered), _STEP)):
            with self._database.write() as connection:
                held = find_job_target(connection, job_target(repository), for_update=True)
                if held is None or _policy_text(connection, held.id) != text:
                    break
                actions: list[tuple[ImageFacts, int]] = []
                step = ordered[start : start + _STEP]
                digests = [entry.digest for entry in step]
                now_facts = {
                    fact.digest: fact for fact in image_facts(connection, held.id, digests)
                }
                for entry in step:
                    if not _is_unchanged(facts[entry.digest], now_facts.get(entry.digest)):
                        continue
                    if entry.action == EXPIRE:
                        done = self._expire(connection, repository, entry.digest)
                        expired += done
                    else:
                        done = self._archive(connection, repository, entry.digest)
                        archived += done
                    actions += [(facts[digest], entry.rule_priority) for digest in done]
                execution = PolicyExecution(policy, text, actions, now, evaluated_at)
                self._on_execution(connection, repository, execution)
        with self._database.write() as connection:
            connection.execute(
                update(lifecycle_policies)
                .where(
                    lifecycle_policies.c.repository_id == repository.id,
                    lifecycle_policies.c.policy_text == text,
                )
                .values(last_evaluated_at=now)
            )
        if expired or archived:
            logger.info(
                "lifecycle policy of %s: %d images expired, %d archived",
                repository.arn,
                len(expired),
                len(archived),
            )
        return LifecycleRun(repository.key, repository.name, tuple(expired), tuple(archived))

    def _expire(self, connection: Connection, repository: Repository, digest: str) -> list[str]:
        """Delete an image; return its digest, or nothing if an index lists it by now."""
        deleted, _ = self._deletes.delete_in(connection, repository, [ImageId(digest)])
        return [digest] if deleted else []

    def _archive(self, connection: Connection, repository: Repository, digest: str) -> list[str]:
        """Archive an active image; return its digest, or nothing if an index lists it by now."""
        image = find_image(connection, repository, ImageId(digest))
        if image is None or image.status != ACTIVE:
            return []
        if indexes_listing(connection, repository, image, archived=False):
            return []
        self._storage_classes.archive_in(connection, repository, image)
        return [digest]

    def follow_subjects(self, payload: dict[str, Any]) -> None:
        """Do to the referrers of images what was done to these, unless they are back."""
        expire = payload["action"] == EXPIRE
        for subject in payload["subjects"]:
            after = 0
            while True:
                with self._database.write() as connection:
                    repository = find_job_target(connection, payload, for_update=True)
                    if repository is None or _policy_text(connection, repository.id) is None:
                        return
                    if not _has_gone(connection, repository, subject, expire=expire):
                        break
                    referrers = _referrers(connection, repository, subject, after)
                    for referrer in referrers:
                        if expire:
                            self._expire(connection, repository, referrer.digest)
                        else:
                            self._archive(connection, repository, referrer.digest)
                if len(referrers) < _STEP:
                    break
                after = referrers[-1].id


def _with_pauses(steps: Iterable[int]) -> Iterator[int]:
    """Yield *steps*; after each pause for as long as it took, but no longer than a second.

    That is for other writers: with SQLite they try for their turn every tenth of a second, and
    there is no queue in which they would be next.
    """
    for step in steps:
        began = time.monotonic()
        yield step
        time.sleep(min(time.monotonic() - began, 1.0))


def _policy_text(connection: Connection, repository_id: int) -> str | None:
    query = select(lifecycle_policies.c.policy_text).where(
        lifecycle_policies.c.repository_id == repository_id
    )
    text: str | None = connection.execute(query).scalar()
    return text


def _evaluated_at(connection: Connection, repository_id: int) -> datetime | None:
    query = select(lifecycle_policies.c.last_evaluated_at).where(
        lifecycle_policies.c.repository_id == repository_id
    )
    moment: datetime | None = connection.execute(query).scalar()
    return moment


def _in_order(evaluation: Evaluation) -> Iterator[_Affected]:
    """Yield what is to be done, each referrer right after its subject."""
    followers: dict[str, list[FollowingReferrer]] = defaultdict(list)
    for follower in evaluation.followers:
        followers[follower.subject].append(follower)
    for result in evaluation.results:
        pending: list[_Affected] = [result]
        while pending:
            entry = pending.pop()
            yield entry
            pending.extend(reversed(followers.pop(entry.digest, ())))


def _is_unchanged(then: ImageFacts, now: ImageFacts | None) -> bool:
    """Say whether an image is still what was evaluated; its parents are seen to elsewhere."""
    return now is not None and (
        (now.tags, now.storage_class, now.last_pulled_at, now.last_activated_at)
        == (then.tags, then.storage_class, then.last_pulled_at, then.last_activated_at)
    )


def _has_gone(
    connection: Connection, repository: Repository, subject: str, *, expire: bool
) -> bool:
    """Say whether a subject is still gone: deleted, or in the archive."""
    image = find_image(connection, repository, ImageId(subject))
    if expire:
        return image is None
    return image is not None and image.status == ARCHIVED


def _referrers(
    connection: Connection, repository: Repository, subject: str, after: int
) -> Sequence[Image]:
    query = (
        select(images)
        .where(
            images.c.repository_id == repository.id,
            images.c.subject_digest == subject,
            images.c.id > after,
        )
        .order_by(images.c.id)
        .limit(_STEP)
    )
    return [Image.from_row(row) for row in connection.execute(query)]
