"""Archives read as streams: what tools write, and what only an attacker would.

The standard library's writer says what is in an archive; ours must read the same out of it.
"""

from __future__ import annotations

import contextlib
import io
import struct
import tarfile
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning.compression import Budget
from ecr_emulator.scanning.limits import LayerError, Limits, TooLarge
from ecr_emulator.scanning.tar_stream import Entry, TarStream

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
MIB = 1024**2

_KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.FIFOTYPE: "other",
}


def chunks_of(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def read(
    data: bytes, *, chunk: int = 1000, limits: Limits | None = None
) -> list[tuple[Entry, bytes]]:
    stream = TarStream(chunks_of(data, chunk), Budget(limits or Limits()))
    return [(entry, b"".join(stream.chunks())) for entry in stream]


def header(
    name: bytes = b"a",
    kind: bytes = b"0",
    size: bytes = b"00000000000\0",
    magic: bytes = b"ustar\0",
) -> bytes:
    """Return a header with a good checksum, whatever else is in it."""
    block = bytearray(512)
    block[0 : len(name)] = name
    block[100:108] = b"0000644\0"
    block[124 : 124 + len(size)] = size
    block[156:157] = kind
    block[257:263] = magic
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/", exclude_categories=("Cs",)),
    min_size=1,
    max_size=90,
)
_PATHS = st.lists(_NAMES, min_size=1, max_size=4).map("/".join)


@st.composite
def archives(draw: st.DrawFn) -> tuple[bytes, list[tuple[tarfile.TarInfo, bytes]]]:
    written: list[tuple[tarfile.TarInfo, bytes]] = []
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=draw(st.sampled_from(FORMATS[1:]))) as tar:
        for _ in range(draw(st.integers(0, 5))):
            info = tarfile.TarInfo(draw(_PATHS))
            info.type = draw(st.sampled_from(list(_KINDS)))
            info.mode = draw(st.integers(0, 0o7777))
            info.uid = draw(st.sampled_from([0, 1000, 2**31]))
            content = b""
            if info.type == tarfile.REGTYPE:
                content = draw(st.binary(max_size=2000))
                info.size = len(content)
            elif info.type in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                info.linkname = draw(_PATHS)
            tar.addfile(info, io.BytesIO(content))
            written.append((info, content))
    return stream.getvalue(), written


@given(archives(), st.integers(1, 3000))
def test_as_the_standard_library_writes(
    made: tuple[bytes, list[tuple[tarfile.TarInfo, bytes]]], chunk: int
) -> None:
    data, written = made
    got = read(data, chunk=chunk)
    assert [
        (entry.name.rstrip("/"), entry.kind, entry.size, entry.mode, entry.link, content)
        for entry, content in got
    ] == [
        (info.name.rstrip("/"), _KINDS[info.type], info.size, info.mode, info.linkname, content)
        for info, content in written
    ]


@given(archives(), st.data())
def test_content_may_be_passed_over(
    made: tuple[bytes, list[tuple[tarfile.TarInfo, bytes]]], data: st.DataObject
) -> None:
    archive, written = made
    stream = TarStream(chunks_of(archive, 700), Budget(Limits()))
    for entry, (_, content) in zip(stream, written, strict=True):
        part = data.draw(st.integers(0, entry.size))
        assert stream.read(part) == content[:part]


@pytest.mark.parametrize("format", FORMATS)
def test_long_names(format: int) -> None:
    name = "/".join(["folder" * 5] * 4) + "/file"
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        info = tarfile.TarInfo(name)
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    ((entry, content),) = read(stream.getvalue())
    assert (entry.name, content) == (name, b"abc")


def test_numbers_in_base_256() -> None:
    block = header(size=b"\x80" + (5).to_bytes(11, "big"))
    ((entry, content),) = read(block + b"12345".ljust(512, b"\0") + bytes(1024))
    assert (entry.size, content) == (5, b"12345")


def test_old_sparse_entries_are_no_files() -> None:
    block = bytearray(header(name=b"s", kind=b"S", size=b"00000000005\0", magic=b"ustar "))
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = bytes(504) + b"\1" + bytes(7)
    last = bytes(512)
    data = bytes(block) + more + last + b"12345".ljust(512, b"\0") + header(b"b") + bytes(1024)
    assert [(entry.name, entry.kind) for entry, _ in read(data)] == [("s", "other"), ("b", "file")]


def test_no_end_mark() -> None:
    assert [entry.name for entry, _ in read(header(b"a"))] == ["a"]
    assert read(b"") == []


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 512,
        header()[:300],
        header(size=b"00000001000\0") + b"short",
        header(size=b"notoctal000\0"),
        header(size=b"\xff" * 12),
        header(size=b"\x80" + b"\x7f" * 11),
        # A description of the next entry that is never followed by one, or too long.
        header(kind=b"x", size=b"00000000010\0") + b"8 a=b\n".ljust(512, b"\0"),
        header(kind=b"x", size=b"77777777777\0"),
        header(kind=b"L", size=b"77777777777\0"),
        header(kind=b"g", size=b"77777777777\0"),
        header(kind=b"x", size=b"00000000006\0") + b"99 a=b".ljust(512, b"\0"),
        header(kind=b"x", size=b"00000000006\0") + b"6 abc\n".ljust(512, b"\0"),
        header(kind=b"x", size=b"00000000006\0") + b"-6 a=\n".ljust(512, b"\0"),
        # Ever more descriptions.
        (header(kind=b"x", size=b"00000000006\0") + b"6 a=b\n".ljust(512, b"\0")) * 100,
        (header(kind=b"L", size=b"00000000002\0") + b"ab".ljust(512, b"\0")) * 5000,
        header(kind=b"x", size=b"00000000012\0")
        + b"10 size=x\n".ljust(512, b"\0")
        + header()
        + bytes(1024),
    ],
)
def test_damaged(data: bytes) -> None:
    with pytest.raises(LayerError):
        read(data)


@given(st.binary(max_size=4000))
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(LayerError):
        read(data)


@given(archives(), st.data())
def test_changed_bytes(
    made: tuple[bytes, list[tuple[tarfile.TarInfo, bytes]]], data: st.DataObject
) -> None:
    archive = bytearray(made[0])
    for _ in range(data.draw(st.integers(1, 5))):
        archive[data.draw(st.integers(0, len(archive) - 1))] = data.draw(st.integers(0, 255))
    # Make the sums good again, so that more than they are tried.
    for start in range(0, len(archive) - 512, 512):
        if archive[start + 257 : start + 262] == b"ustar":
            archive[start + 148 : start + 156] = b" " * 8
            total = sum(archive[start : start + 512])
            archive[start + 148 : start + 156] = b"%06o\0 " % total
    with contextlib.suppress(LayerError):
        read(bytes(archive))


def test_entries_are_bounded() -> None:
    with pytest.raises(TooLarge):
        read(header() * 11 + bytes(1024), limits=Limits(entries=10))


def test_memory_is_bounded() -> None:
    """Sizes that headers claim cost nothing; nor do long chains of sparse maps."""
    sparse = bytearray(header(kind=b"S", size=b"00000000000\0", magic=b"ustar "))
    sparse[482] = 1
    sparse[148:156] = b" " * 8
    sparse[148:156] = b"%06o\0 " % sum(sparse)

    def endless() -> Iterator[bytes]:
        yield bytes(sparse)
        for _ in range(100):
            yield (bytes(504) + b"\1" + bytes(7)) * 2048

    tracemalloc.start()
    try:
        with pytest.raises(LayerError):
            list(TarStream(endless(), Budget(Limits())))
        claims = header(size=struct.pack(">B", 0x80) + (1 << 50).to_bytes(11, "big"))
        with pytest.raises(LayerError):
            read(claims + bytes(512))
        assert tracemalloc.get_traced_memory()[1] < 8 * MIB
    finally:
        tracemalloc.stop()
