"""The blob store in a folder.

Layout (nothing in a path comes from a client unchecked: digests and upload ids are parsed)::

    blobs/sha256/ab/ab12…                   a blob, named by its digest
    blobs/sha256/ab/ab12….0123456789abcdef  the same, sealed by the key that is called so
    uploads/<uuid>                          an upload's bytes so far

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from glob import glob
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeVar, cast

from ecr_emulator.blobs.files import (
    full_or_same,
    is_key_name,
    locked_folder,
    new_file,
    sync_folder,
)
from ecr_emulator.blobs.sealed import SealedBlobStore
from ecr_emulator.blobs.sealing import SealingKey, content_size
from ecr_emulator.blobs.store import (
    BlobDamaged,
    BlobMissing,
    DigestMismatch,
    Progress,
    UploadBusy,
    UploadWriter,
)
from ecr_emulator.digests import is_digest, new_hash, split_digest

if TYPE_CHECKING:
    from hashlib import _Hash

_READ_SIZE = 1 << 20
#: Uploads whose hash state this process remembers, to go on without reading them again.
_REMEMBERED_UPLOADS = 256
#: After so many bytes of an upload the disk may begin with them.
_WRITE_BACK = 8 << 20
#: A file system without hard links says one of these.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class _Closable(Protocol):
    def close(self) -> None: ...


_Writer = TypeVar("_Writer", bound=_Closable)


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
            os.close(new_file(self._upload_path(upload_id)))
        except OSError as error:
            raise full_or_same(error) from error

    def upload(self, upload_id: str) -> contextlib.AbstractContextManager[UploadWriter]:
        """Hold the upload for this request alone."""
        return self.held_upload(upload_id, _FileWriter)

    @contextlib.contextmanager
    def held_upload(
        self, upload_id: str, writer_of: Callable[[FilesystemBlobStore, str, int], _Writer]
    ) -> Iterator[_Writer]:
        """Hold the upload for the length of the block, which is given its writer.

        The lock is the kernel's: it goes with the process that held it, however that ends.

        :param writer_of: makes the writer, of the store, the upload's id and an open descriptor.
        """
        try:
            descriptor = os.open(self._upload_path(upload_id), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            raise BlobMissing(upload_id) from None
        except OSError as error:
            raise full_or_same(error) from error
        with contextlib.closing(writer_of(self, upload_id, descriptor)) as writer:
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
        return self.file_size(digest)

    def sealed(self, key: SealingKey) -> SealedBlobStore:
        """Return the blobs of this folder that *key* seals, as a store of their own."""
        return SealedBlobStore(self, key)

    def open_file(self, digest: str, key_name: str, mode: str = "rb") -> BinaryIO:
        """Open the blob's file that is sealed by a key, as it is on the disk.

        :raises BlobMissing: there is none.
        """
        try:
            return cast(BinaryIO, FileIO(self._blob_name(digest, key_name), mode))
        except FileNotFoundError:
            raise BlobMissing(digest) from None

    def file_size(self, digest: str, key_name: str = "") -> int | None:
        """Return the length of a blob's file in bytes, or ``None`` when there is none."""
        try:
            return os.stat(self._blob_name(digest, key_name)).st_size
        except FileNotFoundError:
            return None

    def sealed_size(self, digest: str, key_name: str) -> int | None:
        """Return a blob's size by the length of its sealed file; it takes no key to tell."""
        length = self.file_size(digest, key_name)
        if length is None:
            return None
        with contextlib.suppress(BlobDamaged):
            return content_size(length)
        return None

    def collect(self, digest: str, unrecorded: Callable[[], bool]) -> int | None:
        """Remove the blob, sealed or not, if nobody records it (see :meth:`BlobStore.collect`)."""
        name = self._blob_name(digest)
        return self._collect(
            digest, unrecorded, lambda: ["", *(path[len(name) + 1 :] for path in glob(f"{name}.*"))]
        )

    def collect_copies(
        self, digest: str, key_names: Sequence[str], unrecorded: Callable[[], bool]
    ) -> int | None:
        """Remove the blob's files of some keys (see :meth:`BlobFolder.collect_copies`)."""
        return self._collect(digest, unrecorded, lambda: key_names)

    def _collect(
        self, digest: str, unrecorded: Callable[[], bool], key_names: Callable[[], Sequence[str]]
    ) -> int | None:
        folder = self._blob_path(digest).parent
        self._make_folder(folder)
        with locked_folder(folder, fcntl.LOCK_EX):
            if not unrecorded():
                return None
            freed = 0
            for key_name in key_names():
                freed += (self.sealed_size if key_name else self.file_size)(digest, key_name) or 0
                Path(self._blob_name(digest, key_name)).unlink(missing_ok=True)
        return freed

    def digests(self) -> Iterator[str]:
        """Yield the digests of all stored blobs; of one that several keys seal, for each."""
        for digest, _ in self.copies():
            yield digest

    def copies(self) -> Iterator[tuple[str, str]]:
        """Yield each blob's files: the digest, and the name of the key that seals it, if one."""
        for path in self._blobs.glob("*/*/*"):
            encoded, _, key_name = path.name.partition(".")
            digest = f"{path.parent.parent.name}:{encoded}"
            if is_digest(digest) and (not key_name or is_key_name(key_name)):
                yield digest, key_name

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

    def _blob_name(self, digest: str, key_name: str = "") -> str:
        # As text: to put a Path together takes as long as to read a small blob.
        algorithm, encoded = split_digest(digest)
        name = f"{self._blobs_name}/{algorithm}/{encoded[:2]}/{encoded}"
        return f"{name}.{key_name}" if key_name else name

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
    def put_in_place(self, upload_id: str, digest: str, key_name: str = "") -> Iterator[None]:
        """Give an upload's file the name of the blob *digest*, durably, for the block to record.

        :param key_name: that of the key which seals it, if one does.
        """
        path = Path(self._blob_name(digest, key_name))
        with contextlib.ExitStack() as stack:
            try:
                self._make_folder(path.parent)
                folder = stack.enter_context(locked_folder(path.parent, fcntl.LOCK_SH))
                self._link(upload_id, path)
                if self.sync:
                    os.fsync(folder)
            except FileNotFoundError:
                # The store was emptied meanwhile.
                raise BlobMissing(upload_id) from None
            except OSError as error:
                raise full_or_same(error) from error
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
                copy = open(new_file(third), "r+b", buffering=0)  # noqa: SIM115
                undo.callback(copy.close)
                undo.callback(third.unlink, missing_ok=True)
                fcntl.flock(copy.fileno(), fcntl.LOCK_EX)
                file.seek(0)
                shutil.copyfileobj(file, copy, _READ_SIZE)
                os.replace(third, self._upload_path(upload_id))
            except OSError as error:
                raise full_or_same(error) from error
            undo.pop_all()
        return copy

    @contextlib.contextmanager
    def uncollected(self, digest: str) -> Iterator[None]:
        """Keep the blob from being collected for the length of the block."""
        folder = self._blob_path(digest).parent
        self._make_folder(folder)
        with locked_folder(folder, fcntl.LOCK_SH):
            yield

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        folder.mkdir(parents=True, exist_ok=True)
        if self.sync:
            sync_folder(folder.parent)
            sync_folder(folder.parent.parent)


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
        position = asked = offset
        try:
            for chunk in chunks:
                if position == offset:
                    self._own_alone()
                    self._file.seek(offset)
                _write_all(self._file, chunk)
                hasher.update(chunk)
                position += len(chunk)
                if self._store.sync and position - asked >= _WRITE_BACK:
                    _begin_write_back(self._file, asked, position)
                    asked = position
            if self._store.sync and position > offset:
                os.fdatasync(self._file.fileno())
        except BaseException as error:
            # Whatever ended it, also the client: the upload is as it was before.
            self._file.truncate(offset)
            if isinstance(error, OSError):
                raise full_or_same(error) from error
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


def _write_all(file: BinaryIO, chunk: bytes) -> None:
    """Write the whole of *chunk*: one call may take less when the disk runs full."""
    written = file.write(chunk)
    while written < len(chunk):
        written += file.write(memoryview(chunk)[written:])


def _begin_write_back(file: BinaryIO, begin: int, end: int) -> None:
    """Have the kernel write to the disk what lies between two offsets, without waiting for it.

    Otherwise it would begin with the sync at the end, and the client wait for all of it. This
    advice says that the pages are not needed any more, upon which Linux writes out those that
    it cannot drop yet; they stay in its cache for the first pull.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), begin, end - begin, os.POSIX_FADV_DONTNEED)


def _read_all(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while chunk := file.read(_READ_SIZE):
        yield chunk


def _digest_of(file: BinaryIO, algorithm: str) -> str:
    hasher = new_hash(algorithm)
    for chunk in _read_all(file):
        hasher.update(chunk)
    return f"{algorithm}:{hasher.hexdigest()}"
