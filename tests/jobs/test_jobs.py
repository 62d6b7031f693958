"""The queue of jobs and the worker that does them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.clock import SettableClock
from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.engine import Database
from ecr_emulator.jobs.queue import CLAIM, JobQueue
from ecr_emulator.jobs.worker import JobWorker


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path}/jobs.sqlite3", durability="relaxed")
    metadata.create_all(opened.engine)
    yield opened
    opened.close()


@pytest.fixture
def queue(database: Database, clock: SettableClock) -> JobQueue:
    return JobQueue(database, clock)


def add(database: Database, queue: JobQueue, number: int, **options: Any) -> None:
    with database.write() as connection:
        queue.add(connection, "note", {"number": number}, **options)


def test_in_the_order_they_are_due(
    database: Database, queue: JobQueue, clock: SettableClock
) -> None:
    done: list[int] = []
    worker = JobWorker(queue, {"note": lambda payload: done.append(payload["number"])}, {})
    add(database, queue, 1, due_at=clock.now() + timedelta(hours=1))
    add(database, queue, 2)
    add(database, queue, 3)
    assert worker.run_due() == 2
    assert done == [2, 3]
    clock.advance(timedelta(hours=1))
    assert worker.run_due() == 1
    assert done == [2, 3, 1]
    assert worker.run_due() == 0


def test_none_without_its_change(database: Database, queue: JobQueue) -> None:
    def change() -> None:
        with database.write() as connection:
            queue.add(connection, "note", {"number": 1})
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert queue.claim() is None


def test_a_job_is_claimed_once(database: Database, queue: JobQueue, clock: SettableClock) -> None:
    add(database, queue, 1)
    claimed = queue.claim()
    assert claimed is not None
    assert queue.claim() is None
    # The worker died with it: another one takes it over.
    clock.advance(CLAIM + timedelta(seconds=1))
    again = queue.claim()
    assert again is not None
    assert (again.id, again.attempts) == (claimed.id, 2)


def test_tried_again_and_given_up(
    database: Database, queue: JobQueue, clock: SettableClock
) -> None:
    tries: list[int] = []
    last_words: list[int] = []

    def fail(payload: dict[str, Any]) -> None:
        tries.append(payload["number"])
        raise OSError("no luck")

    worker = JobWorker(queue, {"note": fail}, {"note": lambda p: last_words.append(p["number"])})
    add(database, queue, 1)
    worker.run_due()
    assert tries == [1]
    assert worker.run_due() == 0
    for _ in range(10):
        clock.advance(timedelta(hours=1))
        worker.run_due()
    assert tries == [1] * 6
    assert last_words == [1]


def test_one_that_fails_does_not_hold_up_the_others(database: Database, queue: JobQueue) -> None:
    done: list[int] = []

    def work(payload: dict[str, Any]) -> None:
        if payload["number"] == 1:
            raise OSError("no luck")
        done.append(payload["number"])

    worker = JobWorker(queue, {"note": work}, {})
    for number in (1, 2):
        add(database, queue, number)
    worker.run_due()
    assert done == [2]


def test_in_the_background(database: Database, queue: JobQueue) -> None:
    done = threading.Event()
    worker = JobWorker(queue, {"note": lambda _: done.set()}, {})
    worker.start()
    try:
        add(database, queue, 1)
        assert done.wait(10)
    finally:
        worker.stop()


def test_a_slow_one_does_not_hold_up_the_others(database: Database, queue: JobQueue) -> None:
    """As a replication to an emulator that does not answer."""
    begun, let_go, done = threading.Event(), threading.Event(), threading.Event()

    def wait(_: dict[str, Any]) -> None:
        begun.set()
        let_go.wait(30)

    worker = JobWorker(queue, {"send": wait, "note": lambda _: done.set()}, {}, slow=("send",))
    worker.start()
    try:
        with database.write() as connection:
            queue.add(connection, "send", {})
        assert begun.wait(10)
        add(database, queue, 1)
        assert done.wait(10)
    finally:
        let_go.set()
        worker.stop()
    assert queue.claim() is None
