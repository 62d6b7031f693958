"""``Range``, ``Content-Range`` and conditional headers (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})\Z")
_CONTENT_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]{1,19}|\*))?\Z")


class UnsatisfiableRange(Exception):
    """The range begins behind the last byte, or ends before it begins."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (first byte, number of bytes) that a ``Range`` header asks for.

    :param size: the length of the whole, in bytes.
    :returns: ``None`` when the whole is to be sent: no header, another unit, several ranges.
    :raises UnsatisfiableRange: nothing of the whole lies in the range.
    """
    match = _RANGE.match(header.strip().lower())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise UnsatisfiableRange
        return size - length, length
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    # RFC 9110 lets a server ignore or refuse what ends before it begins; the conformance suite
    # counts only the refusal.
    if start >= size or (last and int(last) < start):
        raise UnsatisfiableRange
    return start, end - start + 1


def parse_content_range(header: str) -> tuple[int, int] | None:
    """Return the inclusive bounds of an upload chunk's ``Content-Range``, or ``None``.

    The OCI specification writes it ``<start>-<end>``; some clients write RFC 9110's form.
    """
    match = _CONTENT_RANGE.match(header.strip())
    if match is None or int(match.group(2)) < int(match.group(1)):
        return None
    return int(match.group(1)), int(match.group(2))


def matches_etag(header: str, etag: str) -> bool:
    """Say whether an ``If-None-Match`` header names *etag* (given without its quotes)."""
    if not header:
        return False
    names = [part.strip().removeprefix("W/").strip('"') for part in header.split(",")]
    return etag in names or names == ["*"]
