"""The blob store in a folder: what every store does, and what only a disk can do to it."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.blobs import filesystem
from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from ecr_emulator.blobs.store import BlobMissing, Progress, StorageFull, UploadBusy
from ecr_emulator.digests import digest_bytes
from tests.blobs.store_suite import (
    NOTHING,
    BlobStoreSuite,
    append,
    commit,
    new_upload,
    put,
    read,
)


class TestFilesystem(BlobStoreSuite):
    """The shared suite."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> FilesystemBlobStore:
        return FilesystemBlobStore(tmp_path)

    @pytest.fixture
    def twin(self, store: FilesystemBlobStore, tmp_path: Path) -> FilesystemBlobStore:
        return FilesystemBlobStore(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> FilesystemBlobStore:
    return FilesystemBlobStore(tmp_path)


def files(folder: Path) -> list[str]:
    """Return the paths of all files below *folder*."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_layout(store: FilesystemBlobStore, tmp_path: Path) -> None:
    upload_id = new_upload(store)
    assert files(tmp_path) == [f"uploads/{upload_id}"]
    digest = put(store, b"abc")
    encoded = digest.removeprefix("sha256:")
    assert files(tmp_path) == [
        f"blobs/sha256/{encoded[:2]}/{encoded}",
        f"uploads/{upload_id}",
    ]
    store.clear()
    assert files(tmp_path) == []


def test_bytes_are_nobody_elses(store: FilesystemBlobStore, tmp_path: Path) -> None:
    put(store, b"abc")
    new_upload(store)
    for path in files(tmp_path):
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600


def test_a_store_opens_again(store: FilesystemBlobStore, tmp_path: Path) -> None:
    digest, upload_id = put(store, b"abc"), new_upload(store)
    progress = append(store, upload_id, NOTHING, b"def")
    again = FilesystemBlobStore(tmp_path)
    assert read(again, digest) == b"abc"
    commit(again, upload_id, progress, progress.digest)
    assert read(again, progress.digest) == b"def"


def test_an_upload_id_has_one_spelling(store: FilesystemBlobStore, tmp_path: Path) -> None:
    store.start_upload("{6F0D2B0C-7A2F-5C64-9F5E-0B8F6D1F3C11}")
    assert files(tmp_path) == ["uploads/6f0d2b0c-7a2f-5c64-9f5e-0b8f6d1f3c11"]


class TestDiskTrouble:
    """The disk runs full, or cannot be written to, at each step."""

    @pytest.fixture(params=[errno.ENOSPC, errno.EDQUOT, errno.EROFS])
    def trouble(self, request: pytest.FixtureRequest) -> Callable[..., Any]:
        def fail(*_: object, **__: object) -> Any:
            raise OSError(request.param, os.strerror(request.param))

        return fail

    def test_at_the_start(
        self,
        store: FilesystemBlobStore,
        trouble: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        monkeypatch.setattr(filesystem.os, "open", trouble)
        with pytest.raises(StorageFull):
            new_upload(store)
        assert files(tmp_path) == []

    @pytest.mark.parametrize("step", ["_write_all", "fdatasync"])
    def test_at_an_append(
        self,
        store: FilesystemBlobStore,
        trouble: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        step: str,
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        with monkeypatch.context() as patch:
            patch.setattr(filesystem if step[0] == "_" else filesystem.os, step, trouble)
            with pytest.raises(StorageFull):
                append(store, upload_id, progress, b"lost")
        progress = append(store, upload_id, progress, b" on")
        commit(store, upload_id, progress, digest_bytes(b"kept on"))

    @pytest.mark.parametrize("step", ["mkdir", "link", "fsync"])
    def test_at_a_commit(
        self,
        store: FilesystemBlobStore,
        trouble: Callable[..., Any],
        monkeypatch: pytest.MonkeyPatch,
        step: str,
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        with monkeypatch.context() as patch:
            patch.setattr(filesystem.os, step, trouble)
            with pytest.raises(StorageFull):
                commit(store, upload_id, progress, progress.digest)
        commit(store, upload_id, progress, progress.digest)
        assert read(store, progress.digest) == b"kept"

    def test_a_write_that_takes_less(
        self, store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A disk with room for a few bytes more takes these, and no more at the next try."""

        class Narrow:
            def __init__(self) -> None:
                self.taken = b""

            def write(self, data: bytes) -> int:
                self.taken += bytes(data[:3])
                return min(3, len(data))

        file = Narrow()
        filesystem._write_all(file, b"0123456789")  # type: ignore[arg-type]
        assert file.taken == b"0123456789"

    def test_other_errors_are_not_called_full(
        self, store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise OSError(errno.EIO, "Input/output error")

        upload_id = new_upload(store)
        monkeypatch.setattr(filesystem, "_write_all", fail)
        with pytest.raises(OSError, match="Input/output"):
            append(store, upload_id, NOTHING, b"abc")


class TestCrash:
    """A process died; what it left behind, and what was taken away."""

    def test_bytes_behind_the_acknowledged_ones(
        self, store: FilesystemBlobStore, tmp_path: Path
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        with (tmp_path / "uploads" / upload_id).open("ab") as file:
            file.write(b"half a chunk")
        again = FilesystemBlobStore(tmp_path)
        progress = append(again, upload_id, progress, b" on")
        assert progress == Progress(7, digest_bytes(b"kept on"))

    def test_acknowledged_bytes_are_lost(self, store: FilesystemBlobStore, tmp_path: Path) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        (tmp_path / "uploads" / upload_id).write_bytes(b"ke")
        with pytest.raises(BlobMissing):
            append(FilesystemBlobStore(tmp_path), upload_id, progress, b" on")

    def test_acknowledged_bytes_are_others(
        self, store: FilesystemBlobStore, tmp_path: Path
    ) -> None:
        upload_id = new_upload(store)
        progress = append(store, upload_id, NOTHING, b"kept")
        (tmp_path / "uploads" / upload_id).write_bytes(b"\0\0\0\0")
        with pytest.raises(BlobMissing):
            append(FilesystemBlobStore(tmp_path), upload_id, progress, b" on")

    def test_the_upload_vanished(self, store: FilesystemBlobStore, tmp_path: Path) -> None:
        upload_id = new_upload(store)
        (tmp_path / "uploads" / upload_id).unlink()
        with pytest.raises(BlobMissing), store.upload(upload_id):
            pass

    def test_the_upload_vanished_while_it_was_held(
        self, store: FilesystemBlobStore, tmp_path: Path
    ) -> None:
        upload_id = new_upload(store)
        with store.upload(upload_id) as writer:
            progress = writer.append(NOTHING, [b"abc"])
            (tmp_path / "uploads" / upload_id).unlink()
            with pytest.raises(BlobMissing), writer.commit(progress, progress.digest):
                pass

    def test_the_blob_vanished(self, store: FilesystemBlobStore, tmp_path: Path) -> None:
        digest = put(store, b"abc")
        (path,) = files(tmp_path)
        (tmp_path / path).unlink()
        with pytest.raises(BlobMissing):
            store.open(digest)
        assert put(store, b"abc") == digest
        assert read(store, digest) == b"abc"

    def test_a_killed_process_holds_nothing(
        self, store: FilesystemBlobStore, tmp_path: Path
    ) -> None:
        upload_id = new_upload(store)
        holder = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import pathlib, sys, time\n"
                "from ecr_emulator.blobs.filesystem import FilesystemBlobStore\n"
                "with FilesystemBlobStore(pathlib.Path(sys.argv[1])).upload(sys.argv[2]):\n"
                "    print('held', flush=True)\n"
                "    time.sleep(60)\n",
                str(tmp_path),
                upload_id,
            ],
            stdout=subprocess.PIPE,
        )
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(UploadBusy), store.upload(upload_id):
                pass
        finally:
            holder.kill()
            holder.communicate()
        append(store, upload_id, NOTHING, b"abc")


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links(
    store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filesystem.os, "link", refuse)
    for _ in range(2):
        digest = put(store, b"abc")
        assert read(store, digest) == b"abc"
    assert len(files(tmp_path)) == 1


def test_names_that_are_none_of_ours_are_not_listed(
    store: FilesystemBlobStore, tmp_path: Path
) -> None:
    digest, upload_id = put(store, b"abc"), new_upload(store)
    (tmp_path / "uploads" / ".nfs0001").touch()
    (tmp_path / "blobs" / "sha256" / "ab").mkdir(exist_ok=True)
    (tmp_path / "blobs" / "sha256" / "ab" / "abcd").touch()
    assert list(store.digests()) == [digest]
    assert list(store.uploads()) == [upload_id]


def test_hashes_of_old_uploads_are_forgotten(
    store: FilesystemBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow with the uploads that clients leave lying about."""
    monkeypatch.setattr(filesystem, "_REMEMBERED_UPLOADS", 2)
    uploads = {new_upload(store): Progress(0, NOTHING.digest) for _ in range(5)}
    for upload_id in uploads:
        uploads[upload_id] = append(store, upload_id, NOTHING, upload_id.encode())
    assert len(store._hashes) == 2
    for upload_id, progress in uploads.items():
        grown = append(store, upload_id, progress, b"!")
        assert grown.digest == digest_bytes(upload_id.encode() + b"!")


class Steps:
    """The system calls of a store that make things durable, in the order they came."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        for name in ("fdatasync", "fsync", "link", "replace"):
            monkeypatch.setattr(filesystem.os, name, self._recorded(name, getattr(os, name)))

    def _recorded(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any) -> Any:
            self.names.append(name)
            return call(*args)

        return recorded


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def test_bytes_are_synced_before_the_link_and_the_folder_after_it(
    store: FilesystemBlobStore, steps: Steps
) -> None:
    put(store, b"first in a new folder")
    assert steps.names == ["fdatasync", "fsync", "fsync", "link", "fsync"]
    del steps.names[:]
    put(store, b"first in a new folder")
    # The blob is there already, and is replaced: by a third name, as no link can do that.
    assert steps.names == ["fdatasync", "link", "link", "replace", "fsync"]


def test_relaxed_syncs_nothing(tmp_path: Path, steps: Steps) -> None:
    put(FilesystemBlobStore(tmp_path, durability="relaxed"), b"abc")
    assert steps.names == ["link"]
