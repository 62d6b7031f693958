"""Names of requests and events."""

from __future__ import annotations

import multiprocessing
import random
import uuid

from ecr_emulator.uuids import random_uuid


def test_they_are_random_uuids_as_the_library_writes_them() -> None:
    made = [random_uuid() for _ in range(1000)]
    assert len(set(made)) == 1000
    for text in made:
        parsed = uuid.UUID(text)
        assert str(parsed) == text
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)


def test_neither_a_seed_nor_a_fork_repeats_them() -> None:
    random.seed(1)
    first = random_uuid()
    random.seed(1)
    assert random_uuid() != first
    with multiprocessing.get_context("fork").Pool(1) as pool:
        theirs = pool.apply(random_uuid)
    assert random_uuid() != theirs
