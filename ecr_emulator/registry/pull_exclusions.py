"""Pull-time update exclusions: principals whose pulls are not recorded.

Sources: API reference ``RegisterPullTimeUpdateExclusion``; user guide "Pull-time update
exclusions".
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.pull_exclusion_tables import pull_time_update_exclusions
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.registry.errors import LimitExceeded
from ecr_emulator.registry.pull_exclusion_errors import (
    ExclusionAlreadyExists,
    ExclusionNotFound,
)

#: Service model, ``PullTimeUpdateExclusionList``.
EXCLUSIONS_PER_REGISTRY = 100

_ROW = pull_time_update_exclusions.c


class PullExclusions:
    """The pull-time update exclusions of every registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def register(self, key: RegistryKey, principal_arn: str) -> datetime:
        """Exclude a principal; return the time from which it is.

        :param principal_arn: the ARN of an IAM user or role.
        :raises ExclusionAlreadyExists: it is excluded already.
        :raises LimitExceeded: the registry has as many exclusions as it may have.
        """
        now = self._clock.now()
        with self._database.write() as connection:
            is_new = insert_once(
                connection,
                pull_time_update_exclusions,
                account=key.account,
                region=key.region,
                principal_arn=principal_arn,
                created_at=now,
            )
            if not is_new:
                raise ExclusionAlreadyExists(principal_arn, key.account)
            query = select(func.count()).where(_ROW.account == key.account)
            count = connection.execute(query.where(_ROW.region == key.region)).scalar_one()
            if count > EXCLUSIONS_PER_REGISTRY:
                # Likeliest.
                raise LimitExceeded(
                    f"The registry with id '{key.account}' cannot have more than "
                    f"{EXCLUSIONS_PER_REGISTRY} pull time update exclusions"
                )
        return now

    def deregister(self, key: RegistryKey, principal_arn: str) -> None:
        """Record the pulls of a principal again.

        :raises ExclusionNotFound: it is not excluded.
        """
        statement = delete(pull_time_update_exclusions).where(
            _ROW.account == key.account,
            _ROW.region == key.region,
            _ROW.principal_arn == principal_arn,
        )
        with self._database.write() as connection:
            if connection.execute(statement).rowcount == 0:
                raise ExclusionNotFound(principal_arn, key.account)

    def page(self, key: RegistryKey, *, after: str, limit: int) -> list[str]:
        """Return up to *limit* excluded principals in the order of their ARNs.

        :param after: the ARN that the page before ended with; empty for the first page.
        """
        query = (
            select(_ROW.principal_arn)
            .where(
                _ROW.account == key.account, _ROW.region == key.region, _ROW.principal_arn > after
            )
            .order_by(_ROW.principal_arn)
            .limit(limit)
        )
        return list(self._database.reader().execute(query).scalars())


def is_excluded(connection: Connection, key: RegistryKey, caller_arn: str) -> bool:
    """Say whether the pulls of a caller are not to be recorded in the registry *key*.

    :param caller_arn: as STS ``GetCallerIdentity`` tells it. A role is excluded with all its
        sessions, whose ARNs name it without its path.
    """
    if key.is_public:
        return False
    query = select(_ROW.principal_arn).where(_ROW.account == key.account, _ROW.region == key.region)
    excluded = connection.execute(query).scalars().all()
    if caller_arn in excluded:
        return True
    role = _role_of_session(caller_arn)
    return role is not None and any(_role(arn) == role for arn in excluded)


def _role_of_session(arn: str) -> tuple[str, str] | None:
    """Return account and role name of an assumed role's session; ``None`` for all else."""
    parts = arn.split(":", 5)
    if len(parts) < 6 or parts[2] != "sts" or not parts[5].startswith("assumed-role/"):
        return None
    return parts[4], parts[5].split("/")[1]


def _role(arn: str) -> tuple[str, str] | None:
    """Return account and name of an IAM role; ``None`` for a user."""
    parts = arn.split(":", 5)
    if not parts[5].startswith("role/"):
        return None
    return parts[4], parts[5].rpartition("/")[2]
