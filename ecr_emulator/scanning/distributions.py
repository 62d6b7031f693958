"""Distributions of Linux: what they call themselves, and what OSV calls them and their releases.

Sources: OSV schema, "Defined ecosystems" (names, and what follows the colon); the records that OSV
exports (how Red Hat's repositories, SUSE's modules and openEuler's releases are written).
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ecr_emulator.scanning.packages import Distribution

_DEBIAN_DISTRIBUTIONS = {"debian": "Debian", "ubuntu": "Ubuntu"}
_APK_DISTRIBUTIONS = {"alpine": "Alpine", "wolfi": "Wolfi", "chainguard": "Chainguard"}
#: By the ``ID`` of their ``os-release``. OSV itself has nothing about Amazon Linux, Fedora and
#: Oracle Linux; these are the names that those use who bring the vendors' advisories into its
#: form.
RPM_DISTRIBUTIONS = {
    "almalinux": "AlmaLinux",
    "amzn": "Amazon Linux",
    "azurelinux": "Azure Linux",
    # Red Hat's packages, built again.
    "centos": "Red Hat",
    "fedora": "Fedora",
    "mageia": "Mageia",
    "ol": "Oracle Linux",
    "openEuler": "openEuler",
    "opensuse-leap": "openSUSE",
    "opensuse-tumbleweed": "openSUSE",
    "photon": "Photon OS",
    "rhel": "Red Hat",
    "rocky": "Rocky Linux",
    "sled": "SUSE",
    "sles": "SUSE",
    "sles_sap": "SUSE",
}
#: The distributions whose packages can be looked up, by their ``ID``, and OSV's names for them.
DISTRIBUTIONS = {**_DEBIAN_DISTRIBUTIONS, **_APK_DISTRIBUTIONS, **RPM_DISTRIBUTIONS}

#: The types of package URLs.
PACKAGE_TYPES = {
    **dict.fromkeys(_DEBIAN_DISTRIBUTIONS, "deb"),
    **dict.fromkeys(_APK_DISTRIBUTIONS, "apk"),
    **dict.fromkeys(RPM_DISTRIBUTIONS, "rpm"),
}

#: Red Hat's records are about a release's repositories.
_RED_HAT_REPOSITORIES = (
    "baseos",
    "appstream",
    "crb",
    "server",
    "client",
    "workstation",
    "computenode",
    "highavailability",
    "nfv",
    "realtime",
    "resilientstorage",
    "sap",
    "sap_hana",
    "supplementary",
)
#: SUSE's are about the modules of a service pack.
_SUSE_MODULES = (
    "Basesystem",
    "Server Applications",
    "Development Tools",
    "Containers",
    "Desktop Applications",
    "Legacy",
    "Python 3",
    "Public Cloud",
    "Web and Scripting",
)
_EULER = re.compile(r"openEuler (\d{2}\.\d{2})(?: \(([A-Z0-9-]{1,20})\))?")


def system_ecosystems(distribution: Distribution) -> tuple[str, ...]:
    """Return the names under which OSV has a release of an operating system."""
    base = DISTRIBUTIONS.get(distribution.id)
    if base is None:
        return ()
    if base in ("Wolfi", "Chainguard"):
        return (base,)
    if distribution.id == "opensuse-tumbleweed":
        return ("openSUSE:Tumbleweed",)
    if not distribution.version:
        return ()
    return _RELEASES.get(base, _major_release)(base, distribution)


def _major_release(base: str, distribution: Distribution) -> tuple[str, ...]:
    return (f"{base}:{_major(distribution)}",)


def _photon(base: str, distribution: Distribution) -> tuple[str, ...]:
    return (f"{base}:{distribution.version}",)


def _alpine(base: str, distribution: Distribution) -> tuple[str, ...]:
    parts = distribution.version.split(".")
    return (f"{base}:v{parts[0]}.{parts[1]}",) if len(parts) >= 2 else ()


def _ubuntu(base: str, distribution: Distribution) -> tuple[str, ...]:
    return (f"{base}:{distribution.version}:LTS", f"{base}:{distribution.version}")


def _red_hat(base: str, distribution: Distribution) -> tuple[str, ...]:
    release = f"{base}:enterprise_linux:{_major(distribution)}"
    return (release, *(f"{release}::{name}" for name in _RED_HAT_REPOSITORIES))


def _open_suse(base: str, distribution: Distribution) -> tuple[str, ...]:
    release = f"{base}:Leap {distribution.version}"
    return (release, f"{release} NonFree")


def _suse(base: str, distribution: Distribution) -> tuple[str, ...]:
    major, _, pack = distribution.version.partition(".")
    release = f"{major} SP{pack}" if pack and pack != "0" else major
    server = f"{base}:Linux Enterprise Server {release}"
    return (
        server,
        f"{server}-LTSS",
        *(f"{base}:Linux Enterprise Module for {name} {release}" for name in _SUSE_MODULES),
    )


def _open_euler(base: str, distribution: Distribution) -> tuple[str, ...]:
    # Which of a release's service packs it is stands only in its full name.
    found = _EULER.match(distribution.name)
    if found is None:
        return (f"{base}:{distribution.version}",)
    release, kind = found.groups()
    return (f"{base}:{release}-{kind}" if kind else f"{base}:{release}",)


def _major(distribution: Distribution) -> str:
    return distribution.version.partition(".")[0]


#: Of the others OSV tells releases apart by the first part of their version.
_RELEASES: dict[str, Callable[[str, Distribution], tuple[str, ...]]] = {
    "Alpine": _alpine,
    "Photon OS": _photon,
    "Red Hat": _red_hat,
    "SUSE": _suse,
    "Ubuntu": _ubuntu,
    "openEuler": _open_euler,
    "openSUSE": _open_suse,
}
