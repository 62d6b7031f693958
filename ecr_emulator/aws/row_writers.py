"""Long lists of structures: rows of values, written by a function made for their members.

A page of a listing is up to a thousand structures with the same members, half of which (the
registry, the repository, media types, the status) are mostly what the one before had. As dicts
each of them says its members anew, which have to be looked at one by one. As :class:`Rows` they
say them once, and what writes them can be Python made for these members. For a string and an
integer it is::

    def write(rows, append):
        last_0 = None
        text_0 = ""
        for value_0, value_1, in rows:
            if value_0 != last_0:
                last_0 = value_0
                text_0 = "" if value_0 is None else f"{label_0}{<value_0 as JSON>}"
            text_1 = "" if value_1 is None else f"{label_1}{<value_1 as JSON>}"
            append(f"{text_0}{text_1}"[1:])

There is nothing in it but numbered names: labels and other functions come in by those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ecr_emulator.aws.scalar_writers import (
    MILLISECONDS,
    Writer,
    quote,
    write_integer,
    write_microseconds,
    write_string,
    write_timestamp,
)


class Microseconds(NamedTuple):
    """A member that is a time, whose values are microseconds since the epoch, not datetimes."""

    name: str


Member = str | Microseconds


@dataclass(frozen=True, slots=True)
class Rows:
    """A list of structures that have the same members.

    :ivar members: their names. There is a function for each tuple of names ever used, so that
        they are to be written down in the program.
    :ivar rows: of each structure the values in that order; None where it lacks one.
    """

    members: tuple[Member, ...]
    rows: Iterable[tuple[Any, ...]]


#: What writes a value without a call of ours when it is of that very type.
_INLINE: Mapping[Writer, str] = {
    write_string: "quote({value}) if type({value}) is str else {write}({value})",
    write_integer: "{value} if type({value}) is int else {write}({value})",
    write_microseconds: (
        "f'{{{value} // 1000000}}.{{MILLISECONDS[{value} // 1000 % 1000]}}'"
        " if type({value}) is int and {value} >= 0 else {write}({value})"
    ),
}
_CALL = "{write}({value})"

_RunWriter = Callable[[Iterable[tuple[Any, ...]], Callable[[str], None]], None]


def rows_writer(shape: str, members: Mapping[str, Writer]) -> Callable[[Rows], str]:
    """Return the function that writes :class:`Rows` of a structure as a list.

    :param shape: the structure's name.
    :param members: what writes its members, by their names.
    :returns: a function that raises :class:`TypeError` for a member that the shape does not
        have, or whose value is not of its type, and :class:`ValueError` for a row that is
        longer or shorter than the others.
    """
    made: dict[tuple[Member, ...], _RunWriter] = {}

    def write(value: Rows) -> str:
        writer = made.get(value.members)
        if writer is None:
            chosen = [_chosen(shape, members, member) for member in value.members]
            writer = made[value.members] = _made_for(shape, chosen)
        structures: list[str] = []
        writer(value.rows, structures.append)
        return f"[{{{'},{'.join(structures)}}}]" if structures else "[]"

    return write


def _chosen(shape: str, members: Mapping[str, Writer], member: Member) -> tuple[str, Writer]:
    """Return a member's name, and what writes it."""
    name = member if isinstance(member, str) else member.name
    if name not in members:
        raise TypeError(f"{shape} has no member {name!r}")
    if isinstance(member, str):
        return name, members[name]
    if members[name] is not write_timestamp:
        raise TypeError(f"the member {name!r} of {shape} is no time")
    return name, write_microseconds


def _made_for(shape: str, members: Sequence[tuple[str, Writer]]) -> _RunWriter:
    names: dict[str, Any] = {"quote": quote, "MILLISECONDS": MILLISECONDS}
    before, within = [], []
    for number, (member, write_value) in enumerate(members):
        value, text, last, write = (f"{it}_{number}" for it in ("value", "text", "last", "write"))
        names[f"label_{number}"] = f",{quote(member)}:"
        names[write] = write_value
        as_json = _INLINE.get(write_value, _CALL).format(value=value, write=write)
        written = f'{text} = "" if {value} is None else f"{{label_{number}}}{{{as_json}}}"'
        if write_value is write_string:
            before += [f"{last} = None", f'{text} = ""']
            within += [f"if {value} != {last}:", f"    {last} = {value}", f"    {written}"]
        else:
            within.append(written)
    values = "".join(f"value_{number}, " for number in range(len(members)))
    texts = "".join(f"{{text_{number}}}" for number in range(len(members)))
    source = [
        "def write(rows, append):",
        *(f"    {line}" for line in before),
        f"    for {values}in rows:",
        *(f"        {line}" for line in within),
        f'        append(f"{texts}"[1:])',
    ]
    exec(compile("\n".join(source), f"<rows of {shape}>", "exec"), names)  # noqa: S102
    writer: _RunWriter = names["write"]
    return writer
