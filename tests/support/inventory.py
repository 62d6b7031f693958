"""What the installed botocore says that the services have, put beside what they had.

``tests/aws/inventory.json`` is what this emulator was made for: each operation with the members
of its input and output, the values that these may have, and its errors. A newer botocore that
brings more of anything is told by name of it (:func:`news`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: By service and operation, what there is: ``input imageIds[].imageTag``, ``error KmsException``,
#: ``output imageScanStatus.status = COMPLETE``.
Inventory = dict[str, dict[str, list[str]]]

INVENTORY = Path(__file__).parent.parent / "aws" / "inventory.json"


def take_inventory(models: Mapping[str, Mapping[str, Any]]) -> Inventory:
    """Return what there is.

    :param models: botocore's ``service-2`` models by service.
    """
    return {
        service: {
            name: sorted(_parts(model["shapes"], operation))
            for name, operation in sorted(model["operations"].items())
        }
        for service, model in models.items()
    }


def _parts(shapes: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[str]:
    for direction in ("input", "output"):
        for path in _paths(shapes, operation[direction]["shape"], ""):
            yield f"{direction} {path}"
    for error in operation["errors"]:
        yield f"error {error['shape']}"
        for path in _paths(shapes, error["shape"], error["shape"]):
            yield f"error {path}"


def _paths(shapes: Mapping[str, Any], name: str, path: str) -> Iterator[str]:
    """Yield the path of each member of a shape, and of each value that a member may have."""
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        for member, reference in shape["members"].items():
            yield from _paths(shapes, reference["shape"], f"{path}.{member}".lstrip("."))
    elif kind == "list":
        yield from _paths(shapes, shape["member"]["shape"], f"{path}[]")
    elif kind == "map":
        yield from _paths(shapes, shape["key"]["shape"], f"{path}{{key}}")
        yield from _paths(shapes, shape["value"]["shape"], f"{path}{{}}")
    else:
        yield path
        for value in shape.get("enum", ()):
            yield f"{path} = {value}"


def read_inventory() -> Inventory:
    """Return what the emulator was made for."""
    inventory: Inventory = json.loads(INVENTORY.read_text())
    return inventory


def news(known: Inventory, found: Inventory) -> list[str]:
    """Return what *found* has and *known* has not, by name: ``ecr.PutImage: input note``."""
    new = []
    for service, operations in found.items():
        for name, parts in operations.items():
            if name not in known.get(service, {}):
                new.append(f"{service}.{name}")
                continue
            new.extend(
                f"{service}.{name}: {part}" for part in parts if part not in known[service][name]
            )
    return new
