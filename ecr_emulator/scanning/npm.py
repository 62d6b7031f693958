"""Node's packages: those in ``node_modules``, and what lock files say is to be installed.

Sources: npm documentation, "package.json" and "package-lock.json" (``packages`` of versions 2
and 3, ``dependencies`` of version 1).
"""

from __future__ import annotations

import json
from typing import Any

from ecr_emulator.scanning.packages import (
    NPM,
    FileContent,
    FileFacts,
    PackageList,
    file_name,
)
from ecr_emulator.scanning.tar_stream import Entry

_MODULES = "node_modules/"
_LOCKS = frozenset({"package-lock.json", "npm-shrinkwrap.json", ".package-lock.json"})
_MAX_DEPTH = 50


class NpmReader:
    """Reads which npm packages there are."""

    def wants(self, path: str, entry: Entry) -> bool:
        """Say whether the file describes an installed package, or is a lock file."""
        name = file_name(path)
        return name in _LOCKS or (name == "package.json" and f"/{_MODULES}" in f"/{path}")

    def read(self, path: str, content: FileContent) -> FileFacts:
        """Return the packages."""
        packages = PackageList(NPM, path)
        document = _load(content.read_all())
        if file_name(path) in _LOCKS:
            _read_lock(document, packages)
        else:
            # Folders of a package may have such a file too; theirs has no version.
            _add(packages, document.get("name"), document.get("version"))
        return packages.facts()


def _load(data: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read_lock(document: dict[str, Any], packages: PackageList) -> None:
    installed = document.get("packages")
    if isinstance(installed, dict):
        for place, item in installed.items():
            # Without the folder it is the project itself, or one of its workspaces.
            if isinstance(item, dict) and _MODULES in place and not item.get("link"):
                name = item.get("name") or place.rpartition(_MODULES)[2]
                _add(packages, name, item.get("version"))
        return
    pending = [(document.get("dependencies"), 0)]
    while pending:
        dependencies, depth = pending.pop()
        if not isinstance(dependencies, dict) or depth > _MAX_DEPTH:
            continue
        for name, item in dependencies.items():
            if isinstance(item, dict):
                _add(packages, name, item.get("version"))
                pending.append((item.get("dependencies"), depth + 1))


def _add(packages: PackageList, name: Any, version: Any) -> None:
    if isinstance(name, str) and isinstance(version, str):
        packages.add(name, version)
