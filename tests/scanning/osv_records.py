"""OSV records as OSV's own exports have them, cut to what matters."""

from __future__ import annotations

from typing import Any

V3_CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
V3_HIGH = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
V2_MEDIUM = "AV:L/AC:L/Au:N/C:P/I:P/A:P"
V4_LOW = "CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N"


def ranged(*events: tuple[str, str], kind: str = "ECOSYSTEM") -> dict[str, Any]:
    return {"type": kind, "events": [{name: version} for name, version in events]}


def affected(
    ecosystem: str, name: str, *events: tuple[str, str], kind: str = "ECOSYSTEM", **more: Any
) -> dict[str, Any]:
    item: dict[str, Any] = {"package": {"ecosystem": ecosystem, "name": name}, **more}
    if events:
        item["ranges"] = [ranged(*events, kind=kind)]
    return item


def record(identifier: str, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "schema_version": "1.7.0",
        "id": identifier,
        "published": "2026-01-01T00:00:00Z",
        "modified": "2026-02-03T04:05:06.789012Z",
        "details": f"The details of {identifier}.",
        "affected": list(items),
        **more,
    }


def cvss(vector: str) -> list[dict[str, str]]:
    kind = {"CVSS:3": "CVSS_V3", "CVSS:4": "CVSS_V4"}.get(vector[:6], "CVSS_V2")
    return [{"type": kind, "score": vector}]


#: Of Debian's security tracker.
OPENSSL = record(
    "DEBIAN-CVE-2026-1001",
    affected(
        "Debian:12",
        "openssl",
        ("introduced", "0"),
        ("fixed", "3.0.11-1~deb12u2"),
        versions=["3.0.9-1", "3.0.11-1~deb12u1"],
        ecosystem_specific={"urgency": "not yet assigned"},
    ),
    affected(
        "Debian:13",
        "openssl",
        ("introduced", "0"),
        ecosystem_specific={"urgency": "not yet assigned"},
    ),
    upstream=["CVE-2026-1001"],
    severity=cvss(V3_CRITICAL),
    references=[
        {"type": "WEB", "url": "https://example.com/openssl"},
        {"type": "ADVISORY", "url": "https://security-tracker.debian.org/tracker/CVE-2026-1001"},
    ],
)
GLIBC = record(
    "DEBIAN-CVE-2010-4756",
    affected(
        "Debian:12",
        "glibc",
        ("introduced", "0"),
        ecosystem_specific={"urgency": "unimportant"},
    ),
    upstream=["CVE-2010-4756"],
    severity=cvss(V3_HIGH),
)
#: An advisory about two vulnerabilities, one of which has a record of its own.
DSA = record(
    "DSA-5700-1",
    affected("Debian:12", "openssl", ("introduced", "0"), ("fixed", "3.0.11-1~deb12u2")),
    upstream=["CVE-2026-1001", "CVE-2026-1002"],
)
MUSL = record(
    "ALPINE-CVE-2026-2001",
    affected("Alpine:v3.18", "musl", ("introduced", "0"), ("fixed", "1.2.4-r2")),
    upstream=["CVE-2026-2001"],
    severity=cvss(V3_HIGH),
)
RED_HAT = record(
    "RHSA-2026:0001",
    affected(
        "Red Hat:enterprise_linux:9::baseos",
        "openssl-libs",
        ("introduced", "0"),
        ("fixed", "1:3.0.7-25.el9_3"),
    ),
    affected(
        "Red Hat:enterprise_linux:9::baseos",
        "bash",
        ("introduced", "0"),
        ("fixed", "5.1.8-6.el9"),
    ),
    affected("Red Hat:enterprise_linux:8::baseos", "bash", ("introduced", "0")),
    upstream=["CVE-2026-3001"],
    severity=cvss(V3_HIGH),
)
JINJA = record(
    "GHSA-xxxx-yyyy-zzzz",
    affected("PyPI", "jinja2", ("introduced", "0"), ("fixed", "2.10.1")),
    aliases=["CVE-2019-10906", "PYSEC-2019-217"],
    summary="A sandbox escape.",
    database_specific={"severity": "MODERATE"},
    severity=cvss(V3_HIGH),
)
JINJA_AGAIN = record(
    "PYSEC-2019-217",
    affected("PyPI", "jinja2", ("introduced", "0"), ("fixed", "2.10.1")),
    aliases=["CVE-2019-10906", "GHSA-xxxx-yyyy-zzzz"],
)
LOG4J = record(
    "GHSA-jfh8-c2jp-5v3q",
    affected(
        "Maven",
        "org.apache.logging.log4j:log4j-core",
        ("introduced", "2.13.0"),
        ("fixed", "2.15.0"),
    ),
    affected(
        "Maven",
        "org.apache.logging.log4j:log4j-core",
        ("introduced", "2.0-beta9"),
        ("fixed", "2.3.1"),
    ),
    aliases=["CVE-2021-44228"],
    database_specific={"severity": "CRITICAL"},
)
GO_NET = record(
    "GO-2026-1",
    affected("Go", "golang.org/x/net", ("introduced", "0"), ("fixed", "0.17.0"), kind="SEMVER"),
    affected(
        "Go",
        "stdlib",
        ("introduced", "0"),
        ("fixed", "1.20.10"),
        ("introduced", "1.21.0-0"),
        ("fixed", "1.21.3"),
        kind="SEMVER",
    ),
    aliases=["CVE-2023-39325"],
)
LODASH = record(
    "MAL-2026-1", affected("npm", "lodash", versions=["4.17.20", "4.17.21"]), aliases=[]
)
ALL = (OPENSSL, GLIBC, DSA, MUSL, RED_HAT, JINJA, JINJA_AGAIN, LOG4J, GO_NET, LODASH)
