"""OSV records read, and versions evaluated against them.

Source: OSV schema, "Evaluation" and its examples.
"""

from __future__ import annotations

import contextlib
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning.osv import Advisory, Affected, NotOsv, Record, affects, parse_record
from ecr_emulator.scanning.osv_files import CannotRead, read_records
from tests.scanning.osv_records import (
    GO_NET,
    JINJA,
    LODASH,
    LOG4J,
    OPENSSL,
    V3_CRITICAL,
    affected,
    record,
)


def parsed(document: Mapping[str, Any]) -> Record:
    return parse_record(json.loads(json.dumps(document)))


class TestParsing:
    def test_record(self) -> None:
        got = parsed(OPENSSL)
        assert got.advisory == Advisory(
            id="DEBIAN-CVE-2026-1001",
            aliases=("CVE-2026-1001",),
            details="The details of DEBIAN-CVE-2026-1001.",
            published="2026-01-01T00:00:00Z",
            modified="2026-02-03T04:05:06.789012Z",
            references=(
                "https://security-tracker.debian.org/tracker/CVE-2026-1001",
                "https://example.com/openssl",
            ),
            severities=(("CVSS_V3", V3_CRITICAL),),
        )
        assert got.modified_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
        assert got.affected[0] == Affected(
            "Debian:12",
            "openssl",
            ranges=((("introduced", "0"), ("fixed", "3.0.11-1~deb12u2")),),
            rating="not yet assigned",
        )
        assert not got.withdrawn

    def test_stored_form(self) -> None:
        for document in (OPENSSL, JINJA, LODASH):
            got = parsed(document)
            stored = json.loads(json.dumps(got.advisory.to_json()))
            assert Advisory.from_json(stored) == got.advisory
            for item in got.affected:
                stored = json.loads(json.dumps(item.to_json()))
                assert Affected.from_json(item.ecosystem, item.name, stored) == item

    def test_versions_count_only_without_ranges(self) -> None:
        """OSV lists each version of a range there again; that is most of an export's bytes."""
        assert parsed(OPENSSL).affected[0].versions == ()
        assert parsed(LODASH).affected[0].versions == ("4.17.20", "4.17.21")
        git = {"type": "GIT", "repo": "x", "events": [{"introduced": "0"}]}
        document = record("X-1", affected("PyPI", "aa", versions=["1.0"], ranges=[git]))
        assert parsed(document).affected[0].versions == ("1.0",)

    @pytest.mark.parametrize(
        "item",
        [
            affected("crates.io", "aa", ("introduced", "0")),
            affected("Arch Linux", "aa", ("introduced", "0")),
            affected("Debian:12", "", ("introduced", "0")),
            affected("Debian:12", "aa"),
            affected("Debian:12", "aa", ranges=[{"type": "GIT", "events": [{"introduced": "0"}]}]),
            {"ranges": []},
            "nothing",
        ],
    )
    def test_what_is_of_no_use(self, item: Any) -> None:
        assert parsed(record("X-1", item)).affected == ()

    def test_withdrawn(self) -> None:
        assert parsed({**JINJA, "withdrawn": "2026-03-01T00:00:00Z"}).withdrawn

    @pytest.mark.parametrize(
        "document",
        [
            None,
            [],
            {},
            {"id": "X-1"},
            {"id": "X-1", "modified": "yesterday"},
            {"id": "", "modified": "2026-01-01T00:00:00Z"},
            {"id": 1, "modified": "2026-01-01T00:00:00Z"},
        ],
    )
    def test_no_record(self, document: Any) -> None:
        with pytest.raises(NotOsv):
            parse_record(document)

    @given(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(
                    st.sampled_from(
                        [
                            "id",
                            "modified",
                            "affected",
                            "package",
                            "ecosystem",
                            "name",
                            "ranges",
                            "events",
                            "introduced",
                            "severity",
                            "type",
                            "score",
                            "aliases",
                            "references",
                            "url",
                            "database_specific",
                            "versions",
                        ]
                    ),
                    inner,
                    max_size=5,
                ),
            ),
            max_leaves=30,
        )
    )
    def test_any_document(self, document: Any) -> None:
        base = {"id": "X-1", "modified": "2026-01-01T00:00:00Z"}
        with contextlib.suppress(NotOsv):
            parse_record({**base, **document} if isinstance(document, dict) else document)


class TestEvaluation:
    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ("3.0.9-1", (True, "3.0.11-1~deb12u2")),
            ("3.0.11-1~deb12u1", (True, "3.0.11-1~deb12u2")),
            ("3.0.11-1~deb12u2", (False, "")),
            ("3.0.11-1", (False, "")),
            ("1:0", (False, "")),
            ("not a version", (False, "")),
        ],
    )
    def test_debian(self, version: str, expected: tuple[bool, str]) -> None:
        assert affects(parsed(OPENSSL).affected[0], version) == expected

    @pytest.mark.parametrize(
        ("version", "expected"),
        [
            ("1.19.0", (True, "1.20.10")),
            ("1.20.10", (False, "")),
            ("1.20.99", (False, "")),
            ("1.21.0-rc.1", (True, "1.21.3")),
            ("1.21.2", (True, "1.21.3")),
            ("1.21.3", (False, "")),
        ],
    )
    def test_several_branches(self, version: str, expected: tuple[bool, str]) -> None:
        assert affects(parsed(GO_NET).affected[1], version) == expected

    @pytest.mark.parametrize(
        ("version", "expected"),
        [("2.0-beta8", False), ("2.0", True), ("2.12", False), ("2.14.1", True), ("2.15.0", False)],
    )
    def test_several_ranges(self, version: str, expected: bool) -> None:
        got = parsed(LOG4J)
        assert any(affects(item, version)[0] for item in got.affected) is expected

    @pytest.mark.parametrize(
        ("events", "version", "expected"),
        [
            ((("introduced", "1.0"), ("last_affected", "2.0")), "0.9", False),
            ((("introduced", "1.0"), ("last_affected", "2.0")), "1.0", True),
            ((("introduced", "1.0"), ("last_affected", "2.0")), "2.0", True),
            ((("introduced", "1.0"), ("last_affected", "2.0")), "2.0.1", False),
            ((("introduced", "0"), ("limit", "2.0")), "1.9", True),
            ((("introduced", "0"), ("limit", "2.0")), "2.0", False),
            ((("introduced", "0"), ("limit", "*")), "99", True),
            ((("introduced", "0"),), "0.0.1", True),
            # In any order.
            ((("fixed", "2.0"), ("introduced", "3.0"), ("introduced", "0")), "2.5", False),
            ((("fixed", "2.0"), ("introduced", "3.0"), ("introduced", "0")), "3.0", True),
            ((("fixed", "2.0"), ("introduced", "3.0"), ("introduced", "0")), "1.0", True),
            # A range with what is no version says nothing.
            ((("introduced", "0"), ("fixed", "what?")), "1.0", False),
        ],
    )
    def test_events(self, events: Any, version: str, expected: bool) -> None:
        item = parsed(record("X-1", affected("PyPI", "aa", *events))).affected[0]
        assert affects(item, version)[0] is expected

    def test_listed_versions(self) -> None:
        item = parsed(LODASH).affected[0]
        assert affects(item, "4.17.20") == (True, "")
        assert affects(item, "4.17.22") == (False, "")

    @given(st.lists(st.integers(0, 40), min_size=1, max_size=6, unique=True), st.integers(0, 40))
    def test_as_intervals_say(self, points: list[int], version: int) -> None:
        """Introduced and fixed in turn are half-open intervals."""
        points.sort()
        events = [
            ("introduced" if index % 2 == 0 else "fixed", f"{point}.0")
            for index, point in enumerate(points)
        ]
        item = parsed(record("X-1", affected("PyPI", "aa", *events))).affected[0]
        before = sum(point <= version for point in points)
        hit, fixed = affects(item, f"{version}.0")
        assert hit is (before % 2 == 1)
        assert fixed == (f"{points[before]}.0" if hit and before < len(points) else "")

    @given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["Maven", "npm", "Go"]))
    def test_any_versions(self, fixed: str, version: str, ecosystem: str) -> None:
        events = ((("introduced", "0"), ("fixed", fixed)),)
        affects(Affected(ecosystem, "aa", events), version)


class TestFiles:
    def documents(self) -> dict[str, bytes]:
        return {
            "OPENSSL.json": json.dumps(OPENSSL).encode(),
            "below/JINJA.json": json.dumps(JINJA).encode(),
            "below/bad.json": b"{",
            "below/deep.json": b"[" * 100_000,
            "below/no-record.json": b"{}",
            "README.txt": b"not read",
        }

    def ids(self, path: Path) -> list[str]:
        return [
            f"bad: {item}" if isinstance(item, NotOsv) else item.advisory.id
            for item in read_records(path)
        ]

    def test_folder(self, tmp_path: Path) -> None:
        for name, data in self.documents().items():
            file = tmp_path / name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        folder = tmp_path / "below"
        assert self.ids(tmp_path) == [
            "DEBIAN-CVE-2026-1001",
            "GHSA-xxxx-yyyy-zzzz",
            f"bad: {folder}/bad.json: not JSON",
            f"bad: {folder}/deep.json: not JSON",
            f"bad: {folder}/no-record.json: without an id or the time of its last change",
        ]
        assert self.ids(folder / "JINJA.json") == ["GHSA-xxxx-yyyy-zzzz"]

    def test_zip(self, tmp_path: Path) -> None:
        path = tmp_path / "all.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in self.documents().items():
                archive.writestr(name, data)
        got = self.ids(path)
        assert got[:2] == ["DEBIAN-CVE-2026-1001", "GHSA-xxxx-yyyy-zzzz"]
        assert [item.split(":")[0] for item in got[2:]] == ["bad"] * 3

    def test_no_database(self, tmp_path: Path) -> None:
        text = tmp_path / "a.txt"
        text.write_text("x")
        damaged = tmp_path / "b.zip"
        with zipfile.ZipFile(damaged, "w") as archive:
            archive.writestr("a.json", json.dumps(OPENSSL))
        data = bytearray(damaged.read_bytes())
        data[40:60] = bytes(20)
        damaged.write_bytes(data)
        for path in (tmp_path / "none", text, damaged):
            with pytest.raises(CannotRead, match=path.name):
                list(read_records(path))
