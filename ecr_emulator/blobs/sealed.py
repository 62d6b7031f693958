"""The blobs of a folder that one key seals, as a store of their own.

They lie in the same folder as the plain ones, under names that end in the key's, and uploads to
them among the other uploads. So one folder's lock keeps the collector off all of a digest's files.
What such a file holds is told in :mod:`ecr_emulator.blobs.sealing`.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, cast

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ecr_emulator.blobs import sealing
from ecr_emulator.blobs.files import full_or_same
from ecr_emulator.blobs.store import (
    BlobDamaged,
    BlobMissing,
    DigestMismatch,
    Progress,
    UploadWriter,
)
from ecr_emulator.digests import digest_bytes, new_hash, split_digest

if TYPE_CHECKING:
    from hashlib import _Hash

    from ecr_emulator.blobs.filesystem import FilesystemBlobStore


_EMPTY = Progress(0, digest_bytes(b""))


class SealedBlobStore:
    """The sealed blobs of *folder* (see :class:`~ecr_emulator.blobs.store.BlobStore`)."""

    def __init__(self, folder: FilesystemBlobStore, key: sealing.SealingKey) -> None:
        self._folder = folder
        self._key = key

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload with no bytes."""
        self._folder.start_upload(upload_id)

    def upload(self, upload_id: str) -> contextlib.AbstractContextManager[UploadWriter]:
        """Hold the upload for this request alone."""
        return self._folder.held_upload(upload_id, partial(_SealedWriter, self._key))

    def open_upload(self, upload_id: str) -> BinaryIO:
        """Open an upload's bytes for reading while somebody else adds to them."""
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._folder.open_upload(upload_id))
            context = sealing.upload_context(str(uuid.UUID(upload_id)))
            opened = sealing.open_header(file.fileno(), self._key, context)
            if opened is None:
                # It has only begun.
                raise BlobMissing(upload_id)
            stack.pop_all()
            return cast(BinaryIO, sealing.SealedFile(file, opened[0], None))

    def discard_upload(self, upload_id: str) -> None:
        """Drop the upload's bytes, if there are any."""
        self._folder.discard_upload(upload_id)

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading.

        :raises BlobDamaged: its file is not what was stored; chunks are looked at as they are read.
        """
        return cast(BinaryIO, sealing.SealedFile(*self._open(digest, "rb")))

    def _open(self, digest: str, mode: str) -> tuple[BinaryIO, AESGCM, int]:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self._folder.open_file(digest, self._key.name, mode))
            size = sealing.content_size(os.fstat(file.fileno()).st_size)
            context = sealing.blob_context(digest, size)
            opened = sealing.open_header(file.fileno(), self._key, context)
            if opened is None:
                raise BlobDamaged("the file is not this blob's, or not as long as it was")
            stack.pop_all()
            return file, opened[0], size

    def size(self, digest: str) -> int | None:
        """Return the blob's size in bytes, or ``None`` when the store does not have it."""
        return self._folder.sealed_size(digest, self._key.name)

    def collect(self, digest: str, unrecorded: Callable[[], bool]) -> int | None:
        """Remove the blob if nobody records it (see :meth:`BlobStore.collect`)."""
        return self._folder.collect_copies(digest, [self._key.name], unrecorded)

    def digests(self) -> Iterator[str]:
        """Yield the digests of all blobs that the key seals."""
        for digest, key_name in self._folder.copies():
            if key_name == self._key.name:
                yield digest

    def uploads(self) -> Iterator[str]:
        """Yield the ids of all uploads of the folder."""
        return self._folder.uploads()

    def clear(self) -> None:
        """Remove every blob and upload of the folder."""
        self._folder.clear()

    def rewrap(self, digest: str) -> bool:
        """Wrap a blob's data key by the current version of the key; its bytes stay as they are.

        :returns: whether that was needed.
        :raises BlobDamaged: its file is not what was stored.
        """
        with self._folder.uncollected(digest):
            file, _, size = self._open(digest, "r+b")
            with file:
                context = sealing.blob_context(digest, size)
                # While an upload has the same file, it needs the other slot; the older version
                # of the key stays good.
                if (
                    sealing.is_current(file.fileno(), self._key, context)
                    or os.fstat(file.fileno()).st_nlink > 1
                ):
                    return False
                sealing.rewrap(file.fileno(), self._key, context, context)
                if self._folder.sync:
                    os.fsync(file.fileno())
        return True


class _SealedWriter:
    """An upload's sealed file, open and locked."""

    def __init__(
        self,
        key: sealing.SealingKey,
        store: FilesystemBlobStore,
        upload_id: str,
        descriptor: int,
    ) -> None:
        self._key = key
        self._store = store
        self._upload_id = upload_id
        self._file: BinaryIO = open(descriptor, "r+b", buffering=0)  # noqa: SIM115
        self._context = sealing.upload_context(str(uuid.UUID(upload_id)))

    def size(self) -> int:
        """Return how many bytes the store holds, acknowledged or not."""
        cipher = self._cipher()
        if cipher is None:
            return 0
        return sum(map(len, sealing.read_chunks(self._descriptor, cipher)))

    def close(self) -> None:
        """Close the file, which frees the upload."""
        self._file.close()

    def append(self, progress: Progress, chunks: Iterable[bytes]) -> Progress:
        """Write *chunks* behind what is there (see :meth:`UploadWriter.append`)."""
        cipher, position = self._cut(progress)
        hasher = self._hash_at(progress, cipher)
        size = progress.size
        writer: sealing.ChunkWriter | None = None
        try:
            for chunk in chunks:
                if writer is None:
                    self._own_alone()
                    writer = sealing.ChunkWriter(self._descriptor, cipher, position)
                writer.add(chunk)
                hasher.update(chunk)
                size += len(chunk)
            if writer is not None:
                writer.finish()
            if self._store.sync and size > progress.size:
                os.fdatasync(self._descriptor)
        except BaseException as error:
            # Whatever ended it, also the client: the upload is as it was before.
            os.ftruncate(self._descriptor, position.offset)
            if isinstance(error, OSError):
                raise full_or_same(error) from error
            raise
        self._store.keep_hash(self._upload_id, hasher)
        return Progress(size, f"sha256:{hasher.hexdigest()}")

    @contextlib.contextmanager
    def commit(self, progress: Progress, digest: str) -> Iterator[None]:
        """Store the upload as the blob *digest* (see :meth:`UploadWriter.commit`)."""
        algorithm, _ = split_digest(digest)
        cipher, position = self._cut(progress)
        if self._digest(progress, algorithm, cipher) != digest:
            raise DigestMismatch(digest)
        with contextlib.ExitStack() as stack:
            if position.is_even:
                self._bind(sealing.blob_context(digest, progress.size))
                in_place = self._store.put_in_place(self._upload_id, digest, self._key.name)
            else:
                in_place = self._even_copy(cipher, digest)
            stack.enter_context(in_place)
            yield
        self._store.discard_upload(self._upload_id)

    @contextlib.contextmanager
    def _even_copy(self, cipher: AESGCM, digest: str) -> Iterator[None]:
        """Store a copy with full chunks as the blob, for the block to record it.

        The upload itself stays as it was: appends left short chunks in it, and the blob may not
        be recorded after all.
        """
        third = str(uuid.uuid4())
        self._store.start_upload(third)
        try:
            with self._store.held_upload(third, partial(_SealedWriter, self._key)) as writer:
                whole = writer.append(_EMPTY, sealing.read_chunks(self._descriptor, cipher))
                with writer.commit(whole, digest):
                    yield
        finally:
            self._store.discard_upload(third)

    @property
    def _descriptor(self) -> int:
        return self._file.fileno()

    def _cipher(self) -> AESGCM | None:
        opened = sealing.open_header(self._descriptor, self._key, self._context)
        return None if opened is None else opened[0]

    def _cut(self, progress: Progress) -> tuple[AESGCM, sealing.Position]:
        """Drop what lies behind the acknowledged bytes, and return where they end."""
        try:
            return self._cut_file(progress)
        except OSError as error:
            raise full_or_same(error) from error

    def _cut_file(self, progress: Progress) -> tuple[AESGCM, sealing.Position]:
        if progress.size == 0:
            self._own_alone()
            os.ftruncate(self._descriptor, 0)
            new = sealing.write_new_header(self._descriptor, self._key, self._context)
            return new, sealing.START
        cipher = self._cipher()
        position = None
        if cipher is not None:
            position = sealing.find_position(self._descriptor, cipher, progress.size)
        if cipher is None or position is None:
            raise BlobMissing(self._upload_id)
        if os.fstat(self._descriptor).st_size > position.offset:
            self._own_alone()
            os.ftruncate(self._descriptor, position.offset)
        return cipher, position

    def _own_alone(self) -> None:
        """Part from a blob that has the same file, before the file is written to."""
        if os.fstat(self._descriptor).st_nlink > 1:
            with self._file as shared:
                self._file = self._store.copy_upload(self._upload_id, shared)

    def _bind(self, context: bytes) -> None:
        """Bind the data key to the blob that the upload becomes, and stay bound to the upload."""
        if sealing.open_header(self._descriptor, self._key, context) is not None:
            return
        self._own_alone()
        try:
            sealing.rewrap(self._descriptor, self._key, self._context, context)
            if self._store.sync:
                os.fdatasync(self._descriptor)
        except OSError as error:
            raise full_or_same(error) from error

    def _digest(self, progress: Progress, algorithm: str, cipher: AESGCM) -> str:
        if algorithm == "sha256":
            return progress.digest
        return f"{algorithm}:{self._hash(algorithm, cipher).hexdigest()}"

    def _hash_at(self, progress: Progress, cipher: AESGCM) -> _Hash:
        """Return the running sha256 of the acknowledged bytes (as the plain store's writer)."""
        hasher = self._store.take_hash(self._upload_id)
        if hasher is not None and f"sha256:{hasher.hexdigest()}" == progress.digest:
            return hasher
        hasher = self._hash("sha256", cipher)
        if f"sha256:{hasher.hexdigest()}" != progress.digest:
            raise BlobMissing(self._upload_id)
        return hasher

    def _hash(self, algorithm: str, cipher: AESGCM) -> _Hash:
        hasher = new_hash(algorithm)
        try:
            for chunk in sealing.read_chunks(self._descriptor, cipher):
                hasher.update(chunk)
        except BlobDamaged:
            raise BlobMissing(self._upload_id) from None
        return hasher
