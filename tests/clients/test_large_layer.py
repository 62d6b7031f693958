"""A large layer streams both ways: the server's memory does not grow with it."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.memory import PeakMemory

MIB = 1024**2
SIZE = 300 * MIB
# Buffers of the requests under way and what the allocator keeps; a layer held whole, even once,
# would be many times this.
ALLOWED_GROWTH = 48 * MIB


def content(size: int) -> Iterator[bytes]:
    """Yield *size* bytes in mebibytes that differ from each other."""
    filler = bytes(range(256)) * (MIB // 256)
    for number in range(size // MIB):
        yield number.to_bytes(8, "big") + filler[8:]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_stays_flat(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(data_dir=tmp_path / "data")
    caller = Caller(server.url, tmp_path)
    caller.create_repository("large")
    oci = caller.oci()
    hashed = hashlib.sha256()
    for piece in content(SIZE):
        hashed.update(piece)
    digest = "sha256:" + hashed.hexdigest()
    oci.push_blob("large", b"a first one, so that what is loaded on first use is loaded")

    with PeakMemory(server.pid) as memory:
        before = memory.peak
        location = oci.upload_stream(oci.start_upload("large"), content(SIZE))
        assert oci.upload_offset(location) == SIZE
        oci.finish_upload(location, digest)
        received = hashlib.sha256()
        for piece in oci.stream_blob("large", digest):
            received.update(piece)
    assert "sha256:" + received.hexdigest() == digest
    assert memory.peak - before < ALLOWED_GROWTH, (
        f"{before / MIB:.0f} → {memory.peak / MIB:.0f} MiB"
    )
