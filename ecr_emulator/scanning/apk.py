"""Alpine's packages: the database of what apk installed.

Source: Alpine wiki "Apk spec", "Installed Database": ``P`` name, ``V`` version, ``A``
architecture, ``o`` origin, the package it is built from.
"""

from __future__ import annotations

from ecr_emulator.scanning.packages import (
    OS,
    FileContent,
    FileFacts,
    PackageList,
    split_paragraphs,
)
from ecr_emulator.scanning.tar_stream import Entry

#: The second is where it is with a merged /usr.
_PATHS = frozenset({"lib/apk/db/installed", "usr/lib/apk/db/installed"})


class ApkReader:
    """Reads what apk installed."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file is apk's database."""
        return path in _PATHS

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the packages that are installed."""
        packages = PackageList(OS, path)
        data = content.read_all()
        if data is None:
            return FileFacts()
        for lines in split_paragraphs(data.decode("utf-8", "replace")):
            fields: dict[str, str] = {}
            for line in lines:
                if line[1:2] == ":" and line[0] in "PVAo":
                    fields.setdefault(line[0], line[2:].strip())
            version = fields.get("V", "")
            packages.add(
                fields.get("P", ""),
                version,
                arch=fields.get("A", ""),
                source_name=fields.get("o", "") or fields.get("P", ""),
                source_version=version,
            )
        return packages.facts(lists_system=True)
