"""Fixtures that all tests share, and the rule that nothing is skipped in CI."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import hypothesis
import pytest

from tests.support import postgresql
from tests.support.server import ServerProcess

#: What the tests see of the operations is held against what is claimed of them.
pytest_plugins = ["tests.support.sightings_plugin"]

#: Set by .ci/run: a test that cannot run there is a fault of the set-up, not a reason to pass.
NOTHING_SKIPPED = os.environ.get("ECR_EMULATOR_CI") == "1"

# How long an example takes depends on what else the machine does. CI tries the same examples
# every time, so that a run says something about the change and not about its luck; elsewhere
# every run tries others.
hypothesis.settings.register_profile("everywhere", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if NOTHING_SKIPPED else "everywhere")


class MakeServer(Protocol):
    """Starts a server that the test has to itself; see :class:`ServerProcess`."""

    def __call__(
        self, data_dir: Path | None = None, port: int = 0, **settings: Any
    ) -> ServerProcess: ...


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running server, one for each process of the test run; use an account of your own."""
    started = ServerProcess(tmp_path_factory.mktemp("server") / "data")
    yield started
    assert started.stop() == 0
    _expect_no_trace(started)


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[MakeServer]:
    """Starts servers that end with the test."""
    started: list[ServerProcess] = []

    def make(data_dir: Path | None = None, port: int = 0, **settings: Any) -> ServerProcess:
        made = ServerProcess(data_dir or tmp_path / "data", port, **settings)
        started.append(made)
        return made

    yield make
    for one in started:
        one.stop()
        _expect_no_trace(one)


def _expect_no_trace(server: ServerProcess) -> None:
    """No request, however odd, may end in an exception that nobody expected."""
    assert "Traceback (most recent call last)" not in server.log, server.log


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is of SQLite alone, over PostgreSQL."""
    if postgresql.SERVER:
        left_out = [item for item in items if item.get_closest_marker("of_sqlite")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail what would be skipped, in CI; add the servers' logs to what failed."""
    report = yield
    _fail_skipped(report)
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, ServerProcess):
                report.sections.append((f"server {value.url}", value.log[-20_000:]))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that would be skipped as a whole, in CI."""
    report = yield
    _fail_skipped(report)
    return report


def _fail_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure. An expected failure (xfail) is reported as one and stays."""
    if NOTHING_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"Nothing may be skipped under ECR_EMULATOR_CI=1. {reason}"
