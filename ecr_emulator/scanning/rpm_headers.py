"""The headers of installed rpm packages, as rpm's database keeps them.

Source: rpm's manual, "RPM v4 file format", "Header structure" and its table of tags. In the
database a header has no magic of its own: the count of entries, the length of their values, the
entries (tag, type, offset, count), the values; all numbers are big-endian.

The bytes are anybody's: everything is looked up in bounds, and what makes no sense is no package.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_COUNTS = struct.Struct(">II")
_ENTRY = struct.Struct(">IIII")
#: What rpm itself refuses to go beyond.
_MAX_ENTRIES = 0xFFFF
_MAX_TEXT = 200

_NAME, _VERSION, _RELEASE, _EPOCH, _ARCH, _SOURCE = 1000, 1001, 1002, 1003, 1022, 1044
_TEXTS = frozenset({_NAME, _VERSION, _RELEASE, _ARCH, _SOURCE})
_INT32, _STRING, _STRINGS, _I18N_STRING = 4, 6, 8, 9
_TEXT_TYPES = frozenset({_STRING, _STRINGS, _I18N_STRING})


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """An installed package.

    :ivar version: ``version-release``, after ``epoch:`` if it has an epoch.
    :ivar source_name: of the source package that it was built from; empty if it does not say.
    :ivar source_version: in the form of *version*; its epoch is taken to be the package's own,
        for the file's name has none.
    """

    name: str
    version: str
    arch: str
    source_name: str = ""
    source_version: str = ""


def parse_header(data: bytes) -> RpmPackage | None:
    """Return the package that a header describes, or ``None`` for what describes none."""
    if len(data) < _COUNTS.size:
        return None
    count, length = _COUNTS.unpack_from(data)
    values = _COUNTS.size + count * _ENTRY.size
    if not 0 < count <= _MAX_ENTRIES or values + length > len(data):
        return None
    texts: dict[int, str] = {}
    epoch = 0
    for tag, kind, offset, items in _ENTRY.iter_unpack(data[_COUNTS.size : values]):
        if offset >= length or not items:
            continue
        if tag in _TEXTS and kind in _TEXT_TYPES:
            texts.setdefault(tag, _text(data, values + offset, values + length))
        elif tag == _EPOCH and kind == _INT32 and offset + 4 <= length:
            epoch = int.from_bytes(data[values + offset : values + offset + 4], "big")
    name, version, release = (texts.get(tag, "") for tag in (_NAME, _VERSION, _RELEASE))
    if not name or not version:
        return None
    source_name, source_version = _source(texts.get(_SOURCE, ""))
    return RpmPackage(
        name,
        _full_version(epoch, f"{version}-{release}" if release else version),
        texts.get(_ARCH, ""),
        source_name,
        _full_version(epoch, source_version) if source_version else "",
    )


def _text(data: bytes, start: int, end: int) -> str:
    """Return the text at *start*, which ends at a zero byte."""
    piece = data[start : min(start + _MAX_TEXT + 1, end)]
    text, zero, _ = piece.partition(b"\0")
    return text.decode("utf-8", "replace") if zero else ""


def _full_version(epoch: int, version: str) -> str:
    return f"{epoch}:{version}" if epoch else version


def _source(file_name: str) -> tuple[str, str]:
    """Return name and version of a source package: ``openssl-3.0.7-24.el9.src.rpm``."""
    for end in (".src.rpm", ".nosrc.rpm"):
        if file_name.endswith(end):
            parts = file_name[: -len(end)].rsplit("-", 2)
            if len(parts) == 3 and all(parts):
                return parts[0], f"{parts[1]}-{parts[2]}"
    return "", ""
