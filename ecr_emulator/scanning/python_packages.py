"""Python's packages: the metadata that installers leave beside them.

Sources: Python packaging specifications "Recording installed projects" and "Core metadata".
"""

from __future__ import annotations

from ecr_emulator.scanning.packages import PYTHON, FileContent, FileFacts, PackageList
from ecr_emulator.scanning.tar_stream import Entry

_MAX_LINES = 5000


class PythonReader:
    """Reads which Python projects are installed."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file is a project's metadata, of a wheel or an egg."""
        return path.endswith(
            (".dist-info/METADATA", ".egg-info/PKG-INFO", ".egg-info", "/EGG-INFO/PKG-INFO")
        )

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the project."""
        packages = PackageList(PYTHON, path)
        data = content.read_all()
        name = version = ""
        for line in (data or b"").decode("utf-8", "replace").split("\n")[:_MAX_LINES]:
            if not line.strip():
                # What follows the headers is the description.
                break
            field, _, value = line.partition(":")
            if field.lower() == "name":
                name = name or value.strip()
            elif field.lower() == "version":
                version = version or value.strip()
        packages.add(name, version)
        return packages.facts()
