"""What was committed is on the disk when write() returns, and writers share the syncs for it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from ecr_emulator.db.engine import Database
from ecr_emulator.storage_failure import StorageFailure


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path}/test.sqlite3", durability="full")
    with made.write() as connection:
        connection.execute(text("CREATE TABLE things (name TEXT)"))
    yield made
    made.close()


def add(database: Database, name: str) -> None:
    with database.write() as connection:
        connection.execute(text("INSERT INTO things VALUES (:name)"), {"name": name})


def names(database: Database) -> list[str]:
    return sorted(database.reader().execute(text("SELECT name FROM things")).scalars())


class Syncs:
    """Stands in for ``os.fdatasync``: notes what was synced, and waits or fails as told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.seen: list[tuple[str, list[str]]] = []
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.go_on.set()
        self.error: OSError | None = None

    def __call__(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        self.seen.append((Path(path).name, names(self.database)))
        self.begun.release()
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error


@pytest.fixture
def syncs(database: Database, monkeypatch: pytest.MonkeyPatch) -> Syncs:
    made = Syncs(database)
    monkeypatch.setattr(os, "fdatasync", made)
    return made


def test_the_log_is_synced_after_each_commit(database: Database, syncs: Syncs) -> None:
    add(database, "a")
    assert syncs.seen == [("test.sqlite3-wal", ["a"])]
    add(database, "b")
    assert syncs.seen[1:] == [("test.sqlite3-wal", ["a", "b"])]


def test_a_write_that_fails_syncs_nothing(database: Database, syncs: Syncs) -> None:
    with pytest.raises(RuntimeError), database.write():
        raise RuntimeError
    assert syncs.seen == []


def test_relaxed_durability_syncs_nothing(tmp_path: Path, syncs: Syncs) -> None:
    relaxed = Database(f"sqlite:///{tmp_path}/test.sqlite3", durability="relaxed")
    add(relaxed, "a")
    assert syncs.seen == []
    relaxed.close()


def test_writers_share_a_sync_that_began_after_their_commits(
    database: Database, syncs: Syncs
) -> None:
    syncs.go_on.clear()
    with ThreadPoolExecutor(5) as pool:
        first = pool.submit(add, database, "a")
        assert syncs.begun.acquire(timeout=10)
        others = [pool.submit(add, database, name) for name in "bcde"]
        while len(names(database)) < 5:
            pass
        assert not any(one.done() for one in [first, *others]), "none is on the disk yet"
        syncs.go_on.set()
        for one in [first, *others]:
            one.result(10)
    # The second began when at least one of the others had committed, most often all.
    assert len(syncs.seen) <= 3
    assert syncs.seen[-1][1] == ["a", "b", "c", "d", "e"]


def test_a_sync_that_fails(database: Database, syncs: Syncs) -> None:
    syncs.error = OSError(errno.EIO, "Input/output error")
    with pytest.raises(StorageFailure, match="Input/output error"):
        add(database, "a")
    # The kernel may have forgotten those pages: they go into the database, and are synced there.
    log = Path(str(database.engine.url.database) + "-wal")
    assert log.stat().st_size > 0
    add(database, "b")
    assert log.stat().st_size == 0
    assert len(syncs.seen) == 1
    syncs.error = None
    add(database, "c")
    assert len(syncs.seen) == 2
    assert names(database) == ["a", "b", "c"]


def test_those_who_wait_for_a_sync_that_fails(database: Database, syncs: Syncs) -> None:
    syncs.go_on.clear()
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(add, database, "a")
        assert syncs.begun.acquire(timeout=10)
        syncs.error = OSError(errno.EIO, "Input/output error")
        syncs.go_on.set()
        with pytest.raises(StorageFailure):
            first.result(10)
    assert names(database) == ["a"]
