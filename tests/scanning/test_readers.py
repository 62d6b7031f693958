"""Packages read out of the files that package managers leave, and out of rubbish."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning.golang import find_build_info
from ecr_emulator.scanning.java import has_small_directory
from ecr_emulator.scanning.os_release import parse_os_release
from ecr_emulator.scanning.packages import Distribution, FileFacts, Package
from ecr_emulator.scanning.readers import READERS
from ecr_emulator.scanning.tar_stream import Entry
from tests.support.rootfs import (
    ALPINE_RELEASE,
    DEBIAN_RELEASE,
    apk_installed,
    dpkg_status,
    go_program,
)


class Content:
    def __init__(self, data: bytes, chunk: int = 1000) -> None:
        self._data = data
        self._chunk = chunk

    def read_all(self) -> bytes | None:
        return self._data

    def chunks(self) -> Iterable[bytes]:
        for start in range(0, len(self._data), self._chunk):
            yield self._data[start : start + self._chunk]


class TooLong(Content):
    def read_all(self) -> bytes | None:
        return None


def entry(path: str, size: int, mode: int = 0o644) -> Entry:
    return Entry(path, "file", size, mode, "")


def facts_of(path: str, data: bytes | str, mode: int = 0o644) -> FileFacts | None:
    """Return what the file makes known, or ``None`` if no reader wants it."""
    data = data.encode() if isinstance(data, str) else data
    for reader in READERS:
        if reader.wants(path, entry(path, len(data), mode)):
            return reader.read(path, Content(data))
    return None


def found(path: str, data: bytes | str, mode: int = 0o644) -> list[tuple[str, str]]:
    facts = facts_of(path, data, mode)
    assert facts is not None, f"nobody wants {path}"
    return [(package.name, package.version) for package in facts.packages]


class TestOsRelease:
    def test_debian_and_alpine(self) -> None:
        facts = facts_of("usr/lib/os-release", DEBIAN_RELEASE)
        assert facts == FileFacts(
            distribution=Distribution("debian", "12", "Debian GNU/Linux 12 (bookworm)")
        )
        facts = facts_of("etc/os-release", ALPINE_RELEASE)
        assert facts is not None
        assert facts.distribution == Distribution("alpine", "3.18.4", "Alpine Linux v3.18")

    @pytest.mark.parametrize(
        ("text", "distribution"),
        [
            ("ID=debian\n", Distribution("debian")),
            ("ID='ubuntu'\nVERSION_ID='22.04'\n", Distribution("ubuntu", "22.04")),
            ("#ID=x\nID=wolfi\r\nVERSION_ID=\n", Distribution("wolfi")),
            ("ID=a\nVERSION_ID=1 2\n", Distribution("a")),
            ("", None),
            ("ID=\n", None),
            ("ID=De bian\n", None),
            ("ID=" + "x" * 100, None),
        ],
    )
    def test_forms(self, text: str, distribution: Distribution | None) -> None:
        assert parse_os_release(text.encode()) == distribution

    def test_elsewhere_is_nothing(self) -> None:
        assert facts_of("srv/etc/os-release", DEBIAN_RELEASE) is None


class TestDpkg:
    def test_status(self) -> None:
        status = dpkg_status(
            [
                ("libssl3", "3.0.11-1~deb12u1", "openssl"),
                ("libc6", "2.36-9+deb12u3", "glibc"),
                ("tzdata", "2023c-5", ""),
                ("binutils", "2.40-2+b1", "binutils (2.40-2)"),
            ]
        )
        facts = facts_of("var/lib/dpkg/status", status)
        assert facts is not None
        assert facts.lists_system
        assert facts.packages[0] == Package(
            "OS",
            "libssl3",
            "3.0.11-1~deb12u1",
            "amd64",
            "openssl",
            "3.0.11-1~deb12u1",
            "var/lib/dpkg/status",
        )
        assert [
            (package.name, package.source_name, package.source_version)
            for package in facts.packages[1:]
        ] == [
            ("libc6", "glibc", "2.36-9+deb12u3"),
            ("tzdata", "tzdata", "2023c-5"),
            ("binutils", "binutils", "2.40-2"),
        ]

    @pytest.mark.parametrize(
        "state", ["deinstall ok config-files", "install ok half-installed", "unknown"]
    )
    def test_what_is_not_installed(self, state: str) -> None:
        status = dpkg_status([("aa", "1", "")]).replace("install ok installed", state)
        assert found("var/lib/dpkg/status", status) == []

    def test_distroless(self) -> None:
        """One file for each package, which has no status."""
        paragraph = "Package: base-files\nVersion: 12.4+deb12u2\nArchitecture: amd64\n"
        assert found("var/lib/dpkg/status.d/base", paragraph) == [("base-files", "12.4+deb12u2")]
        assert facts_of("var/lib/dpkg/status.d/base.md5sums", "x  y") is None

    def test_empty_is_a_list_nonetheless(self) -> None:
        assert facts_of("var/lib/dpkg/status", "") == FileFacts(lists_system=True)


def test_apk() -> None:
    database = apk_installed([("libcrypto3", "3.1.4-r0", "openssl"), ("musl", "1.2.4-r1", "")])
    for path in ("lib/apk/db/installed", "usr/lib/apk/db/installed"):
        facts = facts_of(path, database)
        assert facts is not None
        assert facts.lists_system
        assert facts.packages == (
            Package("OS", "libcrypto3", "3.1.4-r0", "x86_64", "openssl", "3.1.4-r0", path),
            Package("OS", "musl", "1.2.4-r1", "x86_64", "musl", "1.2.4-r1", path),
        )


@pytest.mark.parametrize(
    "path",
    [
        "usr/lib/python3/site-packages/Jinja2-2.4.1.dist-info/METADATA",
        "opt/venv/lib/jinja2.egg-info/PKG-INFO",
        "usr/lib/python3/dist-packages/Jinja2-2.4.1.egg-info",
        "opt/Jinja2-2.4.1-py3.egg/EGG-INFO/PKG-INFO",
    ],
)
def test_python(path: str) -> None:
    text = "Metadata-Version: 2.1\nname: Jinja2\nVersion: 2.4.1\n\nName: not this\nVersion: 9\n"
    assert found(path, text) == [("Jinja2", "2.4.1")]
    assert found(path, "Name: Jinja2\n\n") == []


class TestNpm:
    def test_installed(self) -> None:
        document = json.dumps({"name": "@scope/lodash", "version": "4.17.20"})
        path = "app/node_modules/@scope/lodash/package.json"
        assert found(path, document) == [("@scope/lodash", "4.17.20")]
        assert found("node_modules/a/package.json", document) == [("@scope/lodash", "4.17.20")]
        assert facts_of("app/package.json", document) is None

    def test_lock_files(self) -> None:
        newer = {
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "app", "version": "1.0.0"},
                "packages/own": {"version": "1.0.0"},
                "node_modules/own": {"link": True, "resolved": "packages/own"},
                "node_modules/lodash": {"version": "4.17.20"},
                "node_modules/a/node_modules/@b/c": {"version": "2.0.0"},
                "node_modules/alias": {"name": "real", "version": "3.0.0"},
                "node_modules/odd": {"version": 3},
            },
        }
        assert found("app/package-lock.json", json.dumps(newer)) == [
            ("lodash", "4.17.20"),
            ("@b/c", "2.0.0"),
            ("real", "3.0.0"),
        ]
        older = {
            "dependencies": {
                "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0"}}},
                "c": {"version": "3.0.0"},
            }
        }
        assert sorted(found("app/package-lock.json", json.dumps(older))) == [
            ("a", "1.0.0"),
            ("b", "2.0.0"),
            ("c", "3.0.0"),
        ]

    @pytest.mark.parametrize(
        "text",
        ["", "[]", "{", "[" * 10**5, '{"dependencies":[1]}', '{"packages":{"node_modules/a":1}}'],
    )
    def test_rubbish(self, text: str) -> None:
        assert found("app/package-lock.json", text) == []

    def test_endless_nesting(self) -> None:
        text = '{"dependencies":{"a":{"version":"1"' + ',"dependencies":{"a":{"version":"1"' * 400
        assert len(found("package-lock.json", text + "}}" * 401 + "}")) < 100


class TestGo:
    MODULES = (
        "path\texample.com/app\nmod\texample.com/app\t(devel)\t\n"
        "dep\tgolang.org/x/net\tv0.7.0\th1:abc=\n"
        "dep\tgithub.com/old/name\tv1.0.0\n=>\tgithub.com/new/name\tv1.2.3\th1:def=\n"
        "build\t-compiler=gc\n"
    )
    MODULES_FOUND = (
        ("stdlib", "1.20.1"),
        ("example.com/app", "(devel)"),
        ("golang.org/x/net", "v0.7.0"),
        ("github.com/new/name", "v1.2.3"),
    )

    def test_modules(self) -> None:
        program = go_program("go1.20.1 X:boringcrypto", self.MODULES)
        assert found("usr/bin/app", program, mode=0o755) == list(self.MODULES_FOUND)
        assert facts_of("usr/bin/app", program, mode=0o644) is None

    @pytest.mark.parametrize("chunk", [1, 7, 16, 1000, 10**6])
    @pytest.mark.parametrize("position", [64, 1024, 100_000 - 100_000 % 16])
    def test_wherever_it_is_cut(self, chunk: int, position: int) -> None:
        if chunk == 1 and position > 2000:
            position = 2048
        program = go_program("go1.20.1", self.MODULES, position=position)[: position + 2000]
        assert find_build_info(Content(program, chunk).chunks()) == ("go1.20.1", self.MODULES)

    def test_others_are_passed_over(self) -> None:
        program = go_program("go1.20.1", self.MODULES)
        # The magic number where it does not count, with flags of an older format, cut off.
        shifted = b"\x7fELF" + bytes(9) + b"\xff Go buildinf:\x08\x02" + bytes(3)
        padded = shifted + bytes(-len(shifted) % 16)
        assert find_build_info([padded, program[16:]]) is not None
        older = b"\x7fELF" + bytes(12) + b"\xff Go buildinf:\x08\x00" + bytes(100)
        assert find_build_info([older]) is None
        assert find_build_info([program[:80]]) is None
        assert find_build_info([b"#!/bin/sh\n" + program]) is None
        assert find_build_info([]) is None
        long = b"\x7fELF" + bytes(12) + b"\xff Go buildinf:\x08\x02" + bytes(16) + b"\xff" * 100
        assert find_build_info([long]) is None

    @given(st.lists(st.binary(max_size=100), max_size=5))
    def test_any_bytes(self, parts: list[bytes]) -> None:
        data = b"\x7fELF" + b"".join(part + b"\xff Go buildinf:\x08\x02" for part in parts)
        find_build_info(Content(data, 13).chunks())


def jar(members: dict[str, bytes | str]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def pom(group: str, artifact: str, version: str) -> dict[str, bytes | str]:
    text = f"#Generated\nversion={version}\ngroupId = {group}\nartifactId={artifact}\n"
    return {f"META-INF/maven/{group}/{artifact}/pom.properties": text}


class TestJava:
    LOG4J = jar(pom("org.apache.logging.log4j", "log4j-core", "2.14.1"))
    FOUND = ("org.apache.logging.log4j:log4j-core", "2.14.1")

    def test_jar(self) -> None:
        assert found("app/log4j-core.jar", self.LOG4J) == [self.FOUND]

    def test_archives_in_archives(self) -> None:
        war = jar({**pom("com.example", "app", "1.0"), "WEB-INF/lib/log4j.jar": self.LOG4J})
        ear = jar({"app.war": war})
        names = [("com.example:app", "1.0"), self.FOUND]
        assert found("app.war", war) == names
        assert found("app.ear", ear) == names
        deeper = jar({"a.jar": jar({"b.jar": jar({"c.jar": self.LOG4J})})})
        assert found("deep.jar", deeper) == []

    @pytest.mark.parametrize("data", [b"", b"PK", b"x" * 1000, LOG4J[:-10], LOG4J[10:]])
    def test_damaged(self, data: bytes) -> None:
        found("a.jar", data)

    @given(st.data())
    def test_changed_bytes(self, data: st.DataObject) -> None:
        damaged = bytearray(self.LOG4J)
        for _ in range(data.draw(st.integers(1, 6))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        found("a.jar", bytes(damaged))

    def test_bomb(self) -> None:
        bomb = jar({f"{number}.jar": bytes(100 * 1024**2) for number in range(3)})
        assert found("bomb.jar", bomb) == []

    def test_large_directory(self) -> None:
        record = bytearray(self.LOG4J[-22:])
        record[12:16] = (9 * 1024**2).to_bytes(4, "little")
        assert has_small_directory(self.LOG4J)
        assert not has_small_directory(self.LOG4J[:-22] + bytes(record))
        assert not has_small_directory(self.LOG4J[:-22] + bytes(record) + self.LOG4J[-22:])


class TestAll:
    PATHS = (
        "etc/os-release",
        "var/lib/dpkg/status",
        "var/lib/dpkg/status.d/a",
        "lib/apk/db/installed",
        "a.dist-info/METADATA",
        "a.egg-info",
        "node_modules/a/package.json",
        "package-lock.json",
        "a.jar",
    )

    @given(st.sampled_from(PATHS), st.one_of(st.binary(max_size=300), st.text(max_size=300)))
    def test_any_content(self, path: str, data: bytes | str) -> None:
        facts_of(path, data)

    @pytest.mark.parametrize("path", PATHS)
    def test_what_is_too_long_is_passed_over(self, path: str) -> None:
        reader = next(item for item in READERS if item.wants(path, entry(path, 10)))
        assert reader.read(path, TooLong(b"")) == FileFacts()

    def test_odd_names_and_versions(self) -> None:
        status = dpkg_status([("a" * 300, "1", ""), ("bb", "1\x1b[31m", ""), ("cc", "1", "")])
        assert found("var/lib/dpkg/status", status) == [("cc", "1")]

    @pytest.mark.parametrize(
        "path", ["usr/share/doc/status", "etc/passwd", "package.json", "a.py", "METADATA"]
    )
    def test_other_files(self, path: str) -> None:
        assert facts_of(path, b"x") is None
