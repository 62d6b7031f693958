"""How replications ended, written down and read (DescribeImageReplicationStatus)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.replication_tables import image_replications
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.errors import ImageNotFound
from ecr_emulator.registry.images import Image, ImageId, find_image
from ecr_emulator.registry.replication_outcomes import Outcome
from ecr_emulator.registry.replication_queue import IN_PROGRESS, Route
from ecr_emulator.registry.replication_source import source_image_id
from ecr_emulator.registry.repository import find_repository

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReplicationStatus:
    """The replication of an image to one destination.

    :ivar status: ``IN_PROGRESS``, ``COMPLETE`` or ``FAILED``.
    :ivar failure_code: why it failed.
    """

    destination: RegistryKey
    status: str
    failure_code: str | None


#: Told of a replication that ended, in the transaction that made it so.
ReplicationHook = Callable[[Connection, Route, str, "str | None", Outcome], None]


class ReplicationLog:
    """The replications of images, kept with the images at their sources.

    :param on_end: told of each that ended.
    """

    def __init__(self, database: Database, on_end: ReplicationHook) -> None:
        self._database = database
        self._on_end = on_end

    def of_image(
        self, key: RegistryKey, name: str, image_id: ImageId
    ) -> tuple[Image, list[ReplicationStatus]]:
        """Return an image and its replications, in the order of their destinations.

        There are none for an image that was pushed before a rule covered its repository.

        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            # Without digest and tag it would be any image.
            named = image_id != ImageId()
            image = find_image(connection, repository, image_id) if named else None
            if image is None:
                raise ImageNotFound(image_id.digest, image_id.tag, name, key.account)
            rows = connection.execute(
                select(image_replications)
                .where(image_replications.c.image_id == image.id)
                .order_by(image_replications.c.account, image_replications.c.region)
            ).all()
        return image, [
            ReplicationStatus(RegistryKey(row.account, row.region), row.status, row.failure_code)
            for row in rows
        ]

    def record(
        self,
        connection: Connection,
        route: Route,
        digest: str,
        tag: str | None,
        outcome: Outcome,
        *,
        push_number: int | None = None,
    ) -> None:
        """Write down how a replication ended, in the transaction that made it so.

        :param tag: the tag that the image was pushed or backfilled with.
        :param push_number: of the push that is replicated; ``None`` for a backfill.
        """
        if outcome.failure_code is not None:
            logger.info(
                "replication of %s (%s) in %s to %s in %s failed: %s",
                digest,
                tag or "untagged",
                route.source.repository_arn(route.repository_name),
                route.destination.account,
                route.destination.region,
                outcome.failure_code,
            )
        if not outcome.is_announced:
            self._on_end(connection, route, digest, tag, outcome)
        row_id = source_image_id(connection, route, digest)
        if row_id is None:
            return
        if push_number is None:
            _record_backfill(connection, row_id, route.destination, outcome)
        else:
            _record_push(connection, row_id, route.destination, outcome, push_number)


def _record_push(
    connection: Connection,
    row_id: int,
    destination: RegistryKey,
    outcome: Outcome,
    push_number: int,
) -> None:
    replications = image_replications.c
    connection.execute(
        update(image_replications)
        .where(
            replications.image_id == row_id,
            replications.account == destination.account,
            replications.region == destination.region,
            # A later push of the same image is under way, and will have the last word.
            replications.push_number == push_number,
        )
        .values(status=outcome.status, failure_code=outcome.failure_code)
    )


def _record_backfill(
    connection: Connection, row_id: int, destination: RegistryKey, outcome: Outcome
) -> None:
    replications = image_replications.c
    query = select(replications.status, replications.push_number).where(
        replications.image_id == row_id,
        replications.account == destination.account,
        replications.region == destination.region,
    )
    row = connection.execute(query).one_or_none()
    if row is not None and row.status == IN_PROGRESS:
        return
    put_row(
        connection,
        image_replications,
        image_id=row_id,
        account=destination.account,
        region=destination.region,
        status=outcome.status,
        failure_code=outcome.failure_code,
        push_number=0 if row is None else row.push_number,
    )
