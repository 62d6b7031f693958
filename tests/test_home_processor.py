"""Short requests stay on their worker's processor, where each worker has one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecr_emulator import home_processor
from tests.clients.caller import Caller
from tests.server.conftest import eventually
from tests.support.app import App
from tests.support.server import ServerProcess

Settle = Callable[[set[int], int, int], list[set[int]]]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="processors are chosen on Linux alone"
)


@pytest.fixture
def settle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settle]:
    """Settle as a worker of some, on some processors; returns where the thread is moved later."""
    moves: list[set[int]] = []

    def settle(processors: set[int], number: int, workers: int) -> list[set[int]]:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: processors)
        monkeypatch.setattr(os, "sched_setaffinity", lambda _, to: moves.append(set(to)))
        home_processor.settle(number, workers)
        return moves

    monkeypatch.setattr(home_processor, "_home", frozenset())
    monkeypatch.setattr(home_processor, "_is_busy", True)
    yield settle
    home_processor.roam()


def test_each_worker_has_a_home(settle: Settle) -> None:
    for number, home in ((1, 4), (2, 7), (3, 4)):
        moves = settle({4, 7}, number, 3)
        home_processor.stay()
        assert moves == [{home}]
        home_processor.roam()
        assert moves == [{home}, {4, 7}]
        moves.clear()


def test_a_thread_is_moved_once(settle: Settle) -> None:
    moves = settle({0, 1}, 1, 2)
    home_processor.roam()
    home_processor.stay()
    home_processor.stay()
    assert moves == [{0}]
    other = threading.Thread(target=home_processor.roam)
    other.start()
    other.join()
    assert moves == [{0}]


def test_who_is_not_busy_roams(settle: Settle) -> None:
    moves = settle({0, 1}, 1, 2)
    home_processor.stay()
    home_processor.be_busy(False)
    home_processor.stay()
    assert moves == [{0}, {0, 1}]
    home_processor.stay()
    assert moves == [{0}, {0, 1}]


@pytest.mark.parametrize("processors", [{0, 1, 2}, {0}])
def test_no_home_with_more_processors_or_one(settle: Settle, processors: set[int]) -> None:
    moves = settle(processors, 1, 2)
    home_processor.stay()
    assert moves == []


def test_processors_that_are_taken_away(settle: Settle, monkeypatch: pytest.MonkeyPatch) -> None:
    settle({0, 1}, 1, 2)

    def refuse(_pid: int, _processors: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    home_processor.stay()


def test_uploads_and_large_blobs_roam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(tmp_path)
    ecr, oci = app.ecr(), app.oci()
    ecr.create_repository(repositoryName="app")
    moves: list[str] = []
    monkeypatch.setattr(home_processor, "stay", lambda: moves.append("stay"))
    monkeypatch.setattr(home_processor, "roam", lambda: moves.append("roam"))

    def moved() -> str:
        last, moves[:] = moves[-1], []
        return last

    small, large = oci.push_blob("app", b"small"), oci.push_blob("app", bytes(1 << 20))
    assert moved() == "roam"
    ecr.describe_repositories()
    assert moved() == "stay"
    oci.expect(200, "GET", f"/v2/app/blobs/{small}")
    assert moved() == "stay"
    oci.expect(200, "GET", f"/v2/app/blobs/{large}")
    assert moved() == "roam"
    app.close()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are read there")
def test_calls_are_answered_at_home(tmp_path: Path) -> None:
    processors = len(os.sched_getaffinity(0))
    if not 1 < processors <= 8:
        pytest.skip("as many workers as processors would be none, or too many for a test")
    server = ServerProcess(tmp_path / "data", workers=processors, threads=1)
    try:
        ecr = Caller(server.url, tmp_path).client("ecr")
        assert not [one for worker in _workers(server.pid) for one in _homes(worker)]
        done = threading.Event()

        def call() -> None:
            while not done.is_set():
                ecr.describe_repositories()

        callers = [threading.Thread(target=call) for _ in range(4)]
        for one in callers:
            one.start()
        try:
            homes = eventually(
                lambda: [one for worker in _workers(server.pid) for one in _homes(worker)]
            )
        finally:
            done.set()
            for one in callers:
                one.join()
        assert len(set(homes)) == len(homes)
    finally:
        server.stop()


def _workers(master: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]


def _homes(worker: int) -> list[str]:
    """Return on which processors threads of a worker are that may be on one alone."""
    lines = [
        line
        for status in Path(f"/proc/{worker}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if line.startswith("Cpus_allowed_list:")
    ]
    allowed = [line.split()[1] for line in lines]
    return [one for one in allowed if one.isdigit()]
