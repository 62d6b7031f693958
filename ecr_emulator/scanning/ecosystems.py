"""Ecosystems: the names that OSV gives to where packages come from, and their version rules.

Sources: OSV schema, "Defined ecosystems" (names, and what follows the colon); the version rules
are each ecosystem's own, as :mod:`univers` has them and, for Alpine, :mod:`.apk_versions`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ecr_emulator.scanning.apk_versions import ApkVersion
from ecr_emulator.scanning.packages import GO, JAVA, NPM, OS, PYTHON, Distribution, Package

#: Anything that compares with its like.
Version = Any

_PYTHON_SEPARATORS = re.compile(r"[-_.]+")
_MAX_VERSION = 200


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where a vulnerability database may have a package.

    :ivar ecosystems: any of these.
    :ivar names: any of these.
    :ivar version: what its versions are compared with.
    """

    ecosystems: tuple[str, ...]
    names: tuple[str, ...]
    version: str


#: What is matched for the operating system: its ``ID`` and OSV's name for it.
_DISTRIBUTIONS = {
    "debian": "Debian",
    "ubuntu": "Ubuntu",
    "alpine": "Alpine",
    "wolfi": "Wolfi",
    "chainguard": "Chainguard",
}
_OF_MANAGER = {PYTHON: "PyPI", NPM: "npm", GO: "Go", JAVA: "Maven"}


def is_supported(distribution: Distribution | None) -> bool:
    """Say whether the packages of an operating system can be looked up."""
    return distribution is not None and distribution.id in _DISTRIBUTIONS


def is_known(ecosystem: str) -> bool:
    """Say whether entries of an ecosystem of OSV's are of any use."""
    base = ecosystem.partition(":")[0]
    return base in _DISTRIBUTIONS.values() or base in _OF_MANAGER.values()


def system_ecosystems(distribution: Distribution) -> tuple[str, ...]:
    """Return the names under which OSV has a release of an operating system."""
    base = _DISTRIBUTIONS.get(distribution.id)
    version = distribution.version
    if base is None:
        return ()
    if base in ("Wolfi", "Chainguard"):
        return (base,)
    if not version:
        return ()
    if base == "Alpine":
        parts = version.split(".")
        return (f"Alpine:v{parts[0]}.{parts[1]}",) if len(parts) >= 2 else ()
    if base == "Ubuntu":
        return (f"Ubuntu:{version}:LTS", f"Ubuntu:{version}")
    return (f"{base}:{version.partition('.')[0]}",)


def coordinates(package: Package, distribution: Distribution | None) -> Coordinates | None:
    """Return where to look a package up, or ``None`` where nothing could be found."""
    if package.manager == OS:
        ecosystems = () if distribution is None else system_ecosystems(distribution)
        if not ecosystems:
            return None
        names = dict.fromkeys(name for name in (package.source_name, package.name) if name)
        if ecosystems[0].startswith(("Debian", "Ubuntu", "Alpine")) and package.source_name:
            # These are about what packages are built from, and only about that.
            names = dict.fromkeys((package.source_name,))
        return Coordinates(ecosystems, tuple(names), package.source_version or package.version)
    name, version = package.name, package.version
    if package.manager == PYTHON:
        name = _PYTHON_SEPARATORS.sub("-", name).lower()
    if package.manager == GO:
        version = version.removeprefix("v")
    return Coordinates((_OF_MANAGER[package.manager],), (name,), version)


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

    parsers: dict[str, Callable[[str], Version]] = {
        "Debian": versions.DebianVersion,
        "Ubuntu": versions.DebianVersion,
        "PyPI": versions.PypiVersion,
        "npm": versions.SemverVersion,
        "Go": versions.GolangVersion,
        "Maven": versions.MavenVersion,
    }
    return parsers[base]
