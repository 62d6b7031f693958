"""An operation's answer written as JSON, by the shapes of its service's model.

:func:`compile_serializer` makes, once for each operation, a function from the dict that the
operation returned to the bytes of the body. A value that the model does not have, or of
another type than the model's, is a mistake in the program and raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecr_emulator.aws.row_writers import Rows, rows_writer
from ecr_emulator.aws.scalar_writers import SCALAR_WRITERS, Writer, quote, write_string, wrong


def compile_serializer(
    shapes: Mapping[str, Any], output_shape: str
) -> Callable[[dict[str, Any]], bytes]:
    """Return the function that writes an answer of the shape *output_shape*.

    :param shapes: the model's shapes by name.
    :param output_shape: the name of a structure among them.
    :returns: a function from the answer's members to the body. Members that are None are
        left out; aware datetimes become epoch seconds with a fraction of milliseconds;
        bytes become base64. A list of structures may be :class:`.row_writers.Rows`. It raises
        :class:`TypeError` for a member that the shape does not have, or whose value is not of
        its type.
    :raises ValueError: the model uses a type that this protocol does not have, or an output
        that contains itself.
    """
    write = _compile(shapes, output_shape, ())

    def serialize(answer: dict[str, Any]) -> bytes:
        return write(answer).encode("utf-8")

    return serialize


def _compile(shapes: Mapping[str, Any], name: str, outer: tuple[str, ...]) -> Writer:
    inner = _within(name, outer)
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        return _structure_writer(name, _compile_members(shapes, shape, inner))
    if kind == "list":
        member = shape["member"]["shape"]
        if shapes[member]["type"] == "structure":
            members = _compile_members(shapes, shapes[member], _within(member, inner))
            write_structure = _structure_writer(member, members)
            return _list_writer(name, write_structure, rows_writer(member, members))
        write_member = _compile(shapes, member, inner)
        if write_member is write_string:
            return _texts_writer(name)
        return _list_writer(name, write_member)
    if kind == "map":
        return _map_writer(name, _compile(shapes, shape["value"]["shape"], inner))
    try:
        return SCALAR_WRITERS[kind]
    except KeyError:
        raise ValueError(f"the shape {name} is of an unknown type: {kind}") from None


def _within(name: str, outer: tuple[str, ...]) -> tuple[str, ...]:
    if name in outer:
        raise ValueError(f"the shape {name} contains itself")
    return (*outer, name)


def _compile_members(
    shapes: Mapping[str, Any], structure: Mapping[str, Any], inner: tuple[str, ...]
) -> dict[str, Writer]:
    return {
        member: _compile(shapes, reference["shape"], inner)
        for member, reference in structure["members"].items()
    }


def _structure_writer(shape: str, members: Mapping[str, Writer]) -> Writer:
    labelled = {
        # Most members are strings: what quotes them knows a string itself.
        name: (f"{quote(name)}:", quote if writer is write_string else writer)
        for name, writer in members.items()
    }

    def write(value: Any) -> str:
        if not isinstance(value, dict):
            raise wrong(value, shape)
        written = []
        for name, item in value.items():
            if item is not None:
                if name not in labelled:
                    raise TypeError(f"{shape} has no member {name!r}")
                label, writer = labelled[name]
                try:
                    written.append(label + writer(item))
                except TypeError:
                    if writer is quote:
                        raise wrong(item, "a string") from None
                    raise
        return f"{{{','.join(written)}}}"

    return write


def _list_writer(
    shape: str, member: Writer, write_rows: Callable[[Rows], str] | None = None
) -> Writer:
    def write(value: Any) -> str:
        if isinstance(value, (list, tuple)):
            return f"[{','.join(map(member, value))}]"
        if write_rows is not None and isinstance(value, Rows):
            return write_rows(value)
        raise wrong(value, shape)

    return write


def _texts_writer(shape: str) -> Writer:
    def write(value: Any) -> str:
        if not isinstance(value, (list, tuple)):
            raise wrong(value, shape)
        try:
            if len(value) == 1:
                return f"[{quote(value[0])}]"
            return f"[{','.join(map(quote, value))}]"
        except TypeError:
            # One of them is no string; this says so in our words.
            return f"[{','.join(map(write_string, value))}]"

    return write


def _map_writer(shape: str, member: Writer) -> Writer:
    def write(value: Any) -> str:
        if not isinstance(value, dict):
            raise wrong(value, shape)
        items = [(key, item) for key, item in value.items() if item is not None]
        return f"{{{','.join(f'{write_string(key)}:{member(item)}' for key, item in items)}}}"

    return write
