"""JSON bodies read as an operation's input, by the shapes of its service's model.

:func:`compile_parser` makes, once for each operation, a function from the bytes of a body
to a dict of Python values: strings, ints, bools, floats, bytes, aware datetimes, lists and
dicts. It settles types only; what the values may be is settled by :mod:`.validation`, and
always later, as AWS does it.

The texts of ``SerializationException`` are those that AWS services of the same protocol
were seen to send (Athena in September 2026 and SES v2, Kinesis for blobs); ECR's own were
not seen. With them come these habits of the same readers: null is absence, also in a list;
members that the model does not have are passed over; a fraction for an integer is cut off;
a string may name a boolean; a number out of an integer's range is not an error of form, but
is held to the range for the member's own limits to judge.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import Any, NoReturn

from .errors import AwsError, serialization

Reader = Callable[[Any], Any]

# No input of either service nests deeper than five. Ours is a bound on work, not AWS's.
_MAX_DEPTH = 64
# The largest input (a full replication configuration) holds some 10,000 values; a body of
# many more is only an attack on memory.
_MAX_VALUES = 100_000
# What the JSON readers of Java services refuse as a number too long.
_MAX_NUMBER_LENGTH = 1000
_MAX_ECHO = 100

_RANGES = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}
# Coral's article is "an" for Integer, and for Boolean when it was a string (sic, observed).
_TYPE_NAMES = {"integer": "an Integer", "long": "a Long", "string": "a String"}
_BOOLEAN_WORDS = {
    **dict.fromkeys(("true", "yes", "y", "t", "1"), True),
    **dict.fromkeys(("false", "no", "n", "f", "0"), False),
}
_LONGEST_BOOLEAN_WORD = 5
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

# Texts that have no pattern in the model, and rules of their own whose refusals are AWS's.
_OWN_RULES = {"TagKey", "TagValue", "ImageTag", "ImageDigest"}

_LIST_NOT_EXPECTED = "Start of list found where not expected"
_STRUCTURE_NOT_EXPECTED = "Start of structure or map found where not expected."


def compile_parser(
    shapes: Mapping[str, Any], input_shape: str
) -> Callable[[bytes], dict[str, Any]]:
    """Return the function that reads a body as *input_shape*.

    :param shapes: the model's shapes by name.
    :param input_shape: the name of a structure among them.
    :returns: a function that raises :class:`AwsError` (``SerializationException``) for a
        body that is not JSON, not an object, or has a member of another type than its own.
    :raises ValueError: the model uses a type that this protocol does not have, or an input
        that contains itself.
    """
    read = _compile(shapes, input_shape, ())

    def parse(body: bytes) -> dict[str, Any]:
        document = _load(body)
        if type(document) is list:
            raise serialization(_LIST_NOT_EXPECTED)
        if type(document) is not dict:
            # Observed: also for an empty body, null and a bare string or number.
            raise serialization()
        return read(document)  # type: ignore[no-any-return]

    return parse


def _load(body: bytes) -> Any:
    """Return the JSON document in *body*; bounded in depth, size of numbers and values."""
    _check_structure(body)
    try:
        # Decoded here, because json.loads would guess at UTF-16 and pass over a mark.
        return _DECODER.decode(body.decode("utf-8"))
    except ValueError:
        raise serialization() from None


def _check_structure(body: bytes) -> None:
    """Refuse nesting and numbers of values that would cost memory before they mean anything."""
    opened = body.count(b"{") + body.count(b"[")
    separators = body.count(b",")
    if opened <= _MAX_DEPTH and separators <= _MAX_VALUES:
        return
    # Rare: the signs are mostly in strings, such as an image manifest. Take the strings out.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > 4 * _MAX_VALUES:  # at most a name and a string to a value
        raise serialization()
    outside = b"".join(unescaped.split(b'"')[::2])
    brackets = outside.translate(None, delete=_ALL_BUT_BRACKETS)
    if len(brackets) + outside.count(b",") > _MAX_VALUES:
        raise serialization()
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > _MAX_DEPTH:
        raise serialization()


_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ALL_BUT_BRACKETS = bytes(code for code in range(256) if code not in _STEPS)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _integer(literal: str) -> int:
    _check_number(literal)
    return int(literal)


def _float(literal: str) -> float:
    _check_number(literal)
    return float(literal)


def _check_number(literal: str) -> None:
    if len(literal) > _MAX_NUMBER_LENGTH:
        raise ValueError("a number is too long")


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


# The object hook, because a name that stands twice means different things to different
# readers. Made once: making a decoder takes as long as reading a small body.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_refuse
)


def _compile(shapes: Mapping[str, Any], name: str, outer: tuple[str, ...]) -> Reader:
    if name in outer:
        raise ValueError(f"the shape {name} contains itself")
    shape = shapes[name]
    kind = shape["type"]
    inner = (*outer, name)
    if kind == "structure":
        return _structure_reader(
            {
                member: _compile(shapes, reference["shape"], inner)
                for member, reference in shape["members"].items()
            }
        )
    if kind == "list":
        return _list_reader(_compile(shapes, shape["member"]["shape"], inner))
    if kind == "map":
        return _map_reader(_compile(shapes, shape["value"]["shape"], inner))
    if kind in _RANGES:
        return _integer_reader(kind)
    if kind == "string" and not ("pattern" in shape or "enum" in shape or name in _OWN_RULES):
        return _read_free_text
    try:
        return _SCALAR_READERS[kind]
    except KeyError:
        raise ValueError(f"the shape {name} is of an unknown type: {kind}") from None


def _structure_reader(members: Mapping[str, Reader]) -> Reader:
    reader_of = members.get

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "Expected null")
        found = {}
        for name, item in value.items():
            if item is not None:
                reader = reader_of(name)
                if reader is not None:
                    found[name] = reader(item)
        return found

    return read


def _list_reader(member: Reader) -> Reader:
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise _mismatch(value, "Expected list or null")
        return [member(item) for item in value if item is not None]

    return read


def _map_reader(member: Reader) -> Reader:
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise _mismatch(value, "Expected map or null")
        return {_read_string(key): member(item) for key, item in value.items() if item is not None}

    return read


def _integer_reader(kind: str) -> Reader:
    least, greatest = _RANGES[kind]

    def read(value: Any) -> int:
        if type(value) is float:
            # Past every range, so that infinity has an integer too.
            value = int(max(min(value, 1e300), -1e300))
        elif type(value) is not int:
            raise _mismatch(value, _not_convertible(value, _TYPE_NAMES[kind]))
        held: int = max(least, min(greatest, value))
        return held

    return read


def _read_string(value: Any) -> str:
    if type(value) is not str:
        raise _mismatch(value, _not_convertible(value, "a String"))
    if not value.isascii():
        _check_encodable(value)
    return value


def _read_free_text(value: Any) -> str:
    """Read a text that no pattern and no list of values bounds: a NUL can come this far."""
    text = _read_string(value)
    if "\0" in text:
        # PostgreSQL has no text with a NUL in it, neither to store nor to compare with. What
        # ECR does is not known; as nothing it names or shows can have one, it is no text.
        raise serialization()
    return text


def _check_encodable(text: str) -> None:
    # Half of a surrogate pair, by an escape: no text that could be stored or sent back.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise serialization() from None


def _read_boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is str:
        word = _BOOLEAN_WORDS.get(value[: _LONGEST_BOOLEAN_WORD + 1].lower())
        if word is None:
            raise serialization("STRING_VALUE can not be converted to an Boolean")
        return word
    raise _mismatch(value, _not_convertible(value, "a Boolean"))


def _read_double(value: Any) -> float:
    if type(value) is int:
        return float(max(min(value, 10**300), -(10**300)))
    if type(value) is not float:
        raise _mismatch(value, _not_convertible(value, "a Double"))
    return value


def _read_timestamp(value: Any) -> datetime:
    """Read epoch seconds, to the microsecond; JSON 1.1 has no other form."""
    if type(value) is not int and type(value) is not float:
        raise _mismatch(value, _not_convertible(value, "a Timestamp"))
    try:
        return _EPOCH + timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise serialization() from None


def _read_blob(value: Any) -> bytes:
    if type(value) is not str:
        raise _mismatch(value, _not_convertible(value, "a Blob"))
    try:
        data = b64decode(value, validate=True)
    except (Base64Error, ValueError):
        raise serialization(_blob_refusal(value)) from None
    # The decoder passes over bits past the last byte, and padding past the end.
    if value[-4:] and _tail_is_loose(value):
        raise serialization(_blob_refusal(value))
    return data


_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64 = frozenset(_ALPHABET)


def _tail_is_loose(encoded: str) -> bool:
    """Say whether *encoded*, which decodes, is more than the one way to write its bytes."""
    if len(encoded) % 4:
        return True
    if encoded.endswith("=="):
        return encoded[-3] == "=" or _ALPHABET.index(encoded[-3]) % 16 != 0
    return encoded[-1] == "=" and _ALPHABET.index(encoded[-2]) % 4 != 0


def _blob_refusal(value: str) -> str:
    # Texts as Kinesis sends them, its spelling included; a part is not echoed whole.
    shown = value if len(value) <= _MAX_ECHO else value[:_MAX_ECHO] + "..."
    about = f"'{shown}' can not be converted to a Blob: "
    if len(value) % 4:
        return (
            about + "Base64 encoded length is expected a multiple of 4 bytes "
            f"but found: {len(value)}"
        )
    strange = next((sign for sign in value.rstrip("=") if sign not in _BASE64), None)
    if strange is None and len(value) - len(value.rstrip("=")) > 2:
        strange = "="
    if strange is not None:
        return about + f"Invalid Base64 character: '{strange}'"
    return about + "Invalid last non-pad Base64 character dectected"


_SCALAR_READERS: Mapping[str, Reader] = {
    "string": _read_string,
    "boolean": _read_boolean,
    "double": _read_double,
    "float": _read_double,
    "timestamp": _read_timestamp,
    "blob": _read_blob,
}


def _not_convertible(value: Any, target: str) -> str:
    if type(value) is bool:
        token = "TRUE_VALUE" if value else "FALSE_VALUE"
    else:
        token = "STRING_VALUE" if type(value) is str else "NUMBER_VALUE"
    return f"{token} can not be converted to {target}"


def _mismatch(value: Any, scalar_text: str) -> AwsError:
    """Return the refusal of *value*; *scalar_text* is what to say if it is no list or object."""
    if type(value) is list:
        return serialization(_LIST_NOT_EXPECTED)
    if type(value) is dict:
        return serialization(_STRUCTURE_NOT_EXPECTED)
    return serialization(scalar_text)
