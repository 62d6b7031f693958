"""The blob store in a folder.

Layout (nothing in a path comes from a client unchecked: digests and upload ids are parsed)::

    blobs/sha256/ab/ab12…      a blob, named by its digest
    uploads/<uuid>             an upload's bytes so far

An append is synced before it is acknowledged, a commit renames within the file system and
syncs the blob's folder, so that what was acknowledged survives a power cut. ``relaxed``
durability leaves the syncs out.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ecr_emulator.blobs.store import (
    BlobMissing,
    DigestMismatch,
    Progress,
    StorageFull,
    UploadBusy,
    UploadWriter,
)
from ecr_emulator.digests import new_hash, split_digest

if TYPE_CHECKING:
    from hashlib import _Hash

_READ_SIZE = 1 << 20
#: Uploads whose hash state this process remembers, to go on without reading them again.
_REMEMBERED_UPLOADS = 256
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class FilesystemBlobStore:
    """Blobs and uploads as files below *root*.

    :param root: the folder; it is made if it does not exist.
    :param durability: ``full`` or ``relaxed`` (no syncs).
    """

    def __init__(self, root: Path, *, durability: str = "full") -> None:
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self.sync = durability == "full"
        for folder in (self._blobs, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self._hashes: OrderedDict[str, _Hash] = OrderedDict()
        self._hashes_lock = threading.Lock()

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload with no bytes."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            os.close(os.open(self._upload_path(upload_id), flags, 0o600))
        except OSError as error:
            raise _full_or_same(error) from error

    @contextlib.contextmanager
    def upload(self, upload_id: str) -> Iterator[UploadWriter]:
        """Hold the upload for this request alone.

        The lock is the kernel's: it goes with the process that held it, however that ends.
        """
        try:
            descriptor = os.open(self._upload_path(upload_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(upload_id) from None
        with open(descriptor, "r+b", buffering=0) as file:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(upload_id) from None
            if os.fstat(descriptor).st_nlink == 0:
                # Committed or discarded between our open and our lock.
                raise BlobMissing(upload_id)
            yield _FileWriter(self, upload_id, file)

    def discard_upload(self, upload_id: str) -> None:
        """Drop the upload's bytes, if there are any."""
        self.take_hash(upload_id)
        self._upload_path(upload_id).unlink(missing_ok=True)

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading."""
        try:
            return open(self._blob_path(digest), "rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def delete(self, digest: str) -> None:
        """Remove the blob, if it is there."""
        self._blob_path(digest).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every blob and upload."""
        with self._hashes_lock:
            self._hashes.clear()
        for folder in (self._blobs, self._uploads):
            for entry in folder.iterdir():
                if entry.is_dir():
                    shutil.rmtree(entry, ignore_errors=True)
                else:
                    entry.unlink(missing_ok=True)

    def _blob_path(self, digest: str) -> Path:
        algorithm, encoded = split_digest(digest)
        return self._blobs / algorithm / encoded[:2] / encoded

    def _upload_path(self, upload_id: str) -> Path:
        return self._uploads / str(uuid.UUID(upload_id))

    def take_hash(self, upload_id: str) -> _Hash | None:
        """Return and forget the running sha256 behind this process's last append to an upload."""
        with self._hashes_lock:
            return self._hashes.pop(upload_id, None)

    def keep_hash(self, upload_id: str, hasher: _Hash) -> None:
        """Remember the running sha256 of what an upload holds now."""
        with self._hashes_lock:
            self._hashes[upload_id] = hasher
            while len(self._hashes) > _REMEMBERED_UPLOADS:
                self._hashes.popitem(last=False)

    def move_into_place(self, upload_id: str, digest: str) -> None:
        """Rename an upload's file to the blob *digest*, durably."""
        target = self._blob_path(digest)
        try:
            self._make_folder(target.parent)
            os.replace(self._upload_path(upload_id), target)
            if self.sync:
                _sync_folder(target.parent)
        except FileNotFoundError:
            # The store was emptied meanwhile.
            raise BlobMissing(upload_id) from None
        except OSError as error:
            raise _full_or_same(error) from error

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self.sync:
            _sync_folder(folder.parent)
            _sync_folder(folder.parent.parent)


class _FileWriter:
    """An upload's file, open and locked."""

    def __init__(self, store: FilesystemBlobStore, upload_id: str, file: BinaryIO) -> None:
        self._store = store
        self._upload_id = upload_id
        self._file = file
        self._digests: dict[tuple[int, str], str] = {}

    def append(self, progress: Progress, chunks: Iterable[bytes]) -> Progress:
        """Write *chunks* behind what is there (see :meth:`UploadWriter.append`)."""
        offset = progress.size
        self._cut(offset)
        hasher = self._hash_at(progress)
        self._file.seek(offset)
        position = offset
        try:
            for chunk in chunks:
                _write_all(self._file, chunk)
                hasher.update(chunk)
                position += len(chunk)
            if self._store.sync and position > offset:
                os.fdatasync(self._file.fileno())
        except BaseException as error:
            # Whatever ended it, also the client: the upload is as it was before.
            self._file.truncate(offset)
            if isinstance(error, OSError):
                raise _full_or_same(error) from error
            raise
        self._store.keep_hash(self._upload_id, hasher)
        return Progress(position, f"sha256:{hasher.hexdigest()}")

    def commit(self, progress: Progress, digest: str) -> None:
        """Turn the upload into the blob *digest* (see :meth:`UploadWriter.commit`)."""
        algorithm, _ = split_digest(digest)
        self._cut(progress.size)
        if self._digest(progress, algorithm) != digest:
            raise DigestMismatch(digest)
        self._store.move_into_place(self._upload_id, digest)
        self._store.take_hash(self._upload_id)

    def _digest(self, progress: Progress, algorithm: str) -> str:
        """Return the digest of the upload's bytes; they are read at most once for it."""
        if algorithm == "sha256":
            return progress.digest
        key = (progress.size, algorithm)
        if key not in self._digests:
            self._digests[key] = _digest_of(self._file, algorithm)
        return self._digests[key]

    def _cut(self, size: int) -> None:
        """Drop what lies behind *size* bytes."""
        actual = os.fstat(self._file.fileno()).st_size
        if actual < size:
            raise BlobMissing(self._upload_id)
        if actual > size:
            self._file.truncate(size)

    def _hash_at(self, progress: Progress) -> _Hash:
        """Return the running sha256 of the bytes that *progress* speaks of.

        Remembered from the append before when that ran in this process, read again otherwise.
        What is remembered may be of an append that was never acknowledged, and the bytes by
        now those of another process: so it counts only if its digest is the acknowledged one.
        """
        hasher = self._store.take_hash(self._upload_id)
        if hasher is not None and f"sha256:{hasher.hexdigest()}" == progress.digest:
            return hasher
        hasher = new_hash("sha256")
        if progress.size:
            for chunk in _read_all(self._file):
                hasher.update(chunk)
        if f"sha256:{hasher.hexdigest()}" != progress.digest:
            raise BlobMissing(self._upload_id)
        return hasher


def _full_or_same(error: OSError) -> Exception:
    """Return *error* as the store's own where it means that nothing more can be written."""
    if error.errno in _NO_ROOM:
        return StorageFull(os.strerror(error.errno or 0))
    return error


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    """Write the whole of *chunk*: one call may take less when the disk runs full."""
    written = file.write(chunk)
    while written < len(chunk):
        written += file.write(memoryview(chunk)[written:])


def _read_all(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_READ_SIZE):
        yield chunk


def _digest_of(file: BinaryIO, algorithm: str) -> str:
    hasher = new_hash(algorithm)
    for chunk in _read_all(file):
        hasher.update(chunk)
    return f"{algorithm}:{hasher.hexdigest()}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
