"""Versions compared by each ecosystem's own rules.

Sources: Debian policy manual "Version" and dpkg's own tests; Alpine's apk-tools test suite
(``version.data``) and package policies; PEP 440; semver.org 2.0.0; Go's pseudo-versions; Maven's
``ComparableVersion`` documentation.
"""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning.apk_versions import ApkVersion
from ecr_emulator.scanning.ecosystems import parse_version

#: Each list in rising order.
RISING = {
    "Debian:12": [
        "0~~",
        "0~~a",
        "0~",
        "0",
        "0+b1",
        "0.1",
        "1.0~beta1~svn1245",
        "1.0~beta1",
        "1.0",
        "1.0-0.1",
        "1.0-1~deb12u1",
        "1.0-1",
        "1.0-1+b1",
        "1.0-1.1",
        "1.0-10",
        "1.0a-1",
        "1.0+dfsg-1",
        "1.2",
        "1.10",
        "1:0.1",
        "2:0",
    ],
    "Red Hat:enterprise_linux:9::baseos": [
        "1.0~rc1-1",
        "1.0-1.el9",
        "1.0-1.el9_2",
        "1.0-1.el9_10",
        "1.0-2.el9",
        "1.0-10.el9",
        "1.0^20230101-1",
        "1.0a-1",
        "1.0.1-1",
        "1.2-1",
        "1.10-1",
        "1:0.1-1",
        "10:0.1-1",
    ],
    "Ubuntu:22.04:LTS": ["3.0.2-0ubuntu1", "3.0.2-0ubuntu1.1", "3.0.2-0ubuntu1.10"],
    "Alpine:v3.18": [
        "0.7.4_pre20230101-r1",
        "0.7.4-r0",
        "1.01",
        "1.1_alpha",
        "1.1_alpha2",
        "1.1_beta",
        "1.1_pre",
        "1.1_rc1",
        "1.1_rc1_git20200101",
        "1.1_rc2",
        "1.1",
        "1.1-r1",
        "1.1-r2",
        "1.1-r10",
        "1.1_cvs",
        "1.1_svn",
        "1.1_git20200101-r0",
        "1.1_git20210101-r0",
        "1.1_hg",
        "1.1_p1",
        "1.1_p1-r1",
        "1.1_p2",
        "1.1a",
        "1.1b-r3",
        "1.1.0",
        "1.1.1",
        "1.2",
        "1.10",
        "10",
        "20230101",
    ],
    "PyPI": ["1.0.dev1", "1.0a1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "1!0.1"],
    "npm": ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0", "1.10.0"],
    "Go": [
        "0.0.0-20200101000000-abcdef123456",
        "0.0.0-20210101000000-abcdef123456",
        "1.0.0-rc.1",
        "1.0.0",
        "1.20.0-0",
        "1.20.1",
        "1.21.0",
    ],
    "Maven": [
        "1.0-alpha-1",
        "1.0-beta-1",
        "1.0-rc1",
        "1.0-SNAPSHOT",
        "1.0",
        "1.0-sp",
        "1.0.1",
        "2.9.9",
        "2.14.1",
        "2.15.0",
    ],
}
EQUAL = {
    "Debian:12": [("1.0", "1.0"), ("0:1.0", "1.0"), ("1.0", "1.0-0"), ("1.00", "1.0")],
    "Alpine:v3.18": [("1.1", "1.1-r0"), ("1.1_alpha", "1.1_alpha0"), ("1.1~abc123", "1.1")],
    "PyPI": [("1.0", "1.0.0"), ("1.0-1", "1.0.post1"), ("v1.0", "1.0")],
    "npm": [("1.2.3", "v1.2.3")],
    "Maven": [("1.0", "1"), ("1.0.Final", "1.0"), ("1-a1", "1-alpha-1")],
}
NO_VERSIONS = {
    "Debian:12": ["", "a b", "1.0-ü"],
    "Alpine:v3.18": ["", "a", "1.", ".1", "1_foo", "1.1-1", "1-r", "1" * 201, "1.2.3-r0\n"],
    "PyPI": ["", "2004d", "1.0-foo bar", "x" * 201],
}


@pytest.mark.parametrize("ecosystem", RISING)
def test_order(ecosystem: str) -> None:
    texts = RISING[ecosystem]
    versions = [parse_version(ecosystem, text) for text in texts]
    for low in range(len(texts)):
        assert versions[low] is not None, texts[low]
        for high in range(low + 1, len(texts)):
            assert versions[low] < versions[high], (texts[low], texts[high])
            assert versions[high] > versions[low], (texts[low], texts[high])
            assert versions[low] != versions[high]


@pytest.mark.parametrize(
    ("ecosystem", "one", "other"),
    [(ecosystem, *pair) for ecosystem, pairs in EQUAL.items() for pair in pairs],
)
def test_equal(ecosystem: str, one: str, other: str) -> None:
    first, second = parse_version(ecosystem, one), parse_version(ecosystem, other)
    assert first is not None
    assert not first < second
    assert not first > second


@pytest.mark.parametrize(
    ("ecosystem", "text"),
    [(ecosystem, text) for ecosystem, texts in NO_VERSIONS.items() for text in texts],
)
def test_no_versions(ecosystem: str, text: str) -> None:
    assert parse_version(ecosystem, text) is None


#: Of what any version consists of, so that many are versions of some ecosystem.
_TEXTS = st.text("0123456789abprv.-_~+:", min_size=1, max_size=12)


@given(st.sampled_from(sorted(RISING)), st.text(max_size=300))
def test_any_text(ecosystem: str, text: str) -> None:
    parse_version(ecosystem, text)


@given(st.sampled_from(["Debian:12", "Alpine:v3.18", "PyPI"]), _TEXTS, _TEXTS, _TEXTS)
def test_a_total_order(ecosystem: str, one: str, two: str, three: str) -> None:
    versions = [parse_version(ecosystem, text) for text in (one, two, three)]
    found = [version for version in versions if version is not None]
    for first in found:
        assert first <= first
        for second in found:
            assert (first < second) + (first > second) + (first == second) == 1
            for third in found:
                if first <= second and second <= third:
                    assert first <= third


_NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(
    lambda numbers: ".".join(map(str, numbers))
)
_SUFFIXES = st.lists(
    st.tuples(
        st.sampled_from(["alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"]),
        st.one_of(st.just(""), st.integers(0, 30).map(str)),
    ),
    max_size=2,
).map(lambda items: "".join(f"_{name}{number}" for name, number in items))
_APK = st.builds(
    lambda numbers, letter, suffixes, revision: f"{numbers}{letter}{suffixes}-r{revision}",
    _NUMBERS,
    st.sampled_from(["", "a", "b"]),
    _SUFFIXES,
    st.integers(0, 12),
)


@given(_APK, _APK)
def test_alpine_is_decided_at_the_first_difference(one: str, other: str) -> None:
    """Written out as rules on the texts, apart from how the class does it."""
    first, second = ApkVersion(one), ApkVersion(other)
    assert (first == second) == (first._key == second._key)
    base, _, revision = one.rpartition("-r")
    assert ApkVersion(f"{base}-r{int(revision) + 1}") > first
    assert ApkVersion(f"{base}_p99999-r0") > first
    assert ApkVersion(f"{base}_rc1-r99") < ApkVersion(f"{base}-r0")


_DEBIAN = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    st.from_regex(r"[0-9][0-9a-c.+~]{0,6}", fullmatch=True),
    st.one_of(st.just(""), st.from_regex(r"-[0-9a-c+~]{1,4}", fullmatch=True)),
)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is not here to ask")
@given(_DEBIAN, _DEBIAN)
def test_debian_as_dpkg_says(one: str, other: str) -> None:
    first, second = parse_version("Debian:12", one), parse_version("Debian:12", other)
    assert first is not None
    relation = "lt" if first < second else "gt" if first > second else "eq"
    asked = ["dpkg", "--compare-versions", one, relation, other]
    assert subprocess.run(asked, check=False).returncode == 0
