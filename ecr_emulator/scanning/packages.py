"""Packages: what is found installed in an image, and who reads it out of which files.

A reader says by its path whether it wants a file and makes packages of its content. Readers
get what anybody packed: they skip what they cannot make sense of, and raise nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Protocol

from ecr_emulator.scanning.tar_stream import Entry

#: Package managers, by the names that Amazon Inspector gives them in findings.
OS = "OS"
PYTHON = "PYTHONPKG"
NPM = "NODEPKG"
GO = "GOBINARY"
JAVA = "JAR"

#: Longer names and versions are nobody's, and only burden what compares them.
MAX_TEXT = 200
#: Packages that one file may make known.
MAX_PER_FILE = 50_000


@dataclass(frozen=True, slots=True)
class Package:
    """A package as it is installed.

    :ivar manager: one of this module's constants.
    :ivar source_name: what the distribution builds it from, if its files say so: vulnerability
        databases of distributions are about sources.
    :ivar source_version: the version of that.
    :ivar path: the file that tells of it.
    :ivar layer: the digest of the layer that brought it.
    """

    manager: str
    name: str
    version: str
    arch: str = ""
    source_name: str = ""
    source_version: str = ""
    path: str = ""
    layer: str = ""

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes it the same package in two layers."""
        return self.manager, self.name, self.version, self.arch


@dataclass(frozen=True, slots=True)
class Distribution:
    """What ``os-release`` says of the operating system.

    :ivar id: as ``debian``, ``ubuntu``, ``alpine``.
    :ivar version: ``VERSION_ID``; empty for one that has no releases.
    """

    id: str
    version: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What one file makes known.

    :ivar lists_system: whether it is (a part of) the list of the operating system's packages.
    """

    packages: tuple[Package, ...] = ()
    distribution: Distribution | None = None
    lists_system: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is installed in an image.

    :ivar has_system_packages: whether it has a list of its operating system's packages, be it
        empty.
    """

    distribution: Distribution | None = None
    packages: tuple[Package, ...] = ()
    has_system_packages: bool = False


class FileContent(Protocol):
    """A file while its archive is being read."""

    def read_all(self) -> bytes | None:
        """Return the content, or ``None`` when the file is larger than a scan reads."""

    def chunks(self) -> Iterable[bytes]:
        """Yield the content, however long it is."""


class Reader(Protocol):
    """Reads the packages of one package manager."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file *path* (without a slash at its start) may tell of packages."""

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return what a file makes known."""


@dataclass(slots=True)
class PackageList:
    """Packages being collected out of one file, as many as one may have."""

    manager: str
    path: str
    _found: list[Package] = field(default_factory=list)

    def add(
        self,
        name: str,
        version: str,
        *,
        arch: str = "",
        source_name: str = "",
        source_version: str = "",
    ) -> None:
        """Add a package if its name and version are such as a package has."""
        if not (_is_text(name) and _is_text(version)) or len(self._found) >= MAX_PER_FILE:
            return
        package = Package(self.manager, name, version, arch[:MAX_TEXT], path=self.path)
        if _is_text(source_name):
            package = replace(
                package, source_name=source_name, source_version=source_version[:MAX_TEXT]
            )
        self._found.append(package)

    def facts(self, *, lists_system: bool = False) -> FileFacts:
        """Return what was collected."""
        return FileFacts(tuple(self._found), lists_system=lists_system)


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT and text.isprintable()


def file_name(path: str) -> str:
    """Return the last part of *path*."""
    return path.rpartition("/")[2]


def split_paragraphs(text: str) -> Iterable[list[str]]:
    """Yield the paragraphs of *text* as their lines: what empty lines separate."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines
