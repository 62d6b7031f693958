"""Request ids: random UUIDs, also in processes that were forked."""

from __future__ import annotations

import subprocess
import sys
from uuid import RFC_4122, UUID

from ecr_emulator.aws.request_ids import new_request_id

FORKING = """
import os
from ecr_emulator.aws.request_ids import new_request_id
if not os.fork():
    print(new_request_id(), flush=True)
    os._exit(0)
os.wait()
print(new_request_id())
"""


def test_request_ids_are_random_uuids() -> None:
    ids = [new_request_id() for _ in range(1000)]
    assert len(set(ids)) == len(ids)
    for text in ids:
        found = UUID(text)
        assert (str(found), found.version, found.variant) == (text, 4, RFC_4122)


def test_parent_and_child_make_different_ones() -> None:
    told = subprocess.run(
        [sys.executable, "-c", FORKING], check=True, capture_output=True, text=True, timeout=60
    )
    first, second = told.stdout.split()
    assert first != second
