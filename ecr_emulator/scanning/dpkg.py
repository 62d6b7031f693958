"""Debian's packages: dpkg's status file, and the one for each package that distroless images have.

Sources: Debian policy manual, "Control files and their fields" (``Source`` with its version);
dpkg(1), "Package states".
"""

from __future__ import annotations

from ecr_emulator.scanning.packages import (
    OS,
    FileContent,
    FileFacts,
    PackageList,
    file_name,
    split_paragraphs,
)
from ecr_emulator.scanning.tar_stream import Entry

_STATUS = "var/lib/dpkg/status"
_STATUS_FOLDER = "var/lib/dpkg/status.d/"
_FIELDS = frozenset({"package", "version", "architecture", "source", "status"})


class DpkgReader:
    """Reads what dpkg installed."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file is dpkg's status, or one package's."""
        return path == _STATUS or (
            path.startswith(_STATUS_FOLDER) and not file_name(path).endswith(".md5sums")
        )

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the packages that are installed."""
        packages = PackageList(OS, path)
        data = content.read_all()
        if data is None:
            return FileFacts()
        for lines in split_paragraphs(data.decode("utf-8", "replace")):
            fields = _fields(lines)
            # A package of a distroless image has no status.
            if fields.get("status", "installed").split(" ")[-1] != "installed":
                continue
            version = fields.get("version", "")
            source, source_version = _source(fields.get("source", ""))
            packages.add(
                fields.get("package", ""),
                version,
                arch=fields.get("architecture", ""),
                source_name=source or fields.get("package", ""),
                source_version=source_version or version,
            )
        return packages.facts(lists_system=True)


def _fields(lines: list[str]) -> dict[str, str]:
    """Return the first lines of the fields that matter, by their names in small letters."""
    fields: dict[str, str] = {}
    for line in lines:
        if line[0] not in " \t":
            name, _, value = line.partition(":")
            if name.lower() in _FIELDS:
                fields.setdefault(name.lower(), value.strip())
    return fields


def _source(value: str) -> tuple[str, str]:
    """Return the name, and the version if it is another than the package's, of ``Source``."""
    name, _, rest = value.partition(" ")
    version = rest.strip()
    if version.startswith("(") and version.endswith(")"):
        return name, version[1:-1].strip()
    return name, ""
