"""The packages of Red Hat's, SUSE's, Amazon's and others' distributions: rpm's database."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

from ecr_emulator.scanning.packages import (
    MAX_PER_FILE,
    OS,
    FileContent,
    FileFacts,
    PackageList,
)
from ecr_emulator.scanning.rpm_databases import read_headers
from ecr_emulator.scanning.rpm_headers import parse_header
from ecr_emulator.scanning.tar_stream import Entry

#: The second is where SUSE and Fedora have it now, the third where ostree does.
_FOLDERS = ("var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/")
_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")
_PATHS = frozenset(folder + name for folder in _FOLDERS for name in _FILES)
#: In bytes; larger databases are passed over. Those of images have a tenth of it.
_MAX_DATABASE = 128 * 1024**2
#: A key that packages are signed with, written down as if it were a package.
_PUBLIC_KEY = "gpg-pubkey"


class RpmReader:
    """Reads what rpm installed."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file is rpm's database."""
        return path in _PATHS

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the packages that are installed."""
        data = _read(content)
        headers = None if data is None else read_headers(data)
        if headers is None:
            return FileFacts()
        packages = PackageList(OS, path)
        with closing(headers):
            for header in islice(headers, MAX_PER_FILE):
                package = parse_header(header)
                if package is not None and package.name != _PUBLIC_KEY:
                    packages.add(
                        package.name,
                        package.version,
                        arch=package.arch,
                        source_name=package.source_name,
                        source_version=package.source_version,
                    )
        return packages.facts(lists_system=True)


def _read(content: FileContent) -> bytearray | None:
    """Return the content, or ``None`` when it is larger than a scan reads.

    It stays in memory: a layer may be one that is on the disk encrypted alone.
    """
    data = bytearray()
    for chunk in content.chunks():
        if len(data) + len(chunk) > _MAX_DATABASE:
            return None
        data += chunk
    return data
