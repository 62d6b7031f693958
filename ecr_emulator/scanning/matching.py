"""Packages looked up: which vulnerabilities those of an image have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from ecr_emulator.scanning.ecosystems import coordinates
from ecr_emulator.scanning.osv import Advisory, Affected, affects
from ecr_emulator.scanning.packages import OS, Inventory, Package
from ecr_emulator.scanning.severity import (
    SEVERITIES,
    UNDEFINED,
    CvssScore,
    cvss_scores,
    word_severity,
)


class VulnerabilitySource(Protocol):
    """A vulnerability database."""

    def find(self, names: Mapping[str, Collection[str]]) -> Iterable[tuple[Advisory, Affected]]:
        """Yield what affects any of the packages *names*, by their ecosystems."""


@dataclass(frozen=True, slots=True)
class Match:
    """A vulnerability of a package.

    :ivar name: the CVE's name if it has one, else the advisory's.
    :ivar fixed_in: the first version without it, if that is known.
    """

    name: str
    advisory: Advisory
    package: Package
    fixed_in: str
    severity: str
    scores: tuple[CvssScore, ...]


def looked_up_ecosystems(
    inventory: Inventory, *, with_languages: bool
) -> tuple[tuple[str, ...], ...]:
    """Return the ecosystems that an image's packages belong to, each by all of its names."""
    return tuple(
        dict.fromkeys(
            place.ecosystems
            for package in _concerned(inventory, with_languages)
            if (place := coordinates(package, inventory.distribution)) is not None
        )
    )


def find_matches(
    inventory: Inventory, source: VulnerabilitySource, *, with_languages: bool
) -> list[Match]:
    """Return the vulnerabilities of an image's packages, the worst first.

    :param with_languages: look also at packages that are not the operating system's.
    :raises ImportError: the libraries that compare versions are not installed.
    """
    places: dict[tuple[str, str], list[tuple[Package, str]]] = {}
    names: dict[str, set[str]] = {}
    for package in _concerned(inventory, with_languages):
        place = coordinates(package, inventory.distribution)
        if place is None:
            continue
        for ecosystem in place.ecosystems:
            for name, version in place.names:
                names.setdefault(ecosystem, set()).add(name)
                places.setdefault((ecosystem, name), []).append((package, version))
    matches: dict[tuple[str, Package], Match] = {}
    for advisory, affected in source.find(names):
        for package, version in places.get((affected.ecosystem, affected.name), ()):
            hit, fixed_in = affects(affected, version)
            if hit:
                match = _match(advisory, affected, package, fixed_in)
                key = (match.name, package)
                if key not in matches or _worth(match) > _worth(matches[key]):
                    matches[key] = match
    return sorted(_without_repeats(matches.values()), key=_order)


def _concerned(inventory: Inventory, with_languages: bool) -> Iterable[Package]:
    return (item for item in inventory.packages if with_languages or item.manager == OS)


def _match(advisory: Advisory, affected: Affected, package: Package, fixed_in: str) -> Match:
    vectors = affected.severities or advisory.severities
    scores = tuple(cvss_scores(vectors))
    return Match(
        vulnerability_name(advisory),
        advisory,
        package,
        fixed_in,
        _severity(advisory, affected, scores),
        scores,
    )


def vulnerability_name(advisory: Advisory) -> str:
    """Return the name of the CVE that an advisory is about, or its own if that is not one CVE."""
    cves = related_cves(advisory)
    return cves[0] if len(cves) == 1 else advisory.id


def related_cves(advisory: Advisory) -> tuple[str, ...]:
    """Return the CVEs that an advisory is about.

    Databases of distributions put their own name before the CVE's: ``DEBIAN-CVE-2026-1``.
    """
    start = advisory.id.find("CVE-")
    if start == 0 or (start > 0 and advisory.id[start - 1] == "-"):
        return (advisory.id[start:],)
    return tuple(name for name in advisory.aliases if name.startswith("CVE-"))


def _severity(advisory: Advisory, affected: Affected, scores: tuple[CvssScore, ...]) -> str:
    """Return the distribution's own severity, else the CVSS score's rating."""
    words = [
        affected.rating,
        *(word for kind, word in affected.severities if not kind.startswith("CVSS")),
        *(word for kind, word in advisory.severities if not kind.startswith("CVSS")),
        advisory.rating,
    ]
    for word in words:
        severity = word_severity(word)
        if severity is not None:
            return severity
    return scores[0].severity if scores else UNDEFINED


def _worth(match: Match) -> tuple[bool, bool, bool, str]:
    """Order matches of one vulnerability by how much they tell."""
    return (
        match.severity != UNDEFINED,
        bool(match.fixed_in),
        bool(match.scores),
        match.advisory.id,
    )


def _without_repeats(matches: Collection[Match]) -> Iterable[Match]:
    """Yield the matches without advisories of several CVEs that were each found too."""
    found = {(match.name, match.package) for match in matches}
    for match in matches:
        cves = related_cves(match.advisory)
        if len(cves) < 2 or any((name, match.package) not in found for name in cves):
            yield match


def _order(match: Match) -> tuple[object, ...]:
    package = match.package
    return SEVERITIES.index(match.severity), match.name, *package.identity, package.path
