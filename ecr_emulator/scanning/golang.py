"""Go's modules: what the Go linker wrote into each program about what it was built from.

Source: the documentation and format notes of Go's ``debug/buildinfo``: a magic number at a
multiple of 16, then flags, then at 32 the Go version and the module list as strings with their
lengths before them (Go 1.18 and later). Older programs point to the strings instead; those are
not read.
"""

from __future__ import annotations

from collections.abc import Iterable

from ecr_emulator.scanning.packages import GO, FileContent, FileFacts, PackageList
from ecr_emulator.scanning.tar_stream import Entry

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_ALIGNMENT = 16
_INLINE_STRINGS = 0x2
#: Around the module list, so that it can be found without a header.
_SENTINEL = 16
_MAX_STRING = 4 << 20
_EXECUTABLE_MAGIC = (b"\x7fELF", b"MZ", b"\xcf\xfa\xed\xfe")
#: A program of Go is never smaller.
_MIN_SIZE = 100_000


class GoReader:
    """Reads which modules programs of Go contain."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file may be run and is as large as a program of Go."""
        return bool(entry.mode & 0o111) and entry.size >= _MIN_SIZE

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the modules, and Go's own library as the module ``stdlib``."""
        packages = PackageList(GO, path)
        found = find_build_info(content.chunks())
        if found is None:
            return packages.facts()
        go_version, modules = found
        if go_version.startswith("go"):
            # What follows a space says how that Go was built.
            packages.add("stdlib", go_version[2:].partition(" ")[0])
        dependency: tuple[str, str] | None = None
        for line in modules.split("\n"):
            parts = line.split("\t")
            if parts[0] == "=>" and len(parts) >= 3:
                dependency = (parts[1], parts[2])
                continue
            if dependency is not None:
                packages.add(*dependency)
                dependency = None
            if parts[0] in ("dep", "mod") and len(parts) >= 3:
                dependency = (parts[1], parts[2])
        if dependency is not None:
            packages.add(*dependency)
        return packages.facts()


def find_build_info(chunks: Iterable[bytes]) -> tuple[str, str] | None:
    """Return the Go version and the module list in a program's bytes, if they are there."""
    buffer = b""
    offset = 0
    is_program = False
    for chunk in chunks:
        buffer += chunk
        if not is_program:
            if len(buffer) < _ALIGNMENT:
                continue
            if not buffer.startswith(_EXECUTABLE_MAGIC):
                return None
            is_program = True
        position = buffer.find(_MAGIC)
        while position >= 0:
            if (offset + position) % _ALIGNMENT == 0:
                needed = _needed(buffer, position)
                if needed is None:
                    pass
                elif len(buffer) < needed:
                    # The rest is in the next chunk.
                    break
                else:
                    return _parse(buffer, position)
            position = buffer.find(_MAGIC, position + 1)
        # Without a find, only a magic number that is cut in two may still matter.
        kept = position if position >= 0 else max(0, len(buffer) - len(_MAGIC) + 1)
        buffer, offset = buffer[kept:], offset + kept
    return None


def _needed(buffer: bytes, position: int) -> int | None:
    """Return how long *buffer* must be for what begins at *position*; ``None``: it is nothing."""
    end = position + _HEADER
    if len(buffer) < end:
        return end
    if not buffer[position + len(_MAGIC) + 1] & _INLINE_STRINGS:
        return None
    for _ in range(2):
        if len(buffer) < end + 10:
            return end + 10
        length, end = _varint(buffer, end)
        if length > _MAX_STRING:
            return None
        end += length
    return end


def _parse(buffer: bytes, position: int) -> tuple[str, str]:
    length, start = _varint(buffer, position + _HEADER)
    version = buffer[start : start + length]
    length, start = _varint(buffer, start + length)
    modules = buffer[start : start + length]
    if len(modules) <= 2 * _SENTINEL or modules[-_SENTINEL - 1] != ord("\n"):
        modules = b""
    modules = modules[_SENTINEL:-_SENTINEL]
    return version.decode("utf-8", "replace"), modules.decode("utf-8", "replace")


def _varint(buffer: bytes, position: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first; return it and what follows it."""
    value = shift = 0
    for index in range(position, position + 10):
        byte = buffer[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, index + 1
        shift += 7
    return _MAX_STRING + 1, position + 10
