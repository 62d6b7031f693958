"""What operations answer while tests run: which members and which errors were seen.

``tests/aws/proofs.json`` claims, for each operation, which test sees which member of its answer
and which of its errors. While tests run (:mod:`.sightings_plugin`), each claim is held against
what its
test really sees, so the file cannot say more than is true. What it has to claim follows from the
services' models: :func:`to_be_seen`.

A member is a path through the answer: ``imageDetails[].imageTags[]``, ``severityCounts{}``. Only
what has no members of its own counts. Errors are named as the model names them, their own members
behind a point.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecr_emulator.aws.ecr import operations as ecr_operations
from ecr_emulator.aws.ecr_public import operations as ecr_public_operations
from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.operations import Operations
from tests.aws.strategies import described

PROOFS = Path(__file__).parent.parent / "aws" / "proofs.json"

#: The operations that the doors serve, by service.
SERVED: dict[str, Operations[Any]] = {
    operations.service.name: operations for operations in (ecr_operations, ecr_public_operations)
}

#: An operation by service and name.
OperationKey = tuple[str, str]
#: By operation (``ecr.PutImage``) and test: what the test sees of it.
Proofs = dict[str, dict[str, list[str]]]


def to_be_seen(service: str, operation: str) -> set[str]:
    """Return every member of an operation's answer and every error that its model gives it."""
    model = described(service)
    shapes, operation_model = model["shapes"], model["operations"][operation]
    expected = set(_members(shapes, operation_model["output"]["shape"], ""))
    for error in operation_model["errors"]:
        name = error["shape"]
        expected.add(name)
        expected.update(
            f"{name}.{member}" for member in shapes[name]["members"] if member != "message"
        )
    return expected


def _members(shapes: dict[str, Any], name: str, path: str) -> Iterator[str]:
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        for member, reference in shape["members"].items():
            yield from _members(shapes, reference["shape"], f"{path}.{member}" if path else member)
    elif kind == "list":
        yield from _members(shapes, shape["member"]["shape"], f"{path}[]")
    elif kind == "map":
        yield from _members(shapes, shape["value"]["shape"], f"{path}{{}}")
    else:
        yield path


def _seen_in(service: str, name: str, value: Any, path: str = "") -> Iterator[str]:
    """Yield the members that are in an answer, told by the model: a map is not a structure."""
    shapes = described(service)["shapes"]
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        for member, item in value.items():
            inner = shape["members"][member]["shape"]
            yield from _seen_in(service, inner, item, f"{path}.{member}" if path else member)
    elif kind == "list":
        for item in value:
            yield from _seen_in(service, shape["member"]["shape"], item, f"{path}[]")
    elif kind == "map":
        for item in value.values():
            yield from _seen_in(service, shape["value"]["shape"], item, f"{path}{{}}")
    else:
        yield path


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
                seen.add(error.code)
                seen.update(
                    f"{error.code}.{field}"
                    for field, value in error.fields.items()
                    if value is not None
                )
                raise
            output = self.service.operations[name].output_shape
            seen.update(_seen_in(service, output, json.loads(answer)))
            return answer

        Operations.dispatch = watched  # type: ignore[method-assign]

    def stop(self) -> None:
        """Watch no longer."""
        Operations.dispatch = self._dispatch  # type: ignore[method-assign]

    def take(self) -> dict[OperationKey, set[str]]:
        """Return what was seen since this was last called."""
        seen, self._seen = self._seen, {}
        return seen


def read_proofs() -> Proofs:
    """Return what the tests are claimed to see."""
    proofs: Proofs = json.loads(PROOFS.read_text()) if PROOFS.exists() else {}
    return proofs


def claims_of(proofs: Proofs) -> dict[str, dict[OperationKey, set[str]]]:
    """Return what each test is claimed to see, by test and operation."""
    claims: dict[str, dict[OperationKey, set[str]]] = {}
    for key, by_test in proofs.items():
        service, _, operation = key.partition(".")
        for test, seen in by_test.items():
            claims.setdefault(test, {})[service, operation] = set(seen)
    return claims
