"""Tar archives read once from front to back, in bounded memory.

The standard library's reader takes the length of a pax header, of a long name or of a sparse
map from the archive and reads that much into memory, and nests a call for each header that
only describes the next; a layer is anybody's bytes. This one knows what layers need: names,
types, sizes and contents of ustar, pax and GNU archives.

Sources: POSIX.1-2017 ``pax`` (ustar and pax interchange formats), GNU tar manual "Basic Tar
Format".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecr_emulator.scanning.compression import Budget
from ecr_emulator.scanning.limits import LayerError

_BLOCK = 512
#: The longest header that describes another: of a thousand paths of the longest kind.
_MAX_EXTENSION = 1 << 20
#: How many such headers may stand before one entry: tools write two or three.
_MAX_EXTENSIONS = 16
_MAX_SIZE = (1 << 62) - 1
_END = bytes(_BLOCK)

_REGULAR = frozenset(b"0\x007")
_LONG_NAME, _LONG_LINK = ord("L"), ord("K")
_PAX, _PAX_OLD, _PAX_GLOBAL = ord("x"), ord("X"), ord("g")
_OLD_SPARSE = ord("S")
#: Entries that have no content, whatever size their headers state.
_WITHOUT_CONTENT = frozenset(b"123456")

REGULAR = "file"
SYMLINK = "symlink"
HARDLINK = "hardlink"
DIRECTORY = "directory"
OTHER = "other"
_KINDS = {ord("1"): HARDLINK, ord("2"): SYMLINK, ord("5"): DIRECTORY}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an archive.

    :ivar name: as the archive has it; bytes that are not UTF-8 as surrogates.
    :ivar kind: one of this module's constants.
    :ivar size: of the content in bytes.
    :ivar mode: the permission bits.
    :ivar link: what a link leads to.
    """

    name: str
    kind: str
    size: int
    mode: int
    link: str


class TarStream:
    """The entries of an archive, one after another; each one's content while it is current.

    :param chunks: the archive's bytes.
    """

    def __init__(self, chunks: Iterator[bytes], budget: Budget) -> None:
        self._chunks = chunks
        self._budget = budget
        self._buffer = b""
        self._position = 0
        #: Of the current entry's content and padding, in bytes.
        self._content = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Entry]:
        """Yield the entries.

        :raises LayerError: the archive is damaged.
        """
        while True:
            self._skip(self._content + self._padding)
            self._content = self._padding = 0
            entry = self._next_entry()
            if entry is None:
                return
            yield entry

    def read(self, size: int) -> bytes:
        """Read up to *size* bytes of the current entry's content; nothing at its end."""
        size = min(size, self._content)
        if size <= 0:
            return b""
        data = self._take(size)
        self._content -= len(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """Yield what was not read of the current entry's content."""
        while data := self.read(1 << 20):
            yield data

    def _next_entry(self) -> Entry | None:
        fields: dict[str, bytes] = {}
        for _ in range(_MAX_EXTENSIONS + 1):
            self._budget.entry()
            header = self._header()
            if header is None:
                return None
            kind = header[156]
            size = _number(header[124:136])
            if kind in (_LONG_NAME, _LONG_LINK):
                text = self._extension(size).rstrip(b"\0")
                fields["path" if kind == _LONG_NAME else "linkpath"] = text
            elif kind in (_PAX, _PAX_OLD):
                fields.update(_pax_records(self._extension(size)))
            elif kind == _PAX_GLOBAL:
                # Nothing that may be said of all entries matters here.
                self._extension(size)
            else:
                return self._entry(header, size, fields)
        raise LayerError("A layer of the image is damaged: its archive has too many headers.")

    def _entry(self, header: bytes, size: int, fields: dict[str, bytes]) -> Entry:
        flag = header[156]
        if "size" in fields:
            size = _decimal(fields["size"])
        if flag in _WITHOUT_CONTENT:
            size = 0
        self._content = size
        self._padding = -size % _BLOCK
        name = fields.get("GNU.sparse.name") or fields.get("path") or _name(header)
        is_sparse = (
            flag == _OLD_SPARSE or "GNU.sparse.major" in fields or ("GNU.sparse.size" in fields)
        )
        if flag == _OLD_SPARSE:
            self._skip_sparse_map(header)
        kind = _KINDS.get(flag, OTHER)
        if flag in _REGULAR and not is_sparse:
            # Archives older than ustar mark a folder by the slash at its name's end alone.
            kind = DIRECTORY if name.endswith(b"/") else REGULAR
        return Entry(
            name=name.decode("utf-8", "surrogateescape"),
            kind=kind,
            size=size,
            mode=_number(header[100:108]) & 0o7777,
            link=fields.get("linkpath", _text(header[157:257])).decode("utf-8", "surrogateescape"),
        )

    def _skip_sparse_map(self, header: bytes) -> None:
        """Pass over the blocks that go on with the map of an old GNU sparse entry."""
        more = header[482]
        while more:
            more = self._take(_BLOCK)[504]

    def _header(self) -> bytes | None:
        """Return the next header, or ``None`` at the archive's end."""
        header = self._take(_BLOCK, at_end=True)
        if not header or header == _END:
            # What follows the end is read too: decompressors check their sums there.
            for _ in self._rest():
                pass
            return None
        if len(header) < _BLOCK:
            raise LayerError("A layer of the image is damaged: its archive ends too early.")
        stated = _number(header[148:156])
        blank = header[:148] + b" " * 8 + header[156:]
        # Some old tools added the bytes up as signed numbers.
        if stated != sum(blank) and stated != sum(blank) - 256 * sum(byte > 127 for byte in blank):
            raise LayerError("A layer of the image is damaged: it is no tar archive.")
        return header

    def _extension(self, size: int) -> bytes:
        """Return the content of a header that describes the next one."""
        if size > _MAX_EXTENSION:
            raise LayerError("A layer of the image is damaged: its archive has too long a header.")
        data = self._take(size)
        self._skip(-size % _BLOCK)
        return data

    def _skip(self, size: int) -> None:
        while size > 0:
            size -= len(self._take(min(size, 1 << 20)))

    def _take(self, size: int, *, at_end: bool = False) -> bytes:
        """Return the next *size* bytes.

        :param at_end: return fewer at the end of the archive instead of raising.
        """
        parts: list[bytes] = []
        wanted = size
        while wanted > 0:
            available = len(self._buffer) - self._position
            if not available:
                self._buffer = next(self._chunks, b"")
                self._position = 0
                if not self._buffer:
                    if at_end:
                        break
                    raise LayerError("A layer of the image is damaged: its archive ends too early.")
                continue
            taken = min(available, wanted)
            parts.append(self._buffer[self._position : self._position + taken])
            self._position += taken
            wanted -= taken
        return b"".join(parts)

    def _rest(self) -> Iterator[bytes]:
        self._buffer = b""
        self._position = 0
        yield from self._chunks


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _name(header: bytes) -> bytes:
    """Return the name in a header; ustar's is in two parts, GNU's second part is not a name."""
    name = _text(header[0:100])
    if header[257:263] == b"ustar\0":
        prefix = _text(header[345:500])
        if prefix:
            return prefix + b"/" + name
    return name


def _number(field: bytes) -> int:
    """Read a number in octal digits or, as GNU tar writes large ones, in base 256."""
    if field[0] & 0x80:
        value = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        if field[0] & 0x40 or value > _MAX_SIZE:
            raise LayerError("A layer of the image is damaged: its archive has an odd number.")
        return value
    digits = _text(field).strip()
    if not digits:
        return 0
    if not all(digit in b"01234567" for digit in digits):
        raise LayerError("A layer of the image is damaged: its archive has an odd number.")
    return int(digits, 8)


def _decimal(field: bytes) -> int:
    if not field.isdigit() or len(field) > 18:
        raise LayerError("A layer of the image is damaged: its archive has an odd number.")
    return int(field)


def _pax_records(data: bytes) -> dict[str, bytes]:
    """Return the records of a pax header: ``<length> <key>=<value>\\n`` each.

    :raises LayerError: they are not of that form.
    """
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data) and data[position] != 0:
        space = data.find(b" ", position, position + 20)
        length = data[position:space] if space > position else b""
        end = position + int(length) if length.isdigit() else 0
        if not space < end <= len(data) or data[end - 1] != ord("\n"):
            raise LayerError("A layer of the image is damaged: its archive has a bad pax header.")
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not equals:
            raise LayerError("A layer of the image is damaged: its archive has a bad pax header.")
        records[key.decode("utf-8", "replace")] = value
        position = end
    return records
