"""Watches what operations are asked and what they answer while tests run: see :mod:`.proofs`."""

from __future__ import annotations

import json
from typing import Any

from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.operations import Operations
from tests.aws.strategies import described
from tests.support.proofs import SERVED, OperationKey, members_of


class Sightings:
    """Watches the operations of this process."""

    def __init__(self) -> None:
        self._seen: dict[OperationKey, set[str]] = {}
        self._dispatch = Operations.dispatch

    def watch(self) -> None:
        """Begin to watch."""
        sightings, dispatch = self, self._dispatch

        def watched(self: Operations[Any], name: str, context: Any, body: bytes) -> bytes:
            service = self.service.name
            if SERVED[service] is not self:
                return dispatch(self, name, context, body)
            seen = sightings._seen.setdefault((service, name), set())
            try:
                answer = dispatch(self, name, context, body)
            except AwsError as error:
                fields = [field for field, value in error.fields.items() if value is not None]
                seen.add(f"error {error.code}")
                seen.update(f"error {error.code}.{field}" for field in fields)
                raise
            except Exception:
                # The door's last resort.
                seen.add("error ServerException")
                raise
            operation, shapes = self.service.operations[name], described(service)["shapes"]
            given = operation.parse(body)
            if given.keys() == set(shapes[operation.input_shape].get("required", ())):
                seen.add("least")
            for direction, shape, value in (
                ("input", operation.input_shape, given),
                ("output", operation.output_shape, json.loads(answer)),
            ):
                seen.update(f"{direction} {path}" for path in members_of(shapes, shape, value))
            return answer

        Operations.dispatch = watched  # type: ignore[method-assign]

    def stop(self) -> None:
        """Watch no longer."""
        Operations.dispatch = self._dispatch  # type: ignore[method-assign]

    def take(self) -> dict[OperationKey, set[str]]:
        """Return what was seen since this was last called."""
        seen, self._seen = self._seen, {}
        return seen
