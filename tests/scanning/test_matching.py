"""Packages matched with vulnerabilities: names, severities, repeats."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest

from ecr_emulator.scanning.ecosystems import coordinates, is_supported, system_ecosystems
from ecr_emulator.scanning.matching import Match, find_matches, looked_up_ecosystems
from ecr_emulator.scanning.osv import Advisory, Affected, parse_record
from ecr_emulator.scanning.packages import Distribution, Inventory, Package
from ecr_emulator.scanning.severity import cvss_scores
from tests.scanning.osv_records import (
    ALL,
    DSA,
    GLIBC,
    JINJA,
    JINJA_AGAIN,
    OPENSSL,
    V2_MEDIUM,
    V3_CRITICAL,
    V3_HIGH,
    V4_LOW,
    affected,
    cvss,
    record,
)

DEBIAN = Distribution("debian", "12")
LIBSSL = Package("OS", "libssl3", "3.0.11-1~deb12u1", "amd64", "openssl", "3.0.11-1~deb12u1")
OPENSSL_TOOL = Package("OS", "openssl", "3.0.11-1~deb12u1", "amd64", "openssl", "3.0.11-1~deb12u1")
LIBC = Package("OS", "libc6", "2.36-9", "amd64", "glibc", "2.36-9")


class Source:
    """Records in memory."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.records = [parse_record(document) for document in documents]

    def find(self, names: Mapping[str, Collection[str]]) -> Iterable[tuple[Advisory, Affected]]:
        for item in self.records:
            for part in item.affected:
                if part.name in names.get(part.ecosystem, ()):
                    yield item.advisory, part


def matches(
    source: Source, *packages: Package, distribution: Distribution | None = DEBIAN
) -> list[Match]:
    return find_matches(Inventory(distribution, packages), source, with_languages=True)


def told(found: Iterable[Match]) -> list[tuple[str, str, str, str]]:
    return [(item.name, item.package.name, item.severity, item.fixed_in) for item in found]


@pytest.mark.parametrize(
    ("distribution", "one_of_them"),
    [
        (Distribution("rhel", "9.4"), "Red Hat:enterprise_linux:9::baseos"),
        (Distribution("centos", "7"), "Red Hat:enterprise_linux:7::server"),
        (Distribution("sles", "15.5"), "SUSE:Linux Enterprise Module for Basesystem 15 SP5"),
        (Distribution("sles", "12.5"), "SUSE:Linux Enterprise Server 12 SP5"),
        (Distribution("sles", "15"), "SUSE:Linux Enterprise Module for Basesystem 15"),
    ],
)
def test_releases_of_many_names(distribution: Distribution, one_of_them: str) -> None:
    assert one_of_them in system_ecosystems(distribution)


def test_rpm_packages_by_either_name() -> None:
    """A package and what it is built from may have versions of their own."""
    perl = Package("OS", "perl-Digest", "1.20-4.el9", "noarch", "perl", "4:5.32.1-481.el9")
    rocky = Distribution("rocky", "9.4")

    def of(name: str, fixed: str) -> list[tuple[str, str, str, str]]:
        events = ("introduced", "0"), ("fixed", fixed)
        source = Source(record("CVE-2026-1", affected("Rocky Linux:9", name, *events)))
        return told(matches(source, perl, distribution=rocky))

    assert of("perl-Digest", "1.20-5.el9") == [
        ("CVE-2026-1", "perl-Digest", "UNDEFINED", "1.20-5.el9")
    ]
    assert of("perl-Digest", "1.20-4.el9") == []
    assert of("perl", "4:5.32.1-481.el9") == []
    assert len(of("perl", "4:5.32.1-482.el9")) == 1
    assert of("perl-libs", "9:9") == []


def test_all_ecosystems() -> None:
    packages = (
        LIBSSL,
        LIBC,
        Package("PYTHONPKG", "Jinja2", "2.4.1"),
        Package("JAR", "org.apache.logging.log4j:log4j-core", "2.14.1"),
        Package("GOBINARY", "golang.org/x/net", "v0.7.0"),
        Package("GOBINARY", "stdlib", "1.21.2"),
        Package("NODEPKG", "lodash", "4.17.20"),
        Package("NODEPKG", "jinja2", "2.4.1"),
    )
    assert told(matches(Source(*ALL), *packages)) == [
        ("CVE-2021-44228", "org.apache.logging.log4j:log4j-core", "CRITICAL", "2.15.0"),
        ("CVE-2026-1001", "libssl3", "CRITICAL", "3.0.11-1~deb12u2"),
        ("CVE-2019-10906", "Jinja2", "MEDIUM", "2.10.1"),
        ("CVE-2010-4756", "libc6", "INFORMATIONAL", ""),
        ("CVE-2023-39325", "golang.org/x/net", "UNDEFINED", "0.17.0"),
        ("CVE-2023-39325", "stdlib", "UNDEFINED", "1.21.3"),
        ("DSA-5700-1", "libssl3", "UNDEFINED", "3.0.11-1~deb12u2"),
        ("MAL-2026-1", "lodash", "UNDEFINED", ""),
    ]
    system_only = find_matches(Inventory(DEBIAN, packages), Source(*ALL), with_languages=False)
    assert {item.package.manager for item in system_only} == {"OS"}


def test_alpine() -> None:
    musl = Package("OS", "musl", "1.2.4-r1", "x86_64", "musl", "1.2.4-r1")
    alpine = Distribution("alpine", "3.18.4")
    assert told(matches(Source(*ALL), musl, distribution=alpine)) == [
        ("CVE-2026-2001", "musl", "HIGH", "1.2.4-r2")
    ]
    newer = Distribution("alpine", "3.19.0")
    assert matches(Source(*ALL), musl, distribution=newer) == []


def test_every_package_of_a_source() -> None:
    assert told(matches(Source(OPENSSL), OPENSSL_TOOL, LIBSSL)) == [
        ("CVE-2026-1001", "libssl3", "CRITICAL", "3.0.11-1~deb12u2"),
        ("CVE-2026-1001", "openssl", "CRITICAL", "3.0.11-1~deb12u2"),
    ]


def test_what_a_package_is_named_does_not_matter_where_sources_count() -> None:
    named_so = Package("OS", "openssl", "1", "amd64", "other", "1")
    assert matches(Source(OPENSSL), named_so) == []


def test_the_record_that_tells_more_wins() -> None:
    package = Package("PYTHONPKG", "jinja2", "2.4.1")
    for documents in ((JINJA, JINJA_AGAIN), (JINJA_AGAIN, JINJA)):
        (match,) = matches(Source(*documents), package)
        assert match.advisory.id == "GHSA-xxxx-yyyy-zzzz"


def test_advisories_of_several_vulnerabilities() -> None:
    """Such a one says nothing new once each of its vulnerabilities was found."""
    other = record("DEBIAN-CVE-2026-1002", affected("Debian:12", "openssl", ("introduced", "0")))
    assert [item.name for item in matches(Source(DSA), LIBSSL)] == ["DSA-5700-1"]
    found = matches(Source(DSA, OPENSSL, other), LIBSSL)
    assert {item.name for item in found} == {"CVE-2026-1001", "CVE-2026-1002"}


@pytest.mark.parametrize(
    ("of_package", "of_record", "severity"),
    [
        # The distribution's own word, else the score.
        ({"ecosystem_specific": {"urgency": "low"}}, {"severity": cvss(V3_CRITICAL)}, "LOW"),
        ({"ecosystem_specific": {"urgency": "unimportant"}}, {}, "INFORMATIONAL"),
        ({"severity": [{"type": "Ubuntu", "score": "negligible"}]}, {}, "INFORMATIONAL"),
        ({}, {"severity": [{"type": "Ubuntu", "score": "medium"}]}, "MEDIUM"),
        ({}, {"database_specific": {"severity": "MODERATE"}}, "MEDIUM"),
        (
            {"ecosystem_specific": {"urgency": "not yet assigned"}},
            {"severity": cvss(V3_HIGH)},
            "HIGH",
        ),
        ({"severity": cvss(V3_CRITICAL)}, {"severity": cvss(V3_HIGH)}, "CRITICAL"),
        ({}, {"severity": cvss(V2_MEDIUM)}, "MEDIUM"),
        ({}, {"severity": cvss(V4_LOW)}, "LOW"),
        ({}, {"severity": [*cvss(V2_MEDIUM), *cvss(V4_LOW), *cvss(V3_CRITICAL)]}, "CRITICAL"),
        ({}, {"severity": cvss("AV:N/AC:L/Au:N/C:C/I:C/A:C")}, "HIGH"),
        ({}, {"severity": cvss("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N")}, "INFORMATIONAL"),
        ({}, {"severity": cvss("CVSS:3.1/rubbish")}, "UNDEFINED"),
        ({}, {"severity": [{"type": "CVSS_V3", "score": "9.8"}]}, "UNDEFINED"),
        ({}, {}, "UNDEFINED"),
    ],
)
def test_severity(of_package: Any, of_record: Any, severity: str) -> None:
    item = affected("Debian:12", "openssl", ("introduced", "0"), **of_package)
    (match,) = matches(Source(record("CVE-1", item, **of_record)), LIBSSL)
    assert match.severity == severity


def test_scores() -> None:
    v4 = "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"
    severities = [("CVSS_V2", V2_MEDIUM), ("CVSS_V4", v4), ("CVSS_V3", V3_CRITICAL)]
    got = [(score.version, score.score) for score in cvss_scores(severities)]
    assert got == [("3.1", 9.8), ("4.0", 9.3), ("2.0", 4.6)]


@pytest.mark.parametrize(
    ("distribution", "ecosystems"),
    [
        (Distribution("debian", "12"), ("Debian:12",)),
        (Distribution("debian", "12.4"), ("Debian:12",)),
        (Distribution("debian"), ()),
        (Distribution("ubuntu", "22.04"), ("Ubuntu:22.04:LTS", "Ubuntu:22.04")),
        (Distribution("alpine", "3.18.4"), ("Alpine:v3.18",)),
        (Distribution("alpine", "3"), ()),
        (Distribution("wolfi", "20230201"), ("Wolfi",)),
        (Distribution("slackware", "15.0"), ()),
        (Distribution("rocky", "9.4"), ("Rocky Linux:9",)),
        (Distribution("almalinux", "8.10"), ("AlmaLinux:8",)),
        (Distribution("amzn", "2023"), ("Amazon Linux:2023",)),
        (Distribution("fedora", "40"), ("Fedora:40",)),
        (Distribution("photon", "5.0"), ("Photon OS:5.0",)),
        (
            Distribution("opensuse-leap", "15.6"),
            ("openSUSE:Leap 15.6", "openSUSE:Leap 15.6 NonFree"),
        ),
        (Distribution("opensuse-tumbleweed", "20240801"), ("openSUSE:Tumbleweed",)),
        (Distribution("openEuler", "24.03", "openEuler 24.03 (LTS)"), ("openEuler:24.03-LTS",)),
        (
            Distribution("openEuler", "22.03", "openEuler 22.03 (LTS-SP3)"),
            ("openEuler:22.03-LTS-SP3",),
        ),
        (Distribution("openEuler", "23.09", "openEuler 23.09"), ("openEuler:23.09",)),
        (Distribution("openEuler", "23.09"), ("openEuler:23.09",)),
    ],
)
def test_ecosystems(distribution: Distribution, ecosystems: tuple[str, ...]) -> None:
    assert system_ecosystems(distribution) == ecosystems
    assert is_supported(distribution) is (distribution.id != "slackware")


@pytest.mark.parametrize(
    ("package", "name", "version"),
    [
        (Package("PYTHONPKG", "Zope.Interface__X", "1"), "zope-interface-x", "1"),
        (Package("GOBINARY", "golang.org/x/net", "v0.7.0"), "golang.org/x/net", "0.7.0"),
        (Package("NODEPKG", "@Scope/Name", "1"), "@Scope/Name", "1"),
    ],
)
def test_coordinates(package: Package, name: str, version: str) -> None:
    place = coordinates(package, None)
    assert place is not None
    assert place.names == ((name, version),)


def test_what_is_looked_up() -> None:
    inventory = Inventory(DEBIAN, (LIBSSL, LIBC, Package("PYTHONPKG", "aa", "1")))
    assert looked_up_ecosystems(inventory, with_languages=False) == (("Debian:12",),)
    assert looked_up_ecosystems(inventory, with_languages=True) == (("Debian:12",), ("PyPI",))
    unknown = Inventory(Distribution("debian"), (LIBSSL,))
    assert looked_up_ecosystems(unknown, with_languages=True) == ()


def test_no_packages() -> None:
    assert matches(Source(GLIBC)) == []
