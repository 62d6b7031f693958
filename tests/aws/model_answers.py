"""Answers held against the shapes of a service's model: every value of the kind it should be.

botocore's own parser takes almost anything, so this is stricter: no member that the model does
not have, none that it requires missing, and each value within type, enumeration and pattern.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.aws.strategies import described

_SCALARS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "boolean": (bool,),
    "double": (int, float),
    "float": (int, float),
    "timestamp": (int, float),
    "blob": (str,),
}


def wrong_values(service: str, name: str, value: Any, path: str = "") -> Iterator[str]:
    """Yield what is wrong with *value* as a value of the shape *name*."""
    shape = described(service)["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no structure"
            return
        for member in shape.get("required", ()):
            if member not in value:
                yield f"{path}.{member} is missing"
        for member, item in value.items():
            if member not in shape["members"]:
                yield f"{path}.{member} is no member of {name}"
            else:
                inner = shape["members"][member]["shape"]
                yield from wrong_values(service, inner, item, f"{path}.{member}")
    elif kind == "list":
        if not isinstance(value, list):
            yield f"{path}: {value!r} is no list"
            return
        for index, item in enumerate(value):
            inner = shape["member"]["shape"]
            yield from wrong_values(service, inner, item, f"{path}[{index}]")
    elif kind == "map":
        if not isinstance(value, dict):
            yield f"{path}: {value!r} is no map"
            return
        for key, item in value.items():
            yield from wrong_values(service, shape["key"]["shape"], key, f"{path} key {key}")
            yield from wrong_values(service, shape["value"]["shape"], item, f"{path}[{key}]")
    elif not _is_scalar(value, kind):
        yield f"{path}: {value!r} is no {kind}"
    elif "enum" in shape and value not in shape["enum"]:
        yield f"{path}: {value!r} is none of {name}"
    elif "pattern" in shape and not re.search(shape["pattern"], value):
        yield f"{path}: {value!r} does not match the pattern of {name}"


def _is_scalar(value: Any, kind: str) -> bool:
    if isinstance(value, bool) and kind != "boolean":
        return False
    return isinstance(value, _SCALARS[kind])
