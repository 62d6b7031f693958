"""What operations are asked and answer while tests run: which members and errors were seen.

``tests/aws/proofs.json`` claims, for each operation, which test sees which member of its input
and of its answer, and which of its errors. While tests run (:mod:`.sightings_plugin`), each claim
is held against what its test really sees, so the file cannot say more than is true. What it has to
claim follows from the services' models: :func:`to_be_seen`.

What is seen has one of these names:

* ``least``: the call with nothing in it but the members that it must have, answered.
* ``input imageIds[].imageTag``: a member, by its path, of a call that was answered. Only what has
  no members of its own counts.
* ``output imageScanFindings.findingSeverityCounts{}``: a member of an answer, likewise.
* ``error KmsException``, ``error KmsException.kmsError``: an error, and a member of it.
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
    """Return every member of an operation's input and answer and every error of its model."""
    model = described(service)
    shapes, operation_model = model["shapes"], model["operations"][operation]
    expected = {"least"}
    for direction in ("input", "output"):
        members = _members(shapes, operation_model[direction]["shape"])
        expected.update(f"{direction} {path}" for path in members)
    for error in operation_model["errors"]:
        name = error["shape"]
        expected.add(f"error {name}")
        expected.update(
            f"error {name}.{member}" for member in shapes[name]["members"] if member != "message"
        )
    return expected


_EVERYTHING: Any = object()


def _members(
    shapes: dict[str, Any], name: str, value: Any = _EVERYTHING, path: str = ""
) -> Iterator[str]:
    """Yield the paths of what has no members of its own, in a shape or in a value of it.

    The model tells what is a member: the keys of a map are not.
    """
    shape = shapes[name]
    kind = shape["type"]
    whole = value is _EVERYTHING
    if kind == "structure":
        for member, reference in shape["members"].items():
            if whole or member in value:
                item = value if whole else value[member]
                inner = f"{path}.{member}".lstrip(".")
                yield from _members(shapes, reference["shape"], item, inner)
    elif kind == "list":
        for item in [value] if whole else value:
            yield from _members(shapes, shape["member"]["shape"], item, f"{path}[]")
    elif kind == "map":
        for item in [value] if whole else value.values():
            yield from _members(shapes, shape["value"]["shape"], item, f"{path}{{}}")
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
                seen.update(f"{direction} {path}" for path in _members(shapes, shape, value))
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
