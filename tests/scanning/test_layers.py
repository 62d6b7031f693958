"""Layers laid over each other: whiteouts, replacements, hostile paths, limits.

Source: OCI image specification, layer.md.
"""

from __future__ import annotations

import gzip
import importlib
import io
import tarfile
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning.layers import Layer, read_inventory
from ecr_emulator.scanning.limits import LayerError, Limits, TooLarge
from ecr_emulator.scanning.packages import Distribution, Inventory
from ecr_emulator.scanning.readers import READERS
from tests.support.rootfs import (
    ALPINE_RELEASE,
    DEBIAN_RELEASE,
    Files,
    alpine,
    archive,
    debian,
    dpkg_status,
    folder,
    go_program,
    link,
    packed,
)

STATUS = "var/lib/dpkg/status"


def inventory(*layers: Files | bytes, limits: Limits | None = None) -> Inventory:
    def opening(data: bytes) -> Callable[[], io.BytesIO]:
        return lambda: io.BytesIO(data)

    made = [
        Layer(f"sha256:{number}", opening(layer if isinstance(layer, bytes) else packed(layer)))
        for number, layer in enumerate(layers)
    ]
    return read_inventory(made, READERS, limits)


def names(*layers: Files | bytes) -> list[str]:
    return [package.name for package in inventory(*layers).packages]


def metadata(name: str, version: str = "1.0") -> str:
    return f"Name: {name}\nVersion: {version}\n"


def python_files(*projects: str, folder: str = "usr/lib/python3") -> dict[str, str]:
    return {f"{folder}/{name}.dist-info/METADATA": metadata(name) for name in projects}


def test_debian_and_alpine() -> None:
    found = inventory(debian([("libssl3", "3.0.11-1", "openssl"), ("libc6", "2.36-9", "glibc")]))
    assert found.distribution == Distribution("debian", "12", "Debian GNU/Linux 12 (bookworm)")
    assert [package.name for package in found.packages] == ["libc6", "libssl3"]
    assert found.has_system_packages
    found = inventory(alpine())
    assert found.distribution is not None
    assert (found.distribution.id, names(alpine())) == ("alpine", ["musl"])


def test_nothing() -> None:
    assert inventory() == Inventory()
    assert inventory({}, {"etc/passwd": "root"}) == Inventory()


@pytest.mark.parametrize("packing", ["gzip", "zstd", "plain"])
@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_packings(packing: str, format: int) -> None:
    data = archive(alpine(), format)
    if packing == "gzip":
        data = gzip.compress(data)
    elif packing == "zstd":
        try:
            data = importlib.import_module("compression.zstd").compress(data)
        except ImportError:
            data = importlib.import_module("backports.zstd").compress(data)
    assert names(data) == ["musl"]


class TestWhiteouts:
    BELOW = python_files("aa", "bb")

    @pytest.mark.parametrize(
        ("above", "left"),
        [
            ({"usr/lib/python3/.wh.aa.dist-info": ""}, ["bb"]),
            ({"usr/lib/python3/aa.dist-info/.wh.METADATA": ""}, ["bb"]),
            ({"usr/lib/.wh.python3": ""}, []),
            ({".wh.usr": ""}, []),
            ({"./usr/./lib//.wh.python3": ""}, []),
            ({"usr/lib/python3/.wh..wh..opq": ""}, []),
            ({"usr/.wh..wh..opq": ""}, []),
            ({".wh..wh..opq": ""}, []),
            ({"usr/lib/python3/.wh.cc.dist-info": ""}, ["aa", "bb"]),
            ({"usr/lib/python4/.wh..wh..opq": ""}, ["aa", "bb"]),
            ({"usr/lib/python3/.wh.": ""}, ["aa", "bb"]),
        ],
    )
    def test_removes_what_is_below(self, above: Mapping[str, str], left: list[str]) -> None:
        assert names(self.BELOW, above) == left

    @pytest.mark.parametrize("marker", ["usr/lib/.wh.python3", "usr/lib/python3/.wh..wh..opq"])
    @pytest.mark.parametrize("first", [True, False])
    def test_leaves_its_own_layer_alone(self, marker: str, first: bool) -> None:
        own = python_files("cc")
        above = {marker: "", **own} if first else {**own, marker: ""}
        assert names(self.BELOW, above) == ["cc"]

    def test_comes_back(self) -> None:
        gone = {"usr/lib/.wh.python3": ""}
        assert names(self.BELOW, gone, python_files("aa")) == ["aa"]


class TestReplacements:
    def test_by_a_newer_file(self) -> None:
        below = {STATUS: dpkg_status([("aa", "1", ""), ("bb", "1", "")])}
        above = {STATUS: dpkg_status([("aa", "1", ""), ("bb", "2", ""), ("cc", "1", "")])}
        found = inventory(below, {"etc/hosts": ""}, above).packages
        assert [(item.name, item.version, item.layer) for item in found] == [
            ("aa", "1", "sha256:0"),
            ("bb", "2", "sha256:2"),
            ("cc", "1", "sha256:2"),
        ]

    @pytest.mark.parametrize("other", [link("elsewhere"), folder(), "no programme", b""])
    def test_by_something_else(self, other: tarfile.TarInfo | str | bytes) -> None:
        program = go_program("go1.20", "dep\texample.com/a\tv1.0.0\n")
        assert names({"usr/bin/app": program}) == ["example.com/a", "stdlib"]
        assert names({"usr/bin/app": program}, {"usr/bin/app": other}) == []
        assert names({"usr/bin/app": program, "./usr/bin/app": other}) == []

    def test_of_a_folder_by_a_file(self) -> None:
        assert names(python_files("aa"), {"usr/lib": "now a file"}) == []
        assert names(python_files("aa"), {"usr/lib": link("lib64")}) == []
        # A folder that is there again changes nothing below it.
        assert names(python_files("aa"), {"usr/lib/": folder()}) == ["aa"]

    def test_of_the_operating_system(self) -> None:
        found = inventory({"etc/os-release": ALPINE_RELEASE}, {"etc/os-release": DEBIAN_RELEASE})
        assert found.distribution is not None
        assert found.distribution.id == "debian"
        both = {"usr/lib/os-release": DEBIAN_RELEASE, "etc/os-release": ALPINE_RELEASE}
        found = inventory(both)
        assert found.distribution is not None
        assert found.distribution.id == "alpine"


@pytest.mark.parametrize(
    "path",
    [
        "../lib/apk/db/installed",
        "lib/apk/../apk/db/installed",
        "x/" * 3000 + "node_modules/a/package.json",
        "..",
        "/",
        "",
        ".wh.",
        ".wh...",
        "\udcff\udcfe",
    ],
)
def test_hostile_paths(path: str) -> None:
    """They are passed over, and what else there is is read."""
    database = alpine()["./lib/apk/db/installed"]
    assert names({path: database, **python_files("aa")}) == ["aa"]


def test_absolute_paths_are_below_the_root() -> None:
    assert names({f"/{STATUS}": dpkg_status([("aa", "1", "")])}) == ["aa"]


def test_links_are_not_followed() -> None:
    """An archive can make them lead anywhere."""
    assert names({STATUS: link("/etc/passwd")}) == []
    hard = tarfile.TarInfo()
    hard.type = tarfile.LNKTYPE
    hard.linkname = "etc/passwd"
    assert names({STATUS: hard}) == []


class TestLimits:
    def test_large_files_are_passed_over(self) -> None:
        files = {"a.dist-info/METADATA": metadata("aa") + "\n" + "x" * 5000, **python_files("bb")}
        found = inventory(files, limits=Limits(file=2000)).packages
        assert [package.name for package in found] == ["bb"]

    def test_large_programs_are_read(self) -> None:
        """They are never held as a whole."""
        program = go_program("go1.20", "", position=1_000_000 - 1_000_000 % 16)
        found = inventory({"bin/app": program}, limits=Limits(file=2000)).packages
        assert [package.name for package in found] == ["stdlib"]

    @pytest.mark.parametrize("limits", [Limits(unpacked=5000), Limits(entries=2)])
    def test_of_all_layers_together(self, limits: Limits) -> None:
        inventory({"aa": "x"}, limits=Limits(unpacked=11_000, entries=3))
        with pytest.raises(TooLarge):
            inventory({"aa": "x"}, {"bb": "x"}, limits=limits)

    def test_packages(self) -> None:
        inventory(python_files("aa", "bb"), limits=Limits(packages=2))
        with pytest.raises(TooLarge):
            inventory(python_files("aa", "bb"), python_files("cc"), limits=Limits(packages=2))

    @pytest.mark.parametrize(
        "data",
        [b"rubbish" * 100, gzip.compress(b"rubbish" * 100)],
        # The tests' names must be the same in every process: gzip writes the time.
        ids=["plain", "compressed"],
    )
    def test_damage_is_of_the_whole_image(self, data: bytes) -> None:
        with pytest.raises(LayerError):
            inventory(alpine(), data)


# A model to compare with: a file system as a dict of whole paths.

_PARTS = st.sampled_from(["a", "b", "c"])
_FILES = st.lists(_PARTS, min_size=1, max_size=3).map("/".join)
_LAYERS = st.lists(
    st.dictionaries(
        _FILES,
        st.sampled_from(["file", "link", "folder", "whiteout", "opaque"]),
        max_size=5,
    ),
    max_size=4,
)


@given(_LAYERS)
def test_as_a_model_has_it(changes: list[dict[str, str]]) -> None:
    expected: dict[str, str] = {}
    layers: list[dict[str, str | tarfile.TarInfo]] = []
    for number, layer in enumerate(changes):
        files: dict[str, str | tarfile.TarInfo] = {}
        added: dict[str, str] = {}
        for place, kind in layer.items():
            path = f"{place}.egg-info" if kind == "file" else place
            parent, _, name = path.rpartition("/")
            if kind == "file":
                project = f"p{number}-{len(files)}"
                files[path] = metadata(project)
                added[path] = project
                expected.pop(path, None)
            elif kind == "folder":
                files[f"{path}/"] = folder()
            elif kind == "link":
                files[path] = link("x")
                expected = _without(expected, path)
            elif kind == "whiteout":
                files[f"{parent}/.wh.{name}" if parent else f".wh.{name}"] = ""
                expected = _without(expected, path)
            else:
                files[f"{path}/.wh..wh..opq"] = ""
                expected = _without(expected, path)
        # A link in the place of a folder of the same layer is no archive that a tool writes.
        for path in added:
            for place, kind in layer.items():
                if kind == "link" and path.startswith(f"{place}/"):
                    return
        expected |= added
        layers.append(files)
    assert sorted(names(*layers)) == sorted(expected.values())


def _without(files: dict[str, str], path: str) -> dict[str, str]:
    return {
        name: project
        for name, project in files.items()
        if name != path and not name.startswith(f"{path}/")
    }
