"""Who may import whom: the arrows of ARCHITECTURE.md, which point down only.

The rooms are the package's folders and modules, and what each may import stands in
:data:`MAY_IMPORT`. A new room needs a line there, and so a thought about its floor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ecr_emulator

PACKAGE = ecr_emulator.__name__
ROOT = Path(ecr_emulator.__file__).parent

#: What all may import; these import nothing but each other.
GROUND = {
    "arns",
    "clock",
    "config",
    "digests",
    "endpoints",
    "home_processor",
    "media_types",
    "peer_headers",
    "metrics",
    "movable_clock",
    "policy",
    "quotas",
    "setting_sources",
    "setting_values",
    "storage_failure",
    "uuids",
    "wsgi_body",
}
#: The rooms above the ground, and which of each other they may import.
MAY_IMPORT: dict[str, set[str]] = {
    "db": set(),
    "blobs": set(),
    "delivery": set(),
    "scanning": set(),
    "signatures": set(),
    "tls": set(),
    "upstreams": set(),
    "jobs": {"db"},
    "auth": {"db"},
    "registry": {"db", "blobs", "jobs", "scanning", "signatures", "upstreams"},
    "admin": {"registry", "auth", "signatures"},
    "aws": {"registry", "auth"},
    "companions": {"auth", "upstreams"},
    "oci": {"registry", "auth"},
}
#: The top of the house, which wires it all and which nothing below may import. What begins
#: with ``cli_`` belongs to the command line.
TOP = {
    "__main__",
    "app",
    "cli",
    "connected_sockets",
    "connection_spread",
    "server",
    "stalls",
    "supervisor",
}

#: What only the doors, the control endpoints and the top know of.
WEB = {"flask", "werkzeug", "granian", "click"}
KNOW_THE_WEB = {"admin", "aws", "companions", "oci", *TOP}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[0]


def is_top(room: str) -> bool:
    return room in TOP or room.startswith("cli_")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the full name of everything that a module imports anywhere, and the line."""
    package = (PACKAGE, *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            for alias in node.names:
                # "from ecr_emulator import arns" imports a module; most import names of one.
                yield ".".join([*base, *filter(None, [node.module]), alias.name]), node.lineno


MODULES = sorted(ROOT.rglob("*.py"))
ROOMS = sorted({room_of(path) for path in MODULES} - {"__init__"})


def test_each_room_has_its_floor() -> None:
    placed = GROUND | MAY_IMPORT.keys() | TOP
    assert [room for room in ROOMS if room not in placed and not is_top(room)] == []


@pytest.mark.parametrize("room", [room for room in ROOMS if not is_top(room)])
def test_arrows_point_down(room: str) -> None:
    allowed = {room, "__version__", *GROUND, *MAY_IMPORT.get(room, ())}
    wrong = []
    for path in MODULES:
        if room_of(path) == room:
            for name, line in imports(path):
                parts = name.split(".")
                if parts[0] == PACKAGE and parts[1] not in allowed:
                    wrong.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert wrong == []


def test_the_arrows_have_no_circle() -> None:
    placed: set[str] = set()
    while placed != MAY_IMPORT.keys():
        free = {room for room, below in MAY_IMPORT.items() if below <= placed} - placed
        assert free, f"a circle among {MAY_IMPORT.keys() - placed}"
        placed |= free


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if room not in KNOW_THE_WEB and not is_top(room)]
)
def test_below_the_doors_nobody_knows_the_web(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in MODULES
        if room_of(path) == room
        for name, line in imports(path)
        if name.split(".")[0] in WEB
    ]
    assert wrong == []


def test_the_time_is_the_clocks() -> None:
    """Only ``clock.py`` asks the machine for the time of day, so that a test can move it."""
    askers = {("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("time", "time")}
    askers |= {("time", "time_ns"), ("time", "gmtime"), ("time", "localtime")}
    wrong = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if room_of(path) != "clock"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in askers
    ]
    assert wrong == []


def test_imports_are_found_in_every_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules above are worth no more than this reading."""
    monkeypatch.setattr("tests.test_import_rules.ROOT", tmp_path)
    module = tmp_path / "aws" / "ecr" / "tags.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "import os.path\n"
        "from ecr_emulator import arns\n"
        "from ecr_emulator.db.engine import Database\n"
        "from . import context\n"
        "from ..errors import AwsError\n"
        "from ...oci import door\n"
        "def f():\n"
        "    import flask\n"
    )
    assert list(imports(module)) == [
        ("os.path", 1),
        ("ecr_emulator.arns", 2),
        ("ecr_emulator.db.engine.Database", 3),
        ("ecr_emulator.aws.ecr.context", 4),
        ("ecr_emulator.aws.errors.AwsError", 5),
        ("ecr_emulator.oci.door", 6),
        ("flask", 8),
    ]
