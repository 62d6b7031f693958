"""Ecosystems: the names that OSV gives to where packages come from, and their version rules.

Sources: OSV schema, "Defined ecosystems"; the version rules are each ecosystem's own, as
:mod:`univers` has them and, for Alpine, :mod:`.apk_versions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ecr_emulator.scanning.apk_versions import ApkVersion
from ecr_emulator.scanning.distributions import DISTRIBUTIONS, RPM_DISTRIBUTIONS, system_ecosystems
from ecr_emulator.scanning.packages import GO, JAVA, NPM, OS, PYTHON, Distribution, Package

#: Anything that compares with its like.
Version = Any

_PYTHON_SEPARATORS = re.compile(r"[-_.]+")
_MAX_VERSION = 200
#: Whose records are about what packages are built from, and only about that.
_OF_SOURCES = ("Debian", "Ubuntu", "Alpine")
_OF_RPM = tuple(RPM_DISTRIBUTIONS.values())


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a vulnerability database may have a package.

    :ivar ecosystems: any of these.
    :ivar names: any of these, each with what its versions are compared with.
    """

    ecosystems: tuple[str, ...]
    names: tuple[tuple[str, str], ...]


_OF_MANAGER = {PYTHON: "PyPI", NPM: "npm", GO: "Go", JAVA: "Maven"}


def is_supported(distribution: Distribution | None) -> bool:
    """Say whether the packages of an operating system can be looked up."""
    return distribution is not None and distribution.id in DISTRIBUTIONS


def is_known(ecosystem: str) -> bool:
    """Say whether entries of an ecosystem of OSV's are of any use."""
    base = ecosystem.partition(":")[0]
    return base in DISTRIBUTIONS.values() or base in _OF_MANAGER.values()


def coordinates(package: Package, distribution: Distribution | None) -> Coordinates | None:
    """Return where to look a package up, or ``None`` where nothing could be found."""
    if package.manager == OS:
        ecosystems = () if distribution is None else system_ecosystems(distribution)
        if not ecosystems:
            return None
        version = package.source_version or package.version
        if ecosystems[0].startswith(_OF_SOURCES) and package.source_name:
            return Coordinates(ecosystems, ((package.source_name, version),))
        if ecosystems[0].startswith(_OF_RPM):
            # About what is installed (AlmaLinux, Red Hat) or what that is built from (openSUSE,
            # Rocky Linux), and the two may have versions of their own.
            found = {package.source_name: version, package.name: package.version}
        else:
            found = {package.source_name: version, package.name: version}
        return Coordinates(ecosystems, tuple(item for item in found.items() if item[0]))
    name, version = package.name, package.version
    if package.manager == PYTHON:
        name = _PYTHON_SEPARATORS.sub("-", name).lower()
    if package.manager == GO:
        version = version.removeprefix("v")
    return Coordinates((_OF_MANAGER[package.manager],), ((name, version),))


@lru_cache(maxsize=20_000)
def parse_version(ecosystem: str, text: str) -> Version | None:
    """Return a version that compares as the ecosystem's do, or ``None`` if *text* is none.

    Only versions of one ecosystem compare with each other.

    :raises ImportError: the library that knows the rules is not installed.
    """
    if not 0 < len(text) <= _MAX_VERSION or not text.isascii():
        return None
    parse = _parser(ecosystem.partition(":")[0])
    try:
        return parse(text)
    except (ValueError, TypeError, AttributeError, IndexError):
        # What the library raises for what it cannot make sense of differs by ecosystem.
        return None


def _parser(base: str) -> Callable[[str], Version]:
    if base in ("Alpine", "Wolfi", "Chainguard"):
        return ApkVersion
    from univers import versions

    if base in _OF_RPM:
        return versions.RpmVersion
    parsers: dict[str, Callable[[str], Version]] = {
        "Debian": versions.DebianVersion,
        "Ubuntu": versions.DebianVersion,
        "PyPI": versions.PypiVersion,
        "npm": versions.SemverVersion,
        "Go": versions.GolangVersion,
        "Maven": versions.MavenVersion,
    }
    return parsers[base]
