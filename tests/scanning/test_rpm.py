"""rpm's database in its three forms: made by hand, by rpm and Berkeley DB, and by nobody sane."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.scanning import rpm
from ecr_emulator.scanning.packages import FileFacts
from ecr_emulator.scanning.rpm_databases import read_headers
from ecr_emulator.scanning.rpm_headers import RpmPackage, parse_header
from tests.scanning.test_readers import facts_of
from tests.support import rpmdb

SQLITE = "var/lib/rpm/rpmdb.sqlite"
HEADERS = [rpmdb.header(package) for package in rpmdb.PACKAGES]


def needs(command: str, package: str) -> str:
    """Return where a command is, or skip the test."""
    found = shutil.which(command)
    if found is None:
        pytest.skip(f"{command} is not installed (Debian: {package})")
    return found


def found(path: str, data: bytes) -> list[tuple[str, str, str, str, str]]:
    facts = facts_of(path, data)
    assert facts is not None
    assert facts.lists_system
    return [
        (item.name, item.version, item.arch, item.source_name, item.source_version)
        for item in facts.packages
    ]


class TestForms:
    @pytest.mark.parametrize("path", rpmdb.DATABASES)
    def test_packages(self, path: str) -> None:
        """A signing key is no package."""
        assert found(path, rpmdb.DATABASES[path](HEADERS)) == rpmdb.FOUND

    @pytest.mark.parametrize("padding", [0, 500, 4070, 4071, 100_000])
    @pytest.mark.parametrize("path", rpmdb.DATABASES)
    def test_of_any_length(self, path: str, padding: int) -> None:
        headers = [rpmdb.header(package, padding) for package in rpmdb.PACKAGES]
        assert found(path, rpmdb.DATABASES[path](headers)) == rpmdb.FOUND

    @pytest.mark.parametrize("size", [512, 4096, 65536])
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_berkeley_of_other_machines(self, order: str, size: int) -> None:
        headers = [rpmdb.header(package, 2000) for package in rpmdb.PACKAGES]
        data = rpmdb.berkeley_database(headers, order, size if size < 65536 else 32768)
        assert found("var/lib/rpm/Packages", data) == rpmdb.FOUND

    @pytest.mark.parametrize("make", [rpmdb.sqlite_database, rpmdb.ndb_database])
    def test_no_packages_yet(self, make: Any) -> None:
        assert facts_of(SQLITE, make([])) == FileFacts(lists_system=True)

    def test_elsewhere_is_nothing(self) -> None:
        assert facts_of("srv/rpmdb.sqlite", rpmdb.sqlite_database(HEADERS)) is None
        assert facts_of("var/lib/rpm/Name", b"x") is None

    @pytest.mark.parametrize("data", [b"", b"x", b"SQLite format", bytes(5000)])
    def test_what_is_no_database(self, data: bytes) -> None:
        assert facts_of(SQLITE, data) == FileFacts()

    def test_larger_than_any_is_passed_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(rpm, "_MAX_DATABASE", 8000)
        assert facts_of(SQLITE, rpmdb.sqlite_database(HEADERS)) == FileFacts()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="its sqlite3 opens files alone")
def test_nothing_is_written_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", None)
    for path, make in rpmdb.DATABASES.items():
        assert found(path, make(HEADERS)) == rpmdb.FOUND


class TestHeader:
    def test_without_what_a_package_may_lack(self) -> None:
        package = parse_header(rpmdb.header(("name", "1", "", None, "odd")))
        assert package == RpmPackage("name", "1", "x86_64")

    @pytest.mark.parametrize("name", ["", "x" * 300])
    def test_without_a_name(self, name: str) -> None:
        assert parse_header(rpmdb.header((name, "1", "1", None, ""))) is None

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\0" * 7,
            struct.pack(">II", 0, 0),
            struct.pack(">II", 0xFFFFFFFF, 0xFFFFFFFF),
            struct.pack(">II", 1, 8) + bytes(8),
            struct.pack(">IIIIII", 1, 4, 1000, 6, 0xFFFFFFFF, 1) + b"abc\0",
            struct.pack(">IIIIII", 1, 4, 1000, 6, 0, 1) + b"abcd",
        ],
    )
    def test_rubbish(self, data: bytes) -> None:
        assert parse_header(data) is None

    @given(st.binary(max_size=300))
    def test_any_bytes(self, data: bytes) -> None:
        parse_header(data)
        parse_header(struct.pack(">II", min(len(data) // 20, 5), len(data) // 2) + data)


class TestHostile:
    @given(st.sampled_from(sorted(rpmdb.DATABASES)), st.integers(0), st.binary(min_size=1))
    @settings(max_examples=150, deadline=None)
    def test_damaged_anywhere(self, path: str, position: int, patch: bytes) -> None:
        """What is found in it is what was in it, or nothing; it ends, and raises nothing."""
        data = bytearray(_intact(path))
        # Half of the damage is where the layout is told.
        position %= len(data) if position % 2 else 4300
        data[position : position + len(patch)] = patch
        facts = facts_of(path, bytes(data))
        assert facts is not None
        assert len(facts.packages) <= 3

    @given(st.sampled_from(sorted(rpmdb.DATABASES)), st.integers(0, 10**6))
    @settings(max_examples=60, deadline=None)
    def test_cut_off(self, path: str, length: int) -> None:
        data = _intact(path)
        assert facts_of(path, data[: length % len(data)]) is not None

    @given(st.sampled_from([b"SQLite format 3\0", b"RpmP"]), st.binary(max_size=5000))
    @settings(max_examples=60, deadline=None)
    def test_any_bytes(self, magic: bytes, data: bytes) -> None:
        assert facts_of(SQLITE, magic + data) is not None

    @pytest.mark.parametrize(
        "schema",
        [
            "CREATE VIEW Packages AS WITH RECURSIVE c(blob) AS "
            "(SELECT x'00' UNION ALL SELECT blob FROM c) SELECT blob FROM c",
            "CREATE VIEW Packages AS SELECT zeroblob(1000000000) AS blob",
            "CREATE VIEW Packages AS SELECT sql AS blob FROM sqlite_master",
            "CREATE VIEW Packages AS SELECT a.blob FROM Real a, Real b, Real c, Real d",
            "CREATE TABLE Packages (hnum INTEGER, blob AS (zeroblob(900000000)))",
            "CREATE TABLE Packages (hnum INTEGER, blob TEXT)",
            "CREATE TABLE Other (blob BLOB)",
        ],
    )
    def test_a_schema_that_does_something(self, schema: str, tmp_path: Path) -> None:
        path = tmp_path / "rpmdb.sqlite"
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("CREATE TABLE Real (blob BLOB)")
            connection.executemany("INSERT INTO Real VALUES (?)", [(b"x" * 100,)] * 300)
            connection.execute(schema)
            if "blob TEXT" in schema:
                connection.execute("INSERT INTO Packages VALUES (1, 'text')")
            elif "CREATE TABLE Packages" in schema:
                connection.execute("INSERT INTO Packages (hnum) VALUES (1)")
        started = time.monotonic()
        facts = facts_of(SQLITE, path.read_bytes())
        assert facts == FileFacts(lists_system=True)
        assert time.monotonic() - started < 5

    def test_slots_that_share_a_blob(self) -> None:
        """All headers together are no more than the file."""
        data = bytearray(rpmdb.ndb_database([rpmdb.header(rpmdb.PACKAGES[0], 100_000)]))
        data[48:4096] = data[32:48] * 253
        headers = read_headers(data)
        assert headers is not None
        assert sum(len(header) for header in headers) <= len(data)

    def test_pages_that_follow_themselves(self) -> None:
        data = bytearray(rpmdb.berkeley_database([rpmdb.header(rpmdb.PACKAGES[0], 9000)]))
        # The second overflow page goes back to the first; the value says it is long.
        data[3 * 4096 + 16 : 3 * 4096 + 20] = struct.pack("<I", 2)
        at = data.index(struct.pack("<B3xI", 3, 2), 4096) + 8
        data[at : at + 4] = struct.pack("<I", 30 * 1024**2)
        headers = read_headers(data)
        assert headers is not None
        assert sum(len(header) for header in headers) <= len(data)


_made: dict[str, bytes] = {}


def _intact(path: str) -> bytes:
    if path not in _made:
        headers = [rpmdb.header(package, 3000) for package in rpmdb.PACKAGES]
        _made[path] = rpmdb.DATABASES[path](headers)
    return _made[path]


SPEC = """\
Name: openssl
Epoch: 1
Version: 3.0.7
Release: 24.el9
Summary: A package
License: none
BuildArch: noarch
%description
A package.
%package libs
Summary: Another
Version: 3.1
%description libs
Another.
%package -n many
Summary: A package with many files
%description -n many
A package with many files.
%install
mkdir -p %{buildroot}/many
cd %{buildroot}/many && touch $(seq 500)
%files
%files libs
%files -n many
/many
"""
INSTALLED = [
    ("many", "1:3.0.7-24.el9", "noarch", "openssl", "1:3.0.7-24.el9"),
    ("openssl", "1:3.0.7-24.el9", "noarch", "openssl", "1:3.0.7-24.el9"),
    ("openssl-libs", "1:3.1-24.el9", "noarch", "openssl", "1:3.0.7-24.el9"),
]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The database of a root file system into which rpm installed packages that it built."""
    rpmbuild = needs("rpmbuild", "rpm")
    folder = tmp_path_factory.mktemp("rpm")
    (folder / "some.spec").write_text(SPEC)
    quiet: dict[str, Any] = {"check": True, "cwd": folder, "capture_output": True}
    define = ["--define", f"_topdir {folder}", "--define", f"_rpmdir {folder}"]
    subprocess.run([rpmbuild, "-bb", *define, "some.spec"], **quiet)
    built = [str(path) for path in sorted((folder / "noarch").glob("*.rpm"))]
    place = ["--root", str(folder / "root"), "--dbpath", "/var/lib/rpm"]
    subprocess.run(["rpm", *place, "-i", "--justdb", "--nodeps", "--noscripts", *built], **quiet)
    return (folder / "root/var/lib/rpm/rpmdb.sqlite").read_bytes()


class TestRealOnes:
    def test_rpms_own(self, real: bytes) -> None:
        assert sorted(found(SQLITE, real)) == INSTALLED

    def test_berkeley_dbs(self, real: bytes, tmp_path: Path) -> None:
        """The same headers in a hash table that Berkeley DB wrote."""
        load = needs("db5.3_load", "db5.3-util")
        database = tmp_path / "rpmdb.sqlite"
        database.write_bytes(real)
        with closing(sqlite3.connect(database)) as connection:
            rows = connection.execute("SELECT hnum, blob FROM Packages").fetchall()
        # Its largest number, beside the packages; many more make it grow to several pages.
        pairs = [(0, struct.pack("<I", len(rows))), *rows]
        pairs += [
            (number, b"\0" * random.Random(number).randrange(9000)) for number in range(9, 99)
        ]
        path = tmp_path / "Packages"
        _load(load, path, pairs)
        assert sorted(found("var/lib/rpm/Packages", path.read_bytes())) == INSTALLED

    def test_versions_as_rpm_compares_them(self) -> None:
        from ecr_emulator.scanning.ecosystems import parse_version

        rpm_command = needs("rpm", "rpm")
        texts = ["1.0", "1.0~rc1", "1.0^git1", "1.0^", "1.0.1", "1.0a", "1.a", "10", "9", "01.0"]
        texts += [
            "2.0.1a",
            "2.0.1.a",
            "1.0~",
            "1.0~~",
            "1_0",
            "6.0.rc1",
            "6.0",
            "A",
            "a",
            "1.0^1~a",
        ]
        script = "".join(
            f'print(rpm.vercmp("{one}", "{other}") .. " ")' for one in texts for other in texts
        )
        evaluated = subprocess.run(
            [rpm_command, "--eval", f"%{{lua:{script}}}"], capture_output=True, check=True
        )
        expected = [int(item) for item in evaluated.stdout.split()]
        pairs = [(one, other) for one in texts for other in texts]
        for (one, other), order in zip(pairs, expected, strict=True):
            first, second = (parse_version("Red Hat:x", text) for text in (one, other))
            assert first is not None
            assert second is not None
            assert ((first > second) - (first < second)) == order, (one, other)


def _load(command: str, path: Path, pairs: Sequence[tuple[int, bytes]]) -> None:
    lines = ["VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=4096", "HEADER=END"]
    for number, data in pairs:
        lines += [f" {struct.pack('<I', number).hex()}", f" {data.hex()}"]
    subprocess.run(
        [command, str(path)], input="\n".join([*lines, "DATA=END", ""]).encode(), check=True
    )
