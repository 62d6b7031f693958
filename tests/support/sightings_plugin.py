"""Holds what tests see of the operations against what ``tests/aws/proofs.json`` claims they see.

With ``ECR_EMULATOR_SIGHTINGS`` set to a folder, what each test sees is written there as well:
``scripts/docs/proofs`` makes the claims of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.proofs import claims_of, lost, read_proofs
from tests.support.sightings import Sightings

_sightings = Sightings()
_claims = claims_of(read_proofs())
#: Tests of the files that were collected of which something is claimed, and which are not there.
_gone: list[str] = []
_REMEDY = "after a change of the tests run scripts/docs/proofs"
#: The test of each operation's coverage, by what its id begins with.
_COVERAGE = "tests/aws/test_operation_coverage.py::test_an_operation_is_served_and_proved"
_folder = os.environ.get("ECR_EMULATOR_SIGHTINGS")


@pytest.fixture(autouse=True, scope="session")
def _watch_operations() -> Iterator[None]:
    _sightings.watch()
    yield
    _sightings.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Find the claims about tests that are gone: nothing would hold them to anything."""
    if not any("::" in arg for arg in config.args) and not config.getoption("lf", False):
        _gone.extend(lost(_claims, (item.nodeid for item in items)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Fail a test that passes without seeing what it is claimed to see."""
    _sightings.take()
    yield
    seen = _sightings.take()
    if _folder and not _is_generated(item):
        _write(Path(_folder), item.nodeid, seen)
        return
    gone = [test for test in _gone if test.startswith(item.nodeid.partition("::")[0])]
    assert not gone, f"proofs.json names tests that are not there: {', '.join(gone)}; {_REMEDY}"
    for key, claimed in _claims.get(item.nodeid, {}).items():
        missed = sorted(claimed - seen.get(key, set()))
        assert not missed, (
            f"proofs.json claims that this test sees {', '.join(missed)} of {'.'.join(key)}; "
            f"{_REMEDY}"
        )


def _is_generated(item: pytest.Item) -> bool:
    """Return whether the test makes up its inputs: what it sees is not the same each time."""
    return bool(getattr(getattr(item, "obj", None), "is_hypothesis_test", False))


def _write(folder: Path, test: str, seen: dict[tuple[str, str], set[str]]) -> None:
    line = json.dumps([test, {".".join(key): sorted(what) for key, what in seen.items() if what}])
    with (folder / f"{os.getpid()}.jsonl").open("a") as file:
        file.write(line + "\n")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many operations are served and proved, when the test of it ran."""
    reports = [report for some in terminalreporter.stats.values() for report in some]
    ran = [report for report in reports if _is_coverage(report)]
    good = [report for report in ran if report.passed]
    if ran:
        terminalreporter.write_sep("=", f"operations served and proved: {len(good)}/{len(ran)}")


def _is_coverage(report: Any) -> bool:
    return getattr(report, "when", "") == "call" and report.nodeid.startswith(_COVERAGE)
