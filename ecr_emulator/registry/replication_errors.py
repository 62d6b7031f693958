"""What can go wrong in replication and its backfills; see :mod:`.errors`."""

from __future__ import annotations

from ecr_emulator.registry.errors import RegistryError


class ReplicationDenied(RegistryError):
    """The destination does not let the source replicate into it."""

    code = "AccessDeniedException"


class ReplicationRefused(RegistryError):
    """The other emulator that holds the destination refuses.

    :ivar failure_code: why, as replication statuses have it.
    """

    def __init__(self, failure_code: str) -> None:
        super().__init__(f"The destination refuses the image: {failure_code}")
        self.failure_code = failure_code


class BackfillNotFound(RegistryError):
    """No backfill of that id in the registry, or it ended more than 90 days ago."""

    code = "ReplicationBackfillNotFoundException"

    def __init__(self, backfill_id: str, account: str) -> None:
        # Likeliest.
        super().__init__(
            f"The replication backfill with id '{backfill_id}' does not exist in the registry "
            f"with id '{account}'"
        )


class BackfillInProgress(RegistryError):
    """Another backfill to the same region has not ended."""

    code = "ReplicationBackfillInProgressException"

    def __init__(self, region: str, account: str) -> None:
        # Likeliest, after the service model's description of the exception.
        super().__init__(
            f"A replication backfill is already in progress for the destination region "
            f"'{region}' in the registry with id '{account}'"
        )


class BackfillInvalidStatus(RegistryError):
    """The backfill has ended, or is about to, and cannot be stopped."""

    code = "ReplicationBackfillInvalidStatusException"

    def __init__(self, backfill_id: str, status: str) -> None:
        # Likeliest, after the service model's description of the exception.
        super().__init__(
            f"The replication backfill with id '{backfill_id}' cannot be stopped because its "
            f"status is '{status}'"
        )
