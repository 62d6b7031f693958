"""rpm's databases made by hand, in each of their forms, for machines without rpm."""

from __future__ import annotations

import sqlite3
import struct
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

#: Name, version, release, epoch (``None`` for none) and source package of a package.
Package = tuple[str, str, str, "int | None", str]

#: As a small image of Red Hat's has them.
PACKAGES: Sequence[Package] = (
    ("openssl-libs", "3.0.7", "24.el9", 1, "openssl-3.0.7-24.el9.src.rpm"),
    ("bash", "5.1.8", "9.el9", None, "bash-5.1.8-9.el9.src.rpm"),
    ("gpg-pubkey", "fd431d51", "4ae0493b", None, ""),
)
#: What is read of them: name, version, architecture, source package and its version.
FOUND = [
    ("openssl-libs", "1:3.0.7-24.el9", "x86_64", "openssl", "1:3.0.7-24.el9"),
    ("bash", "5.1.8-9.el9", "x86_64", "bash", "5.1.8-9.el9"),
]

_STRING, _INT32, _I18N, _BIN = 6, 4, 9, 7


def header(package: Package, padding: int = 0) -> bytes:
    """Return a package's header as a database has it.

    :param padding: bytes that it has besides, as of a list of files.
    """
    name, version, release, epoch, source = package
    tags = [
        (1000, _STRING, name.encode() + b"\0"),
        (1001, _STRING, version.encode() + b"\0"),
        (1002, _STRING, release.encode() + b"\0"),
        (1004, _I18N, b"a package\0"),
        (1022, _STRING, b"x86_64\0"),
        (5000, _BIN, bytes(padding)),
    ]
    if source:
        tags.append((1044, _STRING, source.encode() + b"\0"))
    if epoch is not None:
        tags.append((1003, _INT32, struct.pack(">I", epoch)))
    index, values = b"", b""
    for tag, kind, value in sorted(tags):
        if kind == _INT32:
            values += bytes(-len(values) % 4)
        index += struct.pack(">IIII", tag, kind, len(values), 1)
        values += value
    return struct.pack(">II", len(tags), len(values)) + index + values


def sqlite_database(headers: Sequence[bytes]) -> bytes:
    """Return ``rpmdb.sqlite``."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rpmdb.sqlite"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "CREATE TABLE 'Packages' ( hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB )"
            )
            connection.execute("CREATE TABLE 'Name' ( key 'TEXT' NOT NULL, hnum INTEGER )")
            connection.executemany(
                "INSERT INTO Packages (blob) VALUES (?)", [(data,) for data in headers]
            )
        return path.read_bytes()


def ndb_database(headers: Sequence[bytes]) -> bytes:
    """Return ``Packages.db``."""
    slots, blobs = [], b""
    for number, data in enumerate(headers, start=1):
        blob = struct.pack("<4sIII", b"BlbS", number, 1, len(data)) + data
        blob += bytes(-len(blob) % 16) + struct.pack("<III4s", 0, 0, len(data), b"BlbE")
        offset = (4096 + len(blobs)) // 16
        slots.append(struct.pack("<4sIII", b"Slot", number, offset, len(blob) // 16))
        blobs += blob
    head = struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(headers) + 1)
    free = struct.pack("<4sIII", b"Slot", 0, 0, 0)
    page = head + b"".join(slots)
    return page + free * ((4096 - len(page)) // 16) + blobs


def berkeley_database(headers: Sequence[bytes], order: str = "<", size: int = 4096) -> bytes:
    """Return ``Packages``: a hash table with one page of keys, and overflow pages.

    :param order: ``<`` or ``>``, of the machine that wrote it.
    """
    pages = [b"", b""]
    items = []
    for number, data in enumerate(headers, start=1):
        items.append(b"\x01" + struct.pack(f"{order}I", number))
        if len(data) < 200:
            items.append(b"\x01" + data)
            continue
        items.append(struct.pack(f"{order}B3xII", 3, len(pages), len(data)))
        room = size - 26
        pieces = [data[start : start + room] for start in range(0, len(data), room)]
        for piece in pieces:
            following = len(pages) + 1 if piece is not pieces[-1] else 0
            head = struct.pack(f"{order}8xIIIHHBB", len(pages), 0, following, 1, len(piece), 0, 7)
            pages.append((head + piece).ljust(size, b"\0"))
    offsets, content, end = b"", b"", size
    for item in items:
        end -= len(item)
        offsets += struct.pack(f"{order}H", end)
        content = item + content
    head = struct.pack(f"{order}8xIIIHHBB", 1, 0, 0, len(items), end, 0, 13) + offsets
    assert len(head) <= end, "more packages than one page has room for"
    pages[1] = head.ljust(end, b"\0") + content
    meta = struct.pack(f"{order}8xIIIIBBBxI", 0, 0x061561, 9, size, 0, 8, 0, 0)
    pages[0] = meta.ljust(size, b"\0")
    return b"".join(pages)


#: What writes each form, by the file's path in an image.
DATABASES: dict[str, Callable[[Sequence[bytes]], bytes]] = {
    "var/lib/rpm/rpmdb.sqlite": sqlite_database,
    "usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite_database,
    "usr/lib/sysimage/rpm/Packages.db": ndb_database,
    "var/lib/rpm/Packages.db": ndb_database,
    "var/lib/rpm/Packages": berkeley_database,
}
