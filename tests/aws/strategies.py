"""Values made from a service's model: good inputs, good answers, and JSON near the mark."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from botocore.loaders import Loader
from hypothesis import strategies as st

SERVICES = ("ecr", "ecr-public")

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_CENTURY_AND_MORE = 4_000_000_000_000  # milliseconds
#: Not all that JSON can say: a NUL is refused (``parsing.py`` says why).
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@lru_cache
def described(service: str) -> dict[str, Any]:
    """Return the raw model of *service*."""
    return Loader().load_service_model(service, "service-2")


def operation_names() -> list[tuple[str, str]]:
    """Return every operation of every service."""
    return [(service, name) for service in SERVICES for name in described(service)["operations"]]


def shape_name(service: str, operation: str, direction: str) -> str:
    """Return the name of the input's or the output's shape."""
    return described(service)["operations"][operation][direction]["shape"]


@lru_cache
def values(service: str, name: str) -> st.SearchStrategy[Any]:
    """Values that the shape *name* allows, in Python's types (bytes, aware datetimes)."""
    shapes = described(service)["shapes"]
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        required = set(shape.get("required", ()))
        members = {
            member: values(service, reference["shape"])
            for member, reference in shape["members"].items()
        }
        return st.fixed_dictionaries(
            {member: value for member, value in members.items() if member in required},
            optional={member: value for member, value in members.items() if member not in required},
        )
    if kind == "list":
        least = shape.get("min", 0)
        return st.lists(
            values(service, shape["member"]["shape"]), min_size=least, max_size=least + 1
        )
    if kind == "map":
        return st.dictionaries(
            values(service, shape["key"]["shape"]),
            values(service, shape["value"]["shape"]),
            max_size=2,
        )
    if kind == "string":
        return _strings(shape)
    if kind in ("integer", "long"):
        return st.integers(shape.get("min", -(2**31)), shape.get("max", 2**31 - 1))
    return {
        "boolean": st.booleans(),
        "double": st.floats(allow_nan=False, allow_infinity=False),
        "blob": st.binary(max_size=20),
        "timestamp": st.integers(0, _CENTURY_AND_MORE).map(
            lambda milliseconds: _EPOCH + timedelta(milliseconds=milliseconds)
        ),
    }[kind]


def _strings(shape: dict[str, Any]) -> st.SearchStrategy[str]:
    if "enum" in shape:
        return st.sampled_from(shape["enum"])
    least, most = shape.get("min", 0), shape.get("max", 10**9)
    if "pattern" in shape:
        matching = st.from_regex(re.compile(shape["pattern"], re.ASCII), fullmatch=True)
        return matching.filter(lambda text: least <= len(text) <= most and not text.endswith("\n"))
    # Long texts by repeating, or generating them would be all the time there is.
    return _TEXT.map(lambda text: (text + "x" * max(0, least - len(text)))[:most])


# One of these fits each string that an input must have.
_SAMPLES = (
    "app",
    "sha256:" + "0" * 64,
    "12345678-1234-1234-1234-123456789012",
    "123456789012",
    "arn:aws:iam::123456789012:role/app",
    "arn:aws:signer:us-east-1:123456789012:/signing-profiles/app",
    "x" * 100,
)


def least(service: str, name: str) -> Any:
    """Return one value that the shape *name* allows, with nothing in it that it need not have."""
    shape = described(service)["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        return {
            member: least(service, shape["members"][member]["shape"])
            for member in shape.get("required", ())
        }
    if kind == "list":
        return [least(service, shape["member"]["shape"])] * shape.get("min", 0)
    if kind in ("integer", "long"):
        return shape.get("min", 0)
    if kind == "string":
        samples = shape.get("enum", _SAMPLES)
        pattern = re.compile(shape.get("pattern", "(?s:.)*"))
        shortest, longest = shape.get("min", 0), shape.get("max", 10**9)
        return next(
            sample
            for sample in samples
            if shortest <= len(sample) <= longest and pattern.fullmatch(sample)
        )
    return {"boolean": False, "blob": b""}[kind]


def full(service: str, name: str) -> Any:
    """Return one value of the shape *name* that leaves nothing out, at any depth."""
    shape = described(service)["shapes"][name]
    kind = shape["type"]
    if kind == "structure":
        return {
            member: full(service, reference["shape"])
            for member, reference in shape["members"].items()
        }
    if kind == "list":
        return [full(service, shape["member"]["shape"])] * 2
    if kind == "map":
        return {full(service, shape["key"]["shape"]): full(service, shape["value"]["shape"])}
    if "enum" in shape:
        return shape["enum"][-1]
    return {
        "string": "é\n<name>",
        "integer": 2**31 - 1,
        "long": 2**63 - 1,
        "boolean": False,
        "double": 0.1,
        "blob": b"\xff\0",
        "timestamp": _EPOCH + timedelta(milliseconds=1_563_223_656_123),
    }[kind]


def as_json(value: Any) -> Any:
    """Return *value* with its bytes in base64, ready for json.dumps."""
    if isinstance(value, dict):
        return {name: as_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


@lru_cache
def near_json(service: str) -> st.SearchStrategy[Any]:
    """JSON documents whose names are mostly the model's, and whose values may be anything."""
    shapes = described(service)["shapes"].values()
    names = sorted({member for shape in shapes for member in shape.get("members", ())})
    keys = st.sampled_from(names) | st.text(max_size=3)
    scalars = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.sampled_from(
            ["team/app", "123456789012", "latest", "a" * 300, "\ud800", "AAA=", "AAAA"]
        )
    )
    return st.dictionaries(
        keys,
        st.recursive(
            scalars,
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
            max_leaves=12,
        ),
        max_size=8,
    )
