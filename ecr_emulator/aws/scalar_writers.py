"""Strings, numbers, times and bytes written as JSON; a value of another type is refused."""

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
_MICROSECOND = timedelta(microseconds=1)
#: What stands behind the point of a number of seconds, for each number of milliseconds.
#: To print a float takes longer than all else that is done with a time.
MILLISECONDS = [f"{number:03}".rstrip("0") or "0" for number in range(1000)]

#: Quotes a string, UTF-8 as it is, as AWS sends it; :class:`TypeError` for anything else.
quote: Writer = json.encoder.encode_basestring


def write_string(value: Any) -> str:
    """Write a string."""
    if not isinstance(value, str):
        raise wrong(value, "a string")
    return quote(value)


def write_integer(value: Any) -> str:
    """Write an integer, which a truth value is not."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(value, "an integer")
    return str(value)


def write_boolean(value: Any) -> str:
    """Write a truth value."""
    if not isinstance(value, bool):
        raise wrong(value, "a boolean")
    return "true" if value else "false"


def write_double(value: Any) -> str:
    """Write a number.

    :raises ValueError: JSON does not have it.
    """
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise wrong(value, "a number")
    if not isfinite(value):
        raise ValueError("Out of range float values are not JSON compliant")
    return repr(float(value))


def write_timestamp(value: Any) -> str:
    """Write an aware datetime as seconds since the epoch, in whole milliseconds."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise wrong(value, "an aware datetime")
    since = value - _EPOCH
    if since.days < 0:
        return repr(since // _MICROSECOND // 1000 / 1000)
    return f"{since.days * 86400 + since.seconds}.{MILLISECONDS[since.microseconds // 1000]}"


def write_microseconds(value: Any) -> str:
    """Write microseconds since the epoch as seconds, in whole milliseconds."""
    if type(value) is not int:
        raise wrong(value, "microseconds")
    if value < 0:
        return repr(value // 1000 / 1000)
    return f"{value // 1_000_000}.{MILLISECONDS[value // 1000 % 1000]}"


def write_blob(value: Any) -> str:
    """Write bytes, in base64."""
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise wrong(value, "bytes")
    return f'"{b64encode(value).decode("ascii")}"'


#: By the model's types.
SCALAR_WRITERS: Mapping[str, Writer] = {
    "string": write_string,
    "integer": write_integer,
    "long": write_integer,
    "boolean": write_boolean,
    "double": write_double,
    "float": write_double,
    "timestamp": write_timestamp,
    "blob": write_blob,
}


def wrong(value: Any, expected: str) -> TypeError:
    """Return the error for a value that the model has another type for."""
    return TypeError(f"a value of {type(value).__name__} where the model has {expected}")
