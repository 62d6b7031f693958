"""The blob store in a folder.

Layout (nothing in a path comes from a client unchecked: digests and upload ids are parsed)::

    blobs/sha256/ab/ab12…      a blob, named by its digest
    uploads/<uuid>             an upload's bytes so far

An append is synced before it is acknowledged. A commit gives the file its second name, the
blob's, and syncs the folder; the first name goes when the database has recorded the blob. So
what was acknowledged survives a power cut, and until it is, an upload that was cut short at its
end can be ended again. ``relaxed`` durability leaves the syncs out.

Who turns an upload into a blob holds a shared lock on the blob's folder until the blob is
recorded; who collects a blob holds the folder alone. The locks are the kernel's: they go with
the process that held them, however that ends.
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
from collections.abc import Callable, Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ecr_emulator.blobs.store import (
    BlobMissing,
    DigestMismatch,
    Progress,
    StorageFull,
    UploadBusy,
    UploadWriter,
)
from ecr_emulator.digests import is_digest, new_hash, split_digest

if TYPE_CHECKING:
    from hashlib import _Hash

_READ_SIZE = 1 << 20
#: Uploads whose hash state this process remembers, to go on without reading them again.
_REMEMBERED_UPLOADS = 256
#: A file system without hard links says one of these.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
#: Nothing more can be written; the folder of another user counts as read-only.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES}


class FilesystemBlobStore:
    """Blobs and uploads as files below *root*.

    :param root: the folder; it is made if it does not exist.
    :param durability: ``full`` or ``relaxed`` (no syncs).
    """

    def __init__(self, root: Path, *, durability: str = "full") -> None:
        self._blobs = root / "blobs"
        self._uploads = root / "uploads"
        self._blobs_name = str(self._blobs)
        self.sync = durability == "full"
        for folder in (self._blobs, self._uploads):
            folder.mkdir(parents=True, exist_ok=True)
        self._hashes: OrderedDict[str, _Hash] = OrderedDict()
        self._hashes_lock = threading.Lock()

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload with no bytes."""
        try:
            os.close(_new_file(self._upload_path(upload_id)))
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
        except OSError as error:
            raise _full_or_same(error) from error
        with contextlib.closing(_FileWriter(self, upload_id, descriptor)) as writer:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(upload_id) from None
            if not self._is_upload(upload_id, descriptor):
                # Committed or discarded between our open and our lock.
                raise BlobMissing(upload_id)
            yield writer

    def _is_upload(self, upload_id: str, descriptor: int) -> bool:
        try:
            there = os.stat(self._upload_path(upload_id))
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(descriptor))

    def open_upload(self, upload_id: str) -> BinaryIO:
        """Open an upload's bytes for reading while somebody else adds to them."""
        try:
            return open(self._upload_path(upload_id), "rb", buffering=0)
        except FileNotFoundError:
            raise BlobMissing(upload_id) from None

    def discard_upload(self, upload_id: str) -> None:
        """Drop the upload's bytes, if there are any."""
        self.take_hash(upload_id)
        self._upload_path(upload_id).unlink(missing_ok=True)

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading."""
        try:
            return cast(BinaryIO, FileIO(self._blob_name(digest), "rb"))
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def size(self, digest: str) -> int | None:
        """Return the blob's size in bytes, or ``None`` when the store does not have it."""
        try:
            return os.stat(self._blob_name(digest)).st_size
        except FileNotFoundError:
            return None

    def collect(self, digest: str, unrecorded: Callable[[], bool]) -> int | None:
        """Remove the blob if nobody records it (see :meth:`BlobStore.collect`)."""
        path = self._blob_path(digest)
        self._make_folder(path.parent)
        with _locked_folder(path.parent, fcntl.LOCK_EX):
            size = self.size(digest)
            if not unrecorded():
                return None
            path.unlink(missing_ok=True)
        return size or 0

    def digests(self) -> Iterator[str]:
        """Yield the digests of all stored blobs."""
        for path in self._blobs.glob("*/*/*"):
            digest = f"{path.parent.parent.name}:{path.name}"
            if is_digest(digest):
                yield digest

    def uploads(self) -> Iterator[str]:
        """Yield the ids of all uploads."""
        for entry in os.scandir(self._uploads):
            with contextlib.suppress(ValueError):
                yield str(uuid.UUID(entry.name))

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
        return Path(self._blob_name(digest))

    def _blob_name(self, digest: str) -> str:
        # As text: to put a Path together takes as long as to read a small blob.
        algorithm, encoded = split_digest(digest)
        return f"{self._blobs_name}/{algorithm}/{encoded[:2]}/{encoded}"

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

    @contextlib.contextmanager
    def put_in_place(self, upload_id: str, digest: str) -> Iterator[None]:
        """Give an upload's file the name of the blob *digest*, durably, for the block to record."""
        path = self._blob_path(digest)
        with contextlib.ExitStack() as stack:
            try:
                self._make_folder(path.parent)
                folder = stack.enter_context(_locked_folder(path.parent, fcntl.LOCK_SH))
                self._link(upload_id, path)
                if self.sync:
                    os.fsync(folder)
            except FileNotFoundError:
                # The store was emptied meanwhile.
                raise BlobMissing(upload_id) from None
            except OSError as error:
                raise _full_or_same(error) from error
            yield
        self.discard_upload(upload_id)

    def _link(self, upload_id: str, path: Path) -> None:
        """Give an upload's file a second name, in the place of whatever has that name."""
        upload = self._upload_path(upload_id)
        try:
            os.link(upload, path)
        except FileExistsError:
            # The same blob, but who knows in which state; or this very file, by a commit that
            # was cut short. A rename onto itself would do nothing and leave the third name.
            if not path.samefile(upload):
                third = self._upload_path(str(uuid.uuid4()))
                os.link(upload, third)
                os.replace(third, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Then an upload that is cut short from here on has to be begun again.
            os.replace(upload, path)

    def copy_upload(self, upload_id: str, file: BinaryIO) -> BinaryIO:
        """Put a copy in the place of an upload's file, and return it, open and locked."""
        third = self._upload_path(str(uuid.uuid4()))
        with contextlib.ExitStack() as undo:
            try:
                copy = open(_new_file(third), "r+b", buffering=0)  # noqa: SIM115
                undo.callback(copy.close)
                undo.callback(third.unlink, missing_ok=True)
                fcntl.flock(copy.fileno(), fcntl.LOCK_EX)
                file.seek(0)
                shutil.copyfileobj(file, copy, _READ_SIZE)
                os.replace(third, self._upload_path(upload_id))
            except OSError as error:
                raise _full_or_same(error) from error
            undo.pop_all()
        return copy

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self.sync:
            _sync_folder(folder.parent)
            _sync_folder(folder.parent.parent)


class _FileWriter:
    """An upload's file, open and locked."""

    def __init__(self, store: FilesystemBlobStore, upload_id: str, descriptor: int) -> None:
        self._store = store
        self._upload_id = upload_id
        self._file: BinaryIO = open(descriptor, "r+b", buffering=0)  # noqa: SIM115
        self._digests: dict[tuple[int, str], str] = {}

    def size(self) -> int:
        """Return how many bytes the store holds, acknowledged or not."""
        return os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Close the file, which frees the upload."""
        self._file.close()

    def append(self, progress: Progress, chunks: Iterable[bytes]) -> Progress:
        """Write *chunks* behind what is there (see :meth:`UploadWriter.append`)."""
        offset = progress.size
        self._cut(offset)
        hasher = self._hash_at(progress)
        position = offset
        try:
            for chunk in chunks:
                if position == offset:
                    self._own_alone()
                    self._file.seek(offset)
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

    @contextlib.contextmanager
    def commit(self, progress: Progress, digest: str) -> Iterator[None]:
        """Store the upload as the blob *digest* (see :meth:`UploadWriter.commit`)."""
        algorithm, _ = split_digest(digest)
        self._cut(progress.size)
        if self._digest(progress, algorithm) != digest:
            raise DigestMismatch(digest)
        with self._store.put_in_place(self._upload_id, digest):
            yield

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
        actual = self.size()
        if actual < size:
            raise BlobMissing(self._upload_id)
        if actual > size:
            self._own_alone()
            self._file.truncate(size)

    def _own_alone(self) -> None:
        """Part from a blob that has the same file, before the file is written to.

        That is so after a commit that was cut short, and only then.
        """
        if os.fstat(self._file.fileno()).st_nlink > 1:
            with self._file as shared:
                self._file = self._store.copy_upload(self._upload_id, shared)

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


def _new_file(path: Path) -> int:
    """Make a file that is nobody else's and return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def _locked_folder(folder: Path, lock: int) -> Iterator[int]:
    """Hold a folder's lock for the length of the block, which is given its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, lock)
        yield descriptor
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
