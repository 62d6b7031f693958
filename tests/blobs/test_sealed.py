"""The sealed blob store: what every store does, and what happens to who changes its files."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecr_emulator.blobs import sealing
from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from ecr_emulator.blobs.sealed import SealedBlobStore
from ecr_emulator.blobs.sealing import CHUNK, HEADER_SIZE, SLOT_SIZE
from ecr_emulator.blobs.store import BlobDamaged, BlobMissing, Progress
from ecr_emulator.digests import digest_bytes
from tests.blobs.store_suite import (
    NOTHING,
    BlobStoreSuite,
    append,
    commit,
    commit_unrecorded,
    new_upload,
    put,
    read,
)

MARKER = b"nobody is to read this on the disk"
STRIDE = CHUNK + 32


class Key:
    """A key with versions, of which the last one wraps."""

    def __init__(self, name: str = "a", versions: int = 1) -> None:
        self.name = name * 16
        self.versions = [bytes([number]) * 32 for number in range(1, versions + 1)]

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        nonce = os.urandom(12)
        version = len(self.versions)
        wrapped = AESGCM(self.versions[-1]).encrypt(nonce, data_key, context)
        return version.to_bytes(4, "big") + nonce + wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        version = int.from_bytes(wrapped[:4], "big")
        if not 0 < version <= len(self.versions):
            return None
        try:
            return AESGCM(self.versions[version - 1]).decrypt(wrapped[4:16], wrapped[16:], context)
        except InvalidTag:
            return None

    def is_current(self, wrapped: bytes) -> bool:
        return int.from_bytes(wrapped[:4], "big") == len(self.versions)


class TestSealed(BlobStoreSuite):
    """The shared suite."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> SealedBlobStore:
        return FilesystemBlobStore(tmp_path).sealed(Key())

    @pytest.fixture
    def twin(self, store: SealedBlobStore, tmp_path: Path) -> SealedBlobStore:
        return FilesystemBlobStore(tmp_path).sealed(Key())


@pytest.fixture
def folder(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path)


@pytest.fixture
def store(folder: FilesystemBlobStore) -> SealedBlobStore:
    return folder.sealed(Key())


def data_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def file_of(tmp_path: Path, digest: str, key_name: str = "a" * 16) -> Path:
    encoded = digest.removeprefix("sha256:")
    return tmp_path / "blobs" / "sha256" / encoded[:2] / f"{encoded}.{key_name}"


SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 17 * CHUNK, 20 * CHUNK + 5]


class TestReading:
    @pytest.mark.parametrize("size", SIZES)
    def test_any_size(self, store: SealedBlobStore, tmp_path: Path, size: int) -> None:
        data = data_of(size)
        digest = put(store, data)
        assert read(store, digest) == data
        assert store.size(digest) == size
        assert file_of(tmp_path, digest).stat().st_size == sealing.file_size(size)

    @pytest.fixture(scope="class")
    @staticmethod
    def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[SealedBlobStore, str, bytes]:
        store = FilesystemBlobStore(tmp_path_factory.mktemp("stored")).sealed(Key())
        data = data_of(3 * CHUNK + 7)
        return store, put(store, data), data

    near_a_border = st.builds(
        lambda chunk, distance: max(0, chunk * CHUNK + distance),
        st.integers(0, 4),
        st.integers(-3, 8),
    )

    @given(start=near_a_border, end=near_a_border)
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    def test_any_range(
        self, stored: tuple[SealedBlobStore, str, bytes], start: int, end: int
    ) -> None:
        store, digest, data = stored
        with store.open(digest) as file:
            file.seek(start)
            assert file.read(max(0, end - start)) == data[start:end]
            assert file.tell() == max(start, min(end, len(data)))

    @pytest.mark.parametrize("step", [1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
    def test_in_steps(self, store: SealedBlobStore, step: int) -> None:
        data = data_of(5 * CHUNK + 5)
        with store.open(put(store, data)) as file:
            assert b"".join(iter(lambda: file.read(step), b"")) == data

    def test_a_file_like_any_other(self, store: SealedBlobStore) -> None:
        digest = put(store, data_of(CHUNK + 10))
        with store.open(digest) as file:
            assert file.seek(-4, os.SEEK_END) == CHUNK + 6
            assert file.seek(-8, os.SEEK_CUR) == CHUNK - 2
            assert file.read() == data_of(CHUNK + 10)[-12:]
            assert file.read(1) == b""
            with pytest.raises(ValueError, match="negative"):
                file.seek(-1)
        assert file.closed


class TestUploads:
    @given(cuts=st.lists(st.integers(0, 3 * CHUNK), max_size=6), forget=st.booleans())
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    def test_appends_of_any_length(
        self, tmp_path_factory: pytest.TempPathFactory, cuts: list[int], forget: bool
    ) -> None:
        root = tmp_path_factory.mktemp("store")
        store = FilesystemBlobStore(root).sealed(Key())
        data = data_of(3 * CHUNK)
        upload_id, progress = new_upload(store), NOTHING
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
            if forget:
                store = FilesystemBlobStore(root).sealed(Key())
            progress = append(store, upload_id, progress, data[start:end])
        commit(store, upload_id, progress, digest_bytes(data))
        assert read(store, digest_bytes(data)) == data
        # Whatever the appends were, it is stored as any blob.
        length = file_of(root, digest_bytes(data)).stat().st_size
        assert length == sealing.file_size(len(data))

    def test_an_append_rewrites_nothing_that_was_acknowledged(
        self, store: SealedBlobStore, tmp_path: Path
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"first")
        before = (tmp_path / "uploads" / upload_id).read_bytes()
        append(store, upload_id, progress, b"second")
        assert (tmp_path / "uploads" / upload_id).read_bytes().startswith(before)

    def test_a_half_written_chunk_is_dropped(self, store: SealedBlobStore, tmp_path: Path) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        with (tmp_path / "uploads" / upload_id).open("ab") as file:
            file.write(b"\0\0\0\5 and no more")
        again = FilesystemBlobStore(tmp_path).sealed(Key())
        progress = append(again, upload_id, progress, b" on")
        commit(again, upload_id, progress, digest_bytes(b"kept on"))
        assert read(again, digest_bytes(b"kept on")) == b"kept on"

    @pytest.mark.parametrize("length", [0, 10, HEADER_SIZE, HEADER_SIZE + 33])
    def test_acknowledged_bytes_are_lost(
        self, store: SealedBlobStore, tmp_path: Path, length: int
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        os.truncate(tmp_path / "uploads" / upload_id, length)
        again = FilesystemBlobStore(tmp_path).sealed(Key())
        with pytest.raises(BlobMissing):
            append(again, upload_id, progress, b" on")
        with pytest.raises(BlobMissing):
            commit(again, upload_id, progress, progress.digest)

    def test_an_upload_of_another_key_or_of_none_is_none(
        self, store: SealedBlobStore, folder: FilesystemBlobStore
    ) -> None:
        plain, sealed = new_upload(folder), new_upload(store)
        progress = append(folder, plain, NOTHING, b"abc")
        append(store, sealed, NOTHING, b"abc")
        other = Key()
        other.versions = [b"x" * 32]
        for upload_id, view in ((plain, store), (sealed, folder.sealed(other))):
            with pytest.raises(BlobMissing):
                append(view, upload_id, progress, b"d")

    def test_an_upload_is_read_while_it_grows(self, store: SealedBlobStore) -> None:
        upload_id = new_upload(store)
        with pytest.raises(BlobMissing):
            store.open_upload(upload_id)
        data = data_of(2 * CHUNK + 9)
        progress = append(store, upload_id, NOTHING, data[:CHUNK])
        with store.open_upload(upload_id) as file:
            assert file.read(CHUNK * 5) == data[:CHUNK]
            assert file.read(1) == b""
            append(store, upload_id, progress, data[CHUNK:])
            # Whole chunks alone: what is behind them may yet be half a chunk.
            assert file.read(CHUNK * 5) == data[CHUNK : 2 * CHUNK]
            assert file.seek(0, os.SEEK_END) == 2 * CHUNK

    def test_a_commit_cut_short_then_made_under_the_other_algorithm(
        self, store: SealedBlobStore
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        commit_unrecorded(store, upload_id, progress)
        long = digest_bytes(b"abc", "sha512")
        commit(store, upload_id, progress, long)
        assert read(store, long) == read(store, progress.digest) == b"abc"


class TestOnTheDisk:
    def test_nothing_can_be_read(self, store: SealedBlobStore, tmp_path: Path) -> None:
        put(store, MARKER * 5000)
        upload_id = new_upload(store)
        append(store, upload_id, NOTHING, MARKER)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) == 2
        assert not any(MARKER in path.read_bytes() for path in files)

    def test_the_same_blob_looks_different_each_time(
        self, store: SealedBlobStore, tmp_path: Path
    ) -> None:
        path = file_of(tmp_path, put(store, b"abc"))
        before = path.read_bytes()
        put(store, b"abc")
        after = path.read_bytes()
        assert len(before) == len(after)
        assert before[HEADER_SIZE:] != after[HEADER_SIZE:]

    def test_each_key_has_its_own_file(
        self, folder: FilesystemBlobStore, store: SealedBlobStore
    ) -> None:
        other = folder.sealed(Key("b"))
        digest = put(store, b"abc")
        with pytest.raises(BlobMissing):
            other.open(digest)
        with pytest.raises(BlobMissing):
            folder.open(digest)
        for view in (other, folder):
            put(view, b"abc")
        assert set(folder.copies()) == {(digest, name) for name in ("", "a" * 16, "b" * 16)}
        assert folder.sealed_size(digest, "a" * 16) == 3
        assert folder.collect_copies(digest, ["a" * 16], lambda: True) == 3
        assert set(folder.copies()) == {(digest, ""), (digest, "b" * 16)}
        assert read(other, digest) == read(folder, digest) == b"abc"
        assert folder.collect(digest, lambda: True) == 3 + 3
        assert list(folder.copies()) == []


def change(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda data: b"",
    "cut in the header": lambda data: data[: HEADER_SIZE - 1],
    "cut to the header": lambda data: data[:HEADER_SIZE],
    "cut in a chunk": lambda data: data[:-1],
    "the last chunk cut off": lambda data: data[: HEADER_SIZE + 2 * STRIDE],
    "cut to a tag": lambda data: data[: HEADER_SIZE + 2 * STRIDE + 20],
    "lengthened": lambda data: data + data[-1:],
    "a chunk repeated": lambda data: data[: HEADER_SIZE + STRIDE] + data[HEADER_SIZE:],
    "no magic": lambda data: b"x" + data[1:],
    "no data key": lambda data: data[:8] + bytes(2 * SLOT_SIZE) + data[HEADER_SIZE:],
    "chunks swapped": lambda data: (
        data[:HEADER_SIZE]
        + data[HEADER_SIZE + STRIDE : HEADER_SIZE + 2 * STRIDE]
        + data[HEADER_SIZE : HEADER_SIZE + STRIDE]
        + data[HEADER_SIZE + 2 * STRIDE :]
    ),
}


class TestDamage:
    DATA = data_of(2 * CHUNK + 100)

    @pytest.mark.parametrize("name", DAMAGES)
    def test_what_is_no_longer_whole_is_not_read(
        self, store: SealedBlobStore, tmp_path: Path, name: str
    ) -> None:
        digest = put(store, self.DATA)
        path = file_of(tmp_path, digest)
        path.write_bytes(DAMAGES[name](path.read_bytes()))
        with pytest.raises(BlobDamaged):
            read(store, digest)
        assert put(store, self.DATA) == digest
        assert read(store, digest) == self.DATA

    @pytest.mark.parametrize("part", ["length", "nonce", "ciphertext", "tag"])
    @pytest.mark.parametrize("chunk", [0, 1, 2])
    def test_a_bit_of_a_chunk(
        self, store: SealedBlobStore, tmp_path: Path, chunk: int, part: str
    ) -> None:
        digest = put(store, self.DATA)
        offset = {"length": 3, "nonce": 4, "ciphertext": 50, "tag": -1}[part]
        start = HEADER_SIZE + chunk * STRIDE
        end = min(start + STRIDE, sealing.file_size(len(self.DATA)))
        change(file_of(tmp_path, digest), end - 1 if offset < 0 else start + offset)
        with store.open(digest) as file:
            # What comes before it is whole, and no byte of it is given.
            assert file.read(chunk * CHUNK) == self.DATA[: chunk * CHUNK]
            with pytest.raises(BlobDamaged, match=f"chunk {chunk}"):
                file.read(1)

    def test_a_chunk_of_another_blob(self, store: SealedBlobStore, tmp_path: Path) -> None:
        digest, other = put(store, self.DATA), put(store, self.DATA[::-1])
        path, donor = file_of(tmp_path, digest), file_of(tmp_path, other).read_bytes()
        data = path.read_bytes()
        path.write_bytes(data[:-STRIDE] + donor[-STRIDE:])
        with pytest.raises(BlobDamaged):
            read(store, digest)

    def test_the_file_of_another_blob(self, store: SealedBlobStore, tmp_path: Path) -> None:
        digest, other = put(store, b"abc"), put(store, b"abd")
        file_of(tmp_path, other).rename(file_of(tmp_path, digest))
        with pytest.raises(BlobDamaged, match="not this blob's"):
            store.open(digest)

    def test_a_file_cut_while_it_is_read(self, store: SealedBlobStore, tmp_path: Path) -> None:
        digest = put(store, self.DATA)
        with store.open(digest) as file:
            os.truncate(file_of(tmp_path, digest), HEADER_SIZE + STRIDE)
            assert file.read(CHUNK) == self.DATA[:CHUNK]
            with pytest.raises(BlobDamaged):
                file.read()

    def test_another_key(self, folder: FilesystemBlobStore, store: SealedBlobStore) -> None:
        digest = put(store, b"abc")
        other = Key()
        other.versions = [b"x" * 32]
        with pytest.raises(BlobDamaged):
            folder.sealed(other).open(digest)


class TestRotation:
    def test_blobs_are_wrapped_anew_and_not_written(
        self, folder: FilesystemBlobStore, store: SealedBlobStore, tmp_path: Path
    ) -> None:
        digest = put(store, b"abc")
        path = file_of(tmp_path, digest)
        before = path.read_bytes()
        assert store.rewrap(digest) is False
        rotated = folder.sealed(Key(versions=2))
        assert read(rotated, digest) == b"abc"
        assert rotated.rewrap(digest) is True
        assert rotated.rewrap(digest) is False
        assert path.read_bytes()[HEADER_SIZE:] == before[HEADER_SIZE:]
        assert path.read_bytes()[:HEADER_SIZE] != before[:HEADER_SIZE]
        assert read(folder.sealed(Key(versions=3)), digest) == b"abc"

    def test_the_old_version_is_no_longer_needed(
        self, folder: FilesystemBlobStore, store: SealedBlobStore
    ) -> None:
        digest = put(store, b"abc")
        folder.sealed(Key(versions=2)).rewrap(digest)
        only_the_new = Key(versions=2)
        only_the_new.versions[0] = b"x" * 32
        assert read(folder.sealed(only_the_new), digest) == b"abc"

    def test_a_reader_goes_on(self, folder: FilesystemBlobStore, store: SealedBlobStore) -> None:
        digest = put(store, b"abc")
        with store.open(digest) as file:
            for versions in (2, 3, 4):
                assert folder.sealed(Key(versions=versions)).rewrap(digest)
            assert file.read() == b"abc"

    def test_an_upload_goes_on(self, folder: FilesystemBlobStore, store: SealedBlobStore) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"abc")
        commit_unrecorded(store, upload_id, progress)
        rotated = folder.sealed(Key(versions=2))
        assert rotated.rewrap(progress.digest) is False
        longer = append(rotated, upload_id, progress, b"def")
        assert longer == Progress(6, digest_bytes(b"abcdef"))
        commit(rotated, upload_id, longer, longer.digest)
        assert read(rotated, longer.digest) == b"abcdef"
