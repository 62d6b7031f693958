"""Java's packages: the coordinates that Maven writes into the archives it makes.

Archives in archives are looked into as well: programs are packed with their libraries so.
Source: Apache Maven Archiver, ``META-INF/maven/<group>/<artifact>/pom.properties``.
"""

from __future__ import annotations

import io
import zipfile
import zlib

from ecr_emulator.scanning.packages import JAVA, FileContent, FileFacts, PackageList
from ecr_emulator.scanning.tar_stream import Entry

_ARCHIVES = (".jar", ".war", ".ear")
_PROPERTIES = "/pom.properties"
_FOLDER = "META-INF/maven/"
_MAX_PROPERTIES = 64 * 1024
_MAX_DEPTH = 2
#: Of archives in one archive, unpacked, in bytes.
_MAX_INNER = 256 * 1024**2
_MAX_MEMBERS = 100_000
#: The largest directory of an archive, in bytes: it is read as a whole, and takes up to ten
#: times as much in memory.
_MAX_DIRECTORY = 8 * 1024**2
_END_RECORD = b"PK\x05\x06"
_END_RECORD_SIZE = 22
_MAX_COMMENT = 65_535


class JavaReader:
    """Reads which libraries Java's archives are or contain."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file is one of Java's archives."""
        return path.endswith(_ARCHIVES)

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the libraries, as ``group:artifact``."""
        packages = PackageList(JAVA, path)
        data = content.read_all()
        if data is not None:
            _Archives(packages).read(data, 0)
        return packages.facts()


def has_small_directory(data: bytes) -> bool:
    """Say whether the directory at a zip archive's end is of a size that may be read.

    All that may be taken for the record that tells its size must say so.
    """
    position = max(0, len(data) - _END_RECORD_SIZE - _MAX_COMMENT)
    while (position := data.find(_END_RECORD, position)) >= 0:
        # The bound is also below the number that stands for "see the record for large files".
        if int.from_bytes(data[position + 12 : position + 16], "little") > _MAX_DIRECTORY:
            return False
        position += 1
    return True


class _Archives:
    """An archive and those in it, with one bound for all of them."""

    def __init__(self, packages: PackageList) -> None:
        self._packages = packages
        self._left = _MAX_INNER

    def read(self, data: bytes, depth: int) -> None:
        if not has_small_directory(data):
            return
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for member in archive.infolist()[:_MAX_MEMBERS]:
                    self._read_member(archive, member, depth)
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
            # Damaged, encrypted, or packed in a way that Java does not know either.
            return
        except (ValueError, OSError):
            # Offsets that lead nowhere.
            return

    def _read_member(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, depth: int) -> None:
        name = member.filename
        if name.startswith(_FOLDER) and name.endswith(_PROPERTIES):
            with archive.open(member) as stream:
                self._add(stream.read(_MAX_PROPERTIES))
        elif name.endswith(_ARCHIVES) and depth < _MAX_DEPTH and member.file_size <= self._left:
            with archive.open(member) as stream:
                inner = stream.read(self._left + 1)
            self._left -= len(inner)
            if self._left >= 0:
                self.read(inner, depth + 1)

    def _add(self, data: bytes) -> None:
        values: dict[str, str] = {}
        for line in data.decode("utf-8", "replace").split("\n"):
            name, equals, value = line.strip().partition("=")
            if equals and not name.startswith("#"):
                values[name.strip()] = value.strip()
        group, artifact = values.get("groupId", ""), values.get("artifactId", "")
        if group and artifact:
            self._packages.add(f"{group}:{artifact}", values.get("version", ""))
