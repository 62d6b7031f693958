"""The writers' turn: one at a time, of threads and of processes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from ecr_emulator.db.turns import Turn
from ecr_emulator.storage_failure import StorageFailure


@contextmanager
def taken(turn: Turn, seconds: float) -> Iterator[None]:
    turn.take(seconds)
    try:
        yield
    finally:
        turn.give_back()


def test_one_at_a_time_whichever_process_they_are_of(tmp_path: Path) -> None:
    # Each has the file open for itself, as two processes have.
    turns = [Turn(str(tmp_path / "lock")) for _ in range(2)]
    inside: list[int] = []
    most = [0]

    def work(turn: Turn) -> None:
        for _ in range(50):
            with taken(turn, 10):
                inside.append(1)
                most[0] = max(most[0], len(inside))
                inside.pop()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, turns * 2))
    assert most == [1]
    for turn in turns:
        turn.close()


def test_the_next_one_is_let_in_when_the_turn_is_given_up(tmp_path: Path) -> None:
    first, second = Turn(str(tmp_path / "lock")), Turn(str(tmp_path / "lock"))
    entered = threading.Event()

    def enter() -> None:
        with taken(second, 10):
            entered.set()

    def fail(pool: ThreadPoolExecutor) -> None:
        with taken(first, 10):
            pool.submit(enter)
            assert not entered.wait(0.1)
            raise RuntimeError

    with ThreadPoolExecutor(1) as pool, pytest.raises(RuntimeError):
        fail(pool)
    assert entered.is_set()
    first.close()
    second.close()


def test_writers_of_a_process_wait_only_so_long(tmp_path: Path) -> None:
    turn = Turn(str(tmp_path / "lock"))
    with (
        taken(turn, 10),
        pytest.raises(StorageFailure, match="database is locked"),
        taken(turn, 0.05),
    ):
        raise AssertionError("two at once")
    turn.close()


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    turn = Turn(str(tmp_path / "missing" / "lock"))
    for _ in range(2):
        with pytest.raises(StorageFailure, match="No such file"), taken(turn, 10):
            raise AssertionError("no lock, no turn")
