"""The three forms that rpm's database of installed packages has had, read for their headers.

Sources: rpm's manual ("Database backends") and, for the layouts of the files, rpm's ``ndb`` and
Berkeley DB's hash access method as their sources define them.

* SQLite (Fedora, RHEL 9, Amazon Linux 2023): a table ``Packages`` with a column ``blob``;
* ndb (SUSE): slots that tell where in the file the blobs are;
* Berkeley DB (RHEL until 8, Amazon Linux 2): a hash table whose values lie on chains of pages.

The files are anybody's. No header is larger than :data:`MAX_HEADER`, and all headers together are
no more bytes than the file has: what refers to the same bytes again and again ends the reading.
"""

from __future__ import annotations

import sqlite3
import struct
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

#: In bytes; the largest real ones, of kernels, are a few MiB.
MAX_HEADER = 32 * 1024**2

_SQLITE_MAGIC = b"SQLite format 3\0"
#: Steps of SQLite's machine for each byte of the file; reading all of it takes less than one.
_STEPS_PER_BYTE = 1
_STEPS_AT_LEAST = 1_000_000
_STEPS_BETWEEN_LOOKS = 10_000

_NDB_MAGIC = b"RpmP"
_NDB_SLOT = struct.Struct("<4sIII")
_NDB_BLOB = struct.Struct("<4sIII")
_NDB_PAGE = 4096
_NDB_UNIT = 16
#: The file's own head takes the place of the first slots.
_NDB_HEAD = 32

_HASH_MAGIC = 0x00061561
_HASH_META, _OVERFLOW = 8, 7
_HASH_PAGES = frozenset({2, 13})  # unsorted and sorted
_PAGE_HEAD = 26
_KEY_DATA, _OFF_PAGE = 1, 3
_PAGE_SIZES = frozenset(512 << power for power in range(8))


def read_headers(data: bytes | bytearray) -> Generator[bytes, None, None] | None:
    """Return the headers in a database, or ``None`` when it has none of the three forms.

    What is damaged in it ends the headers early.

    :param data: the file's content.
    """
    if data.startswith(_SQLITE_MAGIC):
        return _sqlite(data)
    if data.startswith(_NDB_MAGIC):
        return _ndb(data)
    order = _byte_order(data)
    return None if order is None else _berkeley(data, order)


def _sqlite(data: bytes | bytearray) -> Generator[bytes, None, None]:
    looks = max(_STEPS_AT_LEAST, len(data) * _STEPS_PER_BYTE) // _STEPS_BETWEEN_LOOKS

    def look() -> bool:
        nonlocal looks
        looks -= 1
        return looks < 0

    try:
        with _opened(data) as connection:
            connection.set_progress_handler(look, _STEPS_BETWEEN_LOOKS)
            # A schema may have views and computed columns that say what to do.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.set_authorizer(_only_packages)
            left = len(data)
            query = "SELECT blob FROM Packages WHERE length(blob) <= ?"
            for (blob,) in connection.execute(query, (MAX_HEADER,)):
                if not isinstance(blob, bytes) or len(blob) > left:
                    return
                left -= len(blob)
                yield blob
    # Names in a damaged schema need not be text.
    except (sqlite3.DatabaseError, MemoryError, OverflowError, UnicodeDecodeError):
        return


@contextmanager
def _opened(data: bytes | bytearray) -> Iterator[sqlite3.Connection]:
    """Open a SQLite database that is in memory."""
    if sys.version_info >= (3, 11):
        # A database in memory has no write-ahead log, which rpm leaves empty.
        plain = data[:18] + b"\1\1" + data[20:]
        with closing(sqlite3.connect(":memory:")) as connection:
            connection.deserialize(plain)
            del plain
            yield connection
        return
    with tempfile.NamedTemporaryFile(prefix="ecr-emulator-rpm-") as file:  # pragma: no cover
        file.write(data)
        file.flush()
        # Immutable: no journal is looked for, no lock is taken.
        address = f"{Path(file.name).absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            yield connection


def _only_packages(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Let a statement read the table of packages, and do nothing else."""
    allowed = (
        action == sqlite3.SQLITE_SELECT
        or (action == sqlite3.SQLITE_READ and first == "Packages")
        or (action == sqlite3.SQLITE_FUNCTION and second == "length")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _ndb(data: bytes | bytearray) -> Generator[bytes, None, None]:
    if len(data) < _NDB_HEAD:
        return
    pages = int.from_bytes(data[12:16], "little")
    left = len(data)
    for position in range(_NDB_HEAD, min(pages * _NDB_PAGE, len(data)) - 15, _NDB_SLOT.size):
        magic, index, offset, _ = _NDB_SLOT.unpack_from(data, position)
        start = offset * _NDB_UNIT
        if magic != b"Slot" or not index or start + _NDB_BLOB.size > len(data):
            continue
        blob_magic, blob_index, _, length = _NDB_BLOB.unpack_from(data, start)
        start += _NDB_BLOB.size
        if blob_magic != b"BlbS" or blob_index != index or length > MAX_HEADER:
            continue
        left -= length
        if left < 0:
            return
        yield bytes(data[start : start + length])


def _byte_order(data: bytes | bytearray) -> str | None:
    """Return the byte order of a Berkeley DB hash table, ``None`` for what is none."""
    if len(data) < 72 or data[25] != _HASH_META:
        return None
    for order in ("<", ">"):
        (magic,) = struct.unpack_from(f"{order}I", data, 12)
        if magic == _HASH_MAGIC:
            return order
    return None


def _berkeley(data: bytes | bytearray, order: str) -> Generator[bytes, None, None]:
    (size,) = struct.unpack_from(f"{order}I", data, 20)
    if size in _PAGE_SIZES:
        yield from _HashTable(data, size, order).values()


class _HashTable:
    """The pages of a Berkeley DB hash table.

    A page's head has the page's number at 8, the next page's at 16, its count of items at 20,
    an offset at 22 (the bytes of an overflow page) and its type at 25.
    """

    def __init__(self, data: bytes | bytearray, page_size: int, order: str) -> None:
        self._data = data
        self._size = page_size
        self._head = struct.Struct(f"{order}16xIHHBB")
        self._off_page = struct.Struct(f"{order}4xII")
        self._order = order
        #: Each real page belongs to one value.
        self._pages_left = len(data) // page_size

    def values(self) -> Iterator[bytes]:
        """Yield the values of the table."""
        for start in range(0, len(self._data) - self._size + 1, self._size):
            _, items, _, _, kind = self._head.unpack_from(self._data, start)
            if kind in _HASH_PAGES and _PAGE_HEAD + 2 * items <= self._size:
                yield from self._values_of(start, items)

    def _values_of(self, page: int, items: int) -> Iterator[bytes]:
        offsets = struct.unpack_from(f"{self._order}{items}H", self._data, page + _PAGE_HEAD)
        # Keys and values in turn; each item ends where the one before it begins.
        for number in range(1, items, 2):
            start, end = offsets[number], offsets[number - 1]
            if not _PAGE_HEAD <= start < end <= self._size:
                continue
            kind = self._data[page + start]
            if kind == _KEY_DATA:
                yield bytes(self._data[page + start + 1 : page + end])
            elif kind == _OFF_PAGE and end - start >= self._off_page.size:
                first, length = self._off_page.unpack_from(self._data, page + start)
                if length <= MAX_HEADER:
                    yield self._chain(first, length)

    def _chain(self, number: int, length: int) -> bytes:
        """Return what lies on the overflow pages from page *number* on."""
        parts: list[bytes | bytearray] = []
        found = 0
        while number and found < length and self._pages_left:
            self._pages_left -= 1
            start = number * self._size
            if start + self._size > len(self._data):
                break
            number, _, used, _, kind = self._head.unpack_from(self._data, start)
            if kind != _OVERFLOW or used > self._size - _PAGE_HEAD:
                break
            parts.append(self._data[start + _PAGE_HEAD : start + _PAGE_HEAD + used])
            found += used
        return b"".join(parts)[:length]
