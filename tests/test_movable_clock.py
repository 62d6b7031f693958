"""The clock of an installation: what it shows, to every process that looks."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from ecr_emulator.movable_clock import BeyondTime, MovableClock

MONTH = timedelta(days=30)
NEAR = timedelta(seconds=20)


@pytest.fixture
def clock(tmp_path: Path) -> Iterator[MovableClock]:
    made = MovableClock(tmp_path)
    yield made
    made.close()


def machine() -> datetime:
    return datetime.now(timezone.utc)


def test_it_shows_the_machines_time_until_it_is_moved(clock: MovableClock) -> None:
    before = machine()
    assert before <= clock.now() <= machine()
    assert clock.state().offset == timedelta(0)
    assert clock.move(by=MONTH) == MONTH
    assert abs(clock.now() - machine() - MONTH) < NEAR
    assert clock.state().offset == MONTH
    assert clock.now() < clock.now(), "it goes on"
    assert clock.reset() == -MONTH
    assert abs(clock.now() - machine()) < NEAR


def test_it_stands_still(clock: MovableClock) -> None:
    then = datetime(2031, 5, 6, 7, 8, 9, 123456, tzinfo=timezone.utc)
    clock.move(to=then, frozen=True)
    assert clock.now() == clock.now() == then
    # A duration moves it on, and it stands still still.
    assert clock.move(by=timedelta(hours=12)) == timedelta(hours=12)
    assert clock.now() == then + timedelta(hours=12)
    assert clock.state().frozen
    clock.move(frozen=False)
    assert timedelta(0) < clock.now() - then - timedelta(hours=12) < NEAR


def test_other_processes_see_it_at_once(clock: MovableClock, tmp_path: Path) -> None:
    then = datetime(2040, 1, 1, tzinfo=timezone.utc)
    clock.move(to=then, frozen=True)
    script = (
        "import sys, pathlib; from ecr_emulator.movable_clock import MovableClock;"
        "clock = MovableClock(pathlib.Path(sys.argv[1]));"
        "print(clock.now().isoformat(), flush=True); sys.stdin.readline();"
        "print(clock.now().isoformat(), flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline().strip() == then.isoformat()
        clock.move(by=MONTH)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline().strip() == (then + MONTH).isoformat()


def test_it_outlives_its_processes(clock: MovableClock, tmp_path: Path) -> None:
    clock.move(by=MONTH)
    again = MovableClock(tmp_path)
    assert again.state().offset == MONTH
    again.close()


def test_those_who_move_it_at_once_all_do(clock: MovableClock, tmp_path: Path) -> None:
    others = [MovableClock(tmp_path) for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda other: [other.move(by=timedelta(hours=1)) for _ in range(25)],
            args=(other,),
        )
        for other in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert abs(clock.state().offset - timedelta(hours=100)) < timedelta(seconds=1)
    for other in others:
        other.close()


@pytest.mark.parametrize(
    "beyond", [timedelta(days=365 * 7500), -timedelta(days=365 * 100), timedelta.max]
)
def test_times_it_cannot_show(clock: MovableClock, beyond: timedelta) -> None:
    with pytest.raises(BeyondTime):
        clock.move(by=beyond)
    assert clock.state().offset == timedelta(0)
