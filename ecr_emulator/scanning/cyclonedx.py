"""What is installed in an image as a software bill of materials.

Sources: CycloneDX 1.6, JSON; the package URL specification and its types ``deb``, ``apk``, ``rpm``,
``pypi``, ``npm``, ``golang``, ``maven`` and ``oci``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ecr_emulator.scanning.distributions import PACKAGE_TYPES
from ecr_emulator.scanning.packages import GO, JAVA, NPM, OS, PYTHON, Inventory, Package

_NAMESPACE = uuid.UUID("4b6a1d0a-8a55-5d5a-9d3e-7f1f0f6b2a11")
#: The namespace of a distribution's packages where that is not its ``ID``.
_NAMESPACES = {
    "rhel": "redhat",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "sled": "suse",
    "sles": "suse",
    "sles_sap": "suse",
}


def bill_of_materials(
    inventory: Inventory, *, repository_uri: str, digest: str, made_at: datetime
) -> dict[str, Any]:
    """Return the bill of an image; the same image has the same serial number every time.

    :param repository_uri: host and name of the image's repository.
    :raises ImportError: the library that writes package URLs is not installed.
    """
    from packageurl import PackageURL

    name = repository_uri.rpartition("/")[2]
    qualifiers = {"repository_url": repository_uri}
    image_url = PackageURL("oci", None, name, digest, qualifiers).to_string()
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": uuid.uuid5(_NAMESPACE, image_url).urn,
        "version": 1,
        "metadata": {
            "timestamp": made_at.isoformat(),
            "component": {
                "type": "container",
                "bom-ref": image_url,
                "name": repository_uri,
                "version": digest,
                "purl": image_url,
            },
        },
        "components": list(_components(inventory)),
    }


def _components(inventory: Inventory) -> Iterable[dict[str, Any]]:
    system = inventory.distribution
    if system is not None:
        described: dict[str, Any] = {
            "type": "operating-system",
            "bom-ref": f"os:{system.id}",
            "name": system.id,
            "version": system.version,
            "description": system.name,
        }
        yield {name: value for name, value in described.items() if value}
    for number, package in enumerate(inventory.packages):
        component: dict[str, Any] = {
            "type": "library",
            # The same package may be installed in several places.
            "bom-ref": f"{number}:{package.manager}:{package.name}@{package.version}",
            "name": package.name,
            "version": package.version,
            "purl": _package_url(package, inventory),
            "properties": [
                {"name": f"ecr-emulator:{name}", "value": value}
                for name, value in (
                    ("file", package.path),
                    ("layer", package.layer),
                    ("source", package.source_name),
                    ("source-version", package.source_version),
                )
                if value
            ],
        }
        yield {name: value for name, value in component.items() if value}


def _package_url(package: Package, inventory: Inventory) -> str | None:
    from packageurl import PackageURL

    kind, namespace, name = _kind_and_name(package, inventory)
    version = package.version
    qualifiers: dict[str, str] = {}
    system = inventory.distribution
    if package.manager == OS:
        if package.arch:
            qualifiers["arch"] = package.arch
        if system is not None and system.version:
            qualifiers["distro"] = f"{system.id}-{system.version}"
        if kind == "rpm" and ":" in version:
            qualifiers["epoch"], _, version = version.partition(":")
    try:
        return PackageURL(kind, namespace, name, version, qualifiers or None).to_string()
    except ValueError:
        # A name that none of its kind has.
        return None


def _kind_and_name(package: Package, inventory: Inventory) -> tuple[str, str | None, str]:
    """Return the type of a package URL, its namespace and its name."""
    if package.manager == OS:
        system = inventory.distribution
        if system is None:
            return "generic", None, package.name
        kind = PACKAGE_TYPES.get(system.id, "generic")
        return kind, _NAMESPACES.get(system.id, system.id), package.name
    if package.manager == JAVA:
        group, _, artifact = package.name.partition(":")
        return "maven", group, artifact
    namespace, _, name = package.name.rpartition("/")
    kind = {PYTHON: "pypi", NPM: "npm", GO: "golang"}[package.manager]
    return kind, namespace or None, name
