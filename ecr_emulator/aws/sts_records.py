"""Calls of STS as CloudTrail records them: without the secrets that they hand out.

Source: IAM user guide, "Logging IAM and AWS STS API calls with AWS CloudTrail" (sample entries).
CloudTrail itself writes session tokens down; here no record holds what somebody could use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from botocore.model import OperationModel

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.sigv4 import Authenticated
from ecr_emulator.auth.user_identity import user_identity
from ecr_emulator.policy.context import Origin
from ecr_emulator.registry.api_calls import INTERNAL_FAILURE, STS, ApiCall, ApiCalls

from .query import QueryError

_SECRET = frozenset({"SecretAccessKey", "SessionToken", "TokenCode"})


class CallRecord:
    """What becomes known of a call while it is answered.

    :ivar values: its input, once that could be read.
    :ivar output: its answer, if it was not refused.
    """

    def __init__(
        self, operation: OperationModel, caller: Authenticated, origin: Origin, request_id: str
    ) -> None:
        self._name = operation.name
        self._caller = caller
        self._origin = origin
        self._request_id = request_id
        self.values: Mapping[str, Any] | None = None
        self.output: Mapping[str, Any] | None = None

    @contextmanager
    def written_to(self, calls: ApiCalls) -> Iterator[None]:
        """Write the call down after the block, whichever way that ends, if calls are wanted."""
        error: tuple[str, str | None] | None = INTERNAL_FAILURE
        try:
            yield
            error = None
        except QueryError as refusal:
            error = refusal.code, refusal.message
            raise
        finally:
            if calls.enabled:
                calls.record(self._call(error))

    def _call(self, error: tuple[str, str | None] | None) -> ApiCall:
        principal = self._caller.principal
        return ApiCall(
            key=RegistryKey(principal.account, self._caller.region),
            name=self._name,
            identity=user_identity(principal),
            source_ip=self._origin.source_ip,
            user_agent=self._origin.user_agent,
            parameters=None if self.values is None else _shown(self.values),
            # Who one is, is in no record of its own.
            answer=None
            if self.output is None or self._name == "GetCallerIdentity"
            else _shown(self.output),
            error=error,
            service=STS,
            request_id=self._request_id,
        )


def _shown(value: Any) -> Any:
    """Return *value* in CloudTrail's spelling, without what is secret."""
    if isinstance(value, Mapping):
        return {
            f"{name[0].lower()}{name[1:]}": _shown(member)
            for name, member in value.items()
            if name not in _SECRET
        }
    if isinstance(value, (list, tuple)):
        return [_shown(item) for item in value]
    if isinstance(value, datetime):
        # As CloudTrail has it: Nov 23, 2026, 4:05:06 PM.
        hour = value.hour % 12 or 12
        return f"{value:%b} {value.day}, {value:%Y}, {hour}:{value:%M:%S %p}"
    return value
