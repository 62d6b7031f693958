"""The operating system, by its ``os-release`` file.

Source: systemd's os-release(5): the two places of the file, its form, ``ID``, ``VERSION_ID``.
"""

from __future__ import annotations

import re

from ecr_emulator.scanning.packages import Distribution, FileContent, FileFacts
from ecr_emulator.scanning.tar_stream import Entry

#: The second counts where the first is not there.
PATHS = ("etc/os-release", "usr/lib/os-release")

_MAX_LINES = 200
#: Lower case says the manual; openEuler's is not.
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_VERSION = re.compile(r"[A-Za-z0-9._~-]{1,64}")


class OsReleaseReader:
    """Reads which operating system an image has."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether this is the file."""
        return path in PATHS

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the distribution."""
        data = content.read_all()
        return FileFacts(distribution=None if data is None else parse_os_release(data))


def parse_os_release(data: bytes) -> Distribution | None:
    """Return the distribution that the file's content names, if it names one."""
    values: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").split("\n")[:_MAX_LINES]:
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            values[name] = _unquoted(value)
    identifier, version = values.get("ID", ""), values.get("VERSION_ID", "")
    if not _ID.fullmatch(identifier):
        return None
    return Distribution(
        identifier,
        version if _VERSION.fullmatch(version) else "",
        values.get("PRETTY_NAME", "")[:200],
    )


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
