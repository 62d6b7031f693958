"""An operation's answer written as JSON, by the shapes of its service's model.

:func:`compile_serializer` makes, once for each operation, a function from the dict that the
operation returned to the bytes of the body. A value that the model does not have, or of
another type than the model's, is a mistake in the program and raises.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

Writer = Callable[[Any], Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
# UTF-8 as it is, as AWS sends it. NaN has no form in JSON.
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def compile_serializer(
    shapes: Mapping[str, Any], output_shape: str
) -> Callable[[dict[str, Any]], bytes]:
    """Return the function that writes an answer of the shape *output_shape*.

    :param shapes: the model's shapes by name.
    :param output_shape: the name of a structure among them.
    :returns: a function from the answer's members to the body. Members that are None are
        left out; aware datetimes become epoch seconds with a fraction of milliseconds;
        bytes become base64. It raises :class:`TypeError` for a member that the shape does
        not have, or whose value is not of its type.
    :raises ValueError: the model uses a type that this protocol does not have, or an output
        that contains itself.
    """
    write = _compile(shapes, output_shape, ())

    def serialize(answer: dict[str, Any]) -> bytes:
        return _encode(write(answer)).encode("utf-8")

    return serialize


def _compile(shapes: Mapping[str, Any], name: str, outer: tuple[str, ...]) -> Writer:
    if name in outer:
        raise ValueError(f"the shape {name} contains itself")
    shape = shapes[name]
    kind = shape["type"]
    inner = (*outer, name)
    if kind == "structure":
        return _structure_writer(
            name,
            {
                member: _compile(shapes, reference["shape"], inner)
                for member, reference in shape["members"].items()
            },
        )
    if kind == "list":
        return _list_writer(name, _compile(shapes, shape["member"]["shape"], inner))
    if kind == "map":
        return _map_writer(name, _compile(shapes, shape["value"]["shape"], inner))
    try:
        return _SCALAR_WRITERS[kind]
    except KeyError:
        raise ValueError(f"the shape {name} is of an unknown type: {kind}") from None


def _structure_writer(shape: str, members: Mapping[str, Writer]) -> Writer:
    # Most members are written as they are. Seeing that here instead of in a call for each
    # takes a quarter off a long listing.
    as_it_is = {name: _AS_IT_IS[writer] for name, writer in members.items() if writer in _AS_IT_IS}
    type_as_it_is = as_it_is.get

    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, shape)
        written = {}
        for name, item in value.items():
            if type(item) is type_as_it_is(name):
                written[name] = item
            elif item is not None:
                if name not in members:
                    raise TypeError(f"{shape} has no member {name!r}")
                written[name] = members[name](item)
        return written

    return write


def _list_writer(shape: str, member: Writer) -> Writer:
    def write(value: Any) -> list[Any]:
        if not isinstance(value, (list, tuple)):
            raise _wrong(value, shape)
        return [member(item) for item in value]

    return write


def _map_writer(shape: str, member: Writer) -> Writer:
    def write(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wrong(value, shape)
        return {_write_string(key): member(item) for key, item in value.items() if item is not None}

    return write


def _write_string(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "a string")
    return value


def _write_integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "an integer")
    return value


def _write_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(value, "a boolean")
    return value


def _write_double(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(value, "a number")
    return float(value)


def _write_timestamp(value: Any) -> float:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _wrong(value, "an aware datetime")
    # Whole milliseconds first: the quotient then prints with three places at most.
    return (value - _EPOCH) // _MILLISECOND / 1000


def _write_blob(value: Any) -> str:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _wrong(value, "bytes")
    return b64encode(value).decode("ascii")


_SCALAR_WRITERS: Mapping[str, Writer] = {
    "string": _write_string,
    "integer": _write_integer,
    "long": _write_integer,
    "boolean": _write_boolean,
    "double": _write_double,
    "float": _write_double,
    "timestamp": _write_timestamp,
    "blob": _write_blob,
}

_AS_IT_IS: Mapping[Writer, type] = {
    _write_string: str,
    _write_integer: int,
    _write_boolean: bool,
}


def _wrong(value: Any, expected: str) -> TypeError:
    return TypeError(f"a value of {type(value).__name__} where the model has {expected}")
