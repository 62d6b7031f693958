"""How the replication of one image ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.replication_errors import ReplicationRefused

COMPLETE = "COMPLETE"
FAILED = "FAILED"

#: The failure code of a replication that broke off for a reason nobody foresaw (likeliest: the
#: API reference documents no values).
INTERNAL_FAILURE = "InternalFailure"
#: That of a replication to another emulator that does not answer; AWS's common error of the name.
DESTINATION_UNAVAILABLE = "ServiceUnavailable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the replication of one image ended.

    :ivar failure_code: why it failed; ``None`` when it did not.
    :ivar child_failure_codes: why images that an index lists failed, each reason once;
        ``None`` for what is no index.
    :ivar is_announced: whether the destination has told of it already, which is another
        emulator then.
    """

    failure_code: str | None = None
    child_failure_codes: tuple[str, ...] | None = None
    is_announced: bool = False

    @property
    def status(self) -> str:
        """The status as the API names it."""
        return COMPLETE if self.failure_code is None else FAILED


#: Gets the outcome, in the transaction that made it so.
Conclude = Callable[[Connection, Outcome], None]


def failure_code(error: RegistryError) -> str:
    """Return the code under which a refused replication is reported.

    The API documents no values. These are the names of the exceptions that the refused step
    answers, as CloudTrail shows them (user guide, "Private registry permissions").
    """
    if isinstance(error, ReplicationRefused):
        return error.failure_code
    return error.code.removesuffix("Exception")
