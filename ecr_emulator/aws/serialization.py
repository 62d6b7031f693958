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
from math import isfinite
from typing import Any

#: Returns a value as JSON. Writing the text at once takes half as long as to build what the
#: model has and let ``json`` write that.
Writer = Callable[[Any], str]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
#: Quotes a string, UTF-8 as it is, as AWS sends it.
_quote: Writer = json.encoder.encode_basestring


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
        return write(answer).encode("utf-8")

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
    labelled = {
        # Most members are strings: what quotes them knows a string itself.
        name: (f"{_quote(name)}:", _quote if writer is _write_string else writer)
        for name, writer in members.items()
    }

    def write(value: Any) -> str:
        if not isinstance(value, dict):
            raise _wrong(value, shape)
        written = []
        for name, item in value.items():
            if item is not None:
                if name not in labelled:
                    raise TypeError(f"{shape} has no member {name!r}")
                label, writer = labelled[name]
                try:
                    written.append(label + writer(item))
                except TypeError:
                    if writer is _quote:
                        raise _wrong(item, "a string") from None
                    raise
        return f"{{{','.join(written)}}}"

    return write


def _list_writer(shape: str, member: Writer) -> Writer:
    def write(value: Any) -> str:
        if not isinstance(value, (list, tuple)):
            raise _wrong(value, shape)
        return f"[{','.join(map(member, value))}]"

    return write


def _map_writer(shape: str, member: Writer) -> Writer:
    def write(value: Any) -> str:
        if not isinstance(value, dict):
            raise _wrong(value, shape)
        items = [(key, item) for key, item in value.items() if item is not None]
        return f"{{{','.join(f'{_write_string(key)}:{member(item)}' for key, item in items)}}}"

    return write


def _write_string(value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(value, "a string")
    return _quote(value)


def _write_integer(value: Any) -> str:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(value, "an integer")
    return str(value)


def _write_boolean(value: Any) -> str:
    if not isinstance(value, bool):
        raise _wrong(value, "a boolean")
    return "true" if value else "false"


def _write_double(value: Any) -> str:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise _wrong(value, "a number")
    if not isfinite(value):
        raise ValueError("Out of range float values are not JSON compliant")
    return repr(float(value))


def _write_timestamp(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise _wrong(value, "an aware datetime")
    # Whole milliseconds first: the quotient then prints with three places at most.
    return repr((value - _EPOCH) // _MILLISECOND / 1000)


def _write_blob(value: Any) -> str:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise _wrong(value, "bytes")
    return f'"{b64encode(value).decode("ascii")}"'


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


def _wrong(value: Any, expected: str) -> TypeError:
    return TypeError(f"a value of {type(value).__name__} where the model has {expected}")
