"""The lifecycle policies of repositories: put, get, delete.

Texts are checked and echoed by :mod:`.lifecycle_policy`; :mod:`.lifecycle` acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.lifecycle_tables import lifecycle_policies
from ecr_emulator.db.upsert import put_row
from ecr_emulator.jobs.queue import add_job
from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.job_targets import job_target
from ecr_emulator.registry.lifecycle_errors import LifecyclePolicyNotFound
from ecr_emulator.registry.lifecycle_policy import (
    InvalidLifecyclePolicy,
    LifecyclePolicy,
    parse_lifecycle_policy,
    render_lifecycle_policy,
)
from ecr_emulator.registry.repository import Repository, find_repository

#: The kind of job that runs a policy once and queues its next run.
RUN_POLICY = "run-lifecycle-policy"

#: From one run of a policy to the next. ECR acts within 24 hours (user guide).
BETWEEN_RUNS = timedelta(hours=1)

_EPOCH_UNIT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class StoredLifecyclePolicy:
    """A repository's policy.

    :ivar text: as ECR echoes it.
    :ivar last_evaluated_at: when it was last run; ``None`` before its first run.
    """

    text: str
    last_evaluated_at: datetime | None


class LifecyclePolicies:
    """The lifecycle policies of every repository."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def put(self, key: RegistryKey, name: str, text: str) -> str:
        """Give a repository the policy *text* in place of the one it has; return ECR's echo.

        :raises InvalidParameter: *text* is no policy that ECR takes.
        :raises RepositoryNotFound: there is no such repository.
        """
        policy = check_lifecycle_policy(text)
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            return store_lifecycle_policy(connection, repository, policy, self._clock.now())

    def get(self, key: RegistryKey, name: str) -> StoredLifecyclePolicy:
        """Return a repository's policy.

        :raises RepositoryNotFound, LifecyclePolicyNotFound: there is none.
        """
        with self._database.read() as connection:
            return policy_of(connection, find_repository(connection, key, name))

    def delete(self, key: RegistryKey, name: str) -> StoredLifecyclePolicy:
        """Remove a repository's policy and return it.

        :raises RepositoryNotFound, LifecyclePolicyNotFound: there is none.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            policy = policy_of(connection, repository)
            connection.execute(
                delete(lifecycle_policies).where(
                    lifecycle_policies.c.repository_id == repository.id
                )
            )
        return policy


def check_lifecycle_policy(text: str) -> LifecyclePolicy:
    """Read a policy that a caller gave.

    :raises InvalidParameter: ECR would not take it.
    """
    try:
        return parse_lifecycle_policy(text)
    except InvalidLifecyclePolicy as error:
        raise InvalidParameter.at("LifecyclePolicyText", error.message) from None


def store_lifecycle_policy(
    connection: Connection, repository: Repository, policy: LifecyclePolicy, now: datetime
) -> str:
    """Give *repository* a policy with the transaction of *connection*; return ECR's echo of it.

    It runs for the first time after :data:`BETWEEN_RUNS`.
    """
    text = render_lifecycle_policy(policy)
    put_row(
        connection,
        lifecycle_policies,
        repository_id=repository.id,
        policy_text=text,
        last_evaluated_at=None,
        next_run_at=now + BETWEEN_RUNS,
    )
    queue_run(connection, repository, now + BETWEEN_RUNS)
    return text


def queue_run(connection: Connection, repository: Repository, at: datetime) -> None:
    """Queue the run of which the policy's row says that it is to be at the time *at*."""
    add_job(connection, RUN_POLICY, {**job_target(repository), "at": run_number(at)}, at)


def run_number(at: datetime) -> int:
    """Return the time of a run in the form in which its job carries it."""
    epoch = datetime(1970, 1, 1, tzinfo=at.tzinfo)
    return (at - epoch) // _EPOCH_UNIT


def policy_of(connection: Connection, repository: Repository) -> StoredLifecyclePolicy:
    """Return the policy of *repository*.

    :raises LifecyclePolicyNotFound: it has none.
    """
    query = select(lifecycle_policies.c.policy_text, lifecycle_policies.c.last_evaluated_at).where(
        lifecycle_policies.c.repository_id == repository.id
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise LifecyclePolicyNotFound(repository.name, repository.key.account)
    return StoredLifecyclePolicy(row.policy_text, row.last_evaluated_at)
