"""Layers unpacked as streams: what packs them, damage, and bombs."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import io
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.scanning import compression
from ecr_emulator.scanning.compression import Budget, unpacked_chunks
from ecr_emulator.scanning.limits import LayerError, Limits, TooLarge

MIB = 1024**2
zstd = next(
    importlib.import_module(name)
    for name in ("compression.zstd", "backports.zstd")
    if importlib.util.find_spec(name.partition(".")[0]) is not None
)

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstd.compress,
}


def unpack(data: bytes, limits: Limits | None = None) -> bytes:
    return b"".join(unpacked_chunks(io.BytesIO(data), Budget(limits or Limits())))


@pytest.mark.parametrize("packer", PACKERS)
@given(st.binary(max_size=5000), st.integers(1, 300))
def test_round_trip(packer: str, data: bytes, times: int) -> None:
    data = b"tar!" + data * times
    assert unpack(PACKERS[packer](data)) == data


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_several_streams(packer: str) -> None:
    """As estargz and parallel compressors write them; zeros at the end are padding."""
    parts = [bytes([number]) * 300_000 for number in range(5)]
    packed = b"".join(PACKERS[packer](part) for part in parts)
    assert unpack(packed) == b"".join(parts)
    assert unpack(packed + bytes(600_000)) == b"".join(parts)


def test_zstd_frames_to_be_skipped() -> None:
    """As zstd:chunked layers have them."""
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"skip"
    assert unpack(skipped + zstd.compress(b"content") + skipped) == b"content"


def test_output_held_back_at_the_end() -> None:
    """All input may be taken before all output is given."""
    data = bytes(10 * MIB)
    assert unpack(gzip.compress(data), Limits(ratio=10_000)) == data


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_damaged(packer: str) -> None:
    packed = PACKERS[packer](bytes(range(256)) * 1000)
    for bad in (packed[:-1], packed[: len(packed) // 2], packed + b"rubbish", packed[:4]):
        with pytest.raises(LayerError):
            unpack(bad)
    broken = bytearray(packed)
    broken[len(broken) // 2] ^= 0xFF
    broken[-5] ^= 0xFF
    with pytest.raises(LayerError):
        unpack(bytes(broken))


@given(st.sampled_from([b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b""]), st.binary(max_size=500))
def test_any_bytes(start: bytes, data: bytes) -> None:
    with contextlib.suppress(LayerError):
        unpack(start + data)


@pytest.mark.parametrize("packer", ["gzip", "zstd"])
def test_bombs(packer: str) -> None:
    bomb = PACKERS[packer](bytes(200 * MIB))
    tracemalloc.start()
    try:
        with pytest.raises(LayerError, match="unpacks to more than any real one does"):
            unpack_away(bomb, Limits(free=MIB, ratio=100))
        with pytest.raises(TooLarge):
            unpack_away(bomb, Limits(unpacked=50 * MIB, ratio=10**9))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()


def unpack_away(data: bytes, limits: Limits) -> None:
    for _ in unpacked_chunks(io.BytesIO(data), Budget(limits)):
        pass


def test_the_budget_is_for_all_layers() -> None:
    budget = Budget(Limits(unpacked=1500))
    list(unpacked_chunks(io.BytesIO(gzip.compress(b"x" * 1000)), budget))
    with pytest.raises(TooLarge):
        list(unpacked_chunks(io.BytesIO(gzip.compress(b"x" * 1000)), budget))


def test_large_zstd_windows_are_refused() -> None:
    """A frame may ask for gigabytes to be unpacked in."""
    # Magic number, no single segment, a window of 2^31 bytes; one raw block, which is empty.
    frame = b"\x28\xb5\x2f\xfd" + bytes([0x00, (31 - 10) << 3]) + b"\x01\x00\x00"
    with pytest.raises(LayerError):
        unpack(frame)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_zstd_module", lambda: None)
    assert unpack(gzip.compress(b"abc")) == b"abc"
    with pytest.raises(LayerError, match=r"install ecr-emulator\[scan\]"):
        unpack(zstd.compress(b"abc"))


def test_raw_deflate_is_no_layer() -> None:
    """It is taken for an archive as it is, which the archive's reader then refuses."""
    assert unpack(zlib.compress(b"abc")) == zlib.compress(b"abc")
