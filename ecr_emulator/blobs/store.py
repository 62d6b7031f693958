"""The blob store's interface: what the registry asks of whatever keeps the bytes.

Uploads grow by appends that state where they start, and end in a commit under a digest.
The store keeps no record of who may read a blob: repositories link to blobs in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from ecr_emulator.blobs.sealing import SealingKey


class BlobStoreError(Exception):
    """The store cannot do what was asked; the subclass says why."""


class BlobMissing(BlobStoreError):
    """The bytes of a blob (or of an upload) are not in the store."""


class DigestMismatch(BlobStoreError):
    """The uploaded bytes do not have the digest they were to be stored under."""


class UploadBusy(BlobStoreError):
    """Another request is writing to the same upload."""


class StorageFull(BlobStoreError):
    """The store has no room left, or cannot be written to."""


class BlobDamaged(BlobStoreError):
    """A sealed blob is not what was stored: changed, cut short, or another's."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload has come.

    :param size: bytes stored so far.
    :param digest: the sha256 digest of these bytes.
    """

    size: int
    digest: str


class UploadWriter(Protocol):
    """One upload, held by one request alone."""

    def size(self) -> int:
        """Return how many bytes the store holds, acknowledged or not."""

    def append(self, progress: Progress, chunks: Iterable[bytes]) -> Progress:
        """Write *chunks* behind what *progress* says is there; return how far it has come.

        What an earlier, unacknowledged append left behind that is dropped. When *chunks*
        raises, nothing of it is kept.

        :param progress: how far the upload had come by the last acknowledged append.
        :raises BlobMissing: the store does not hold the bytes that *progress* speaks of.
        :raises StorageFull: the bytes could not be written.
        """

    def commit(self, progress: Progress, digest: str) -> AbstractContextManager[None]:
        """Store the upload as the blob *digest*, durably, for the block to record it.

        No blob is collected (see :meth:`BlobStore.collect`) while it is being recorded. The
        upload is gone when the block has ended, and stays as it was when the block raises: the
        blob is then garbage, unless somebody else has recorded it.

        :raises DigestMismatch: the bytes have another digest.
        :raises BlobMissing: the upload's bytes are gone.
        :raises StorageFull: there is no room for it.
        :raises ValueError: *digest* is not well-formed.
        """


class BlobStore(Protocol):
    """Content-addressed bytes, and the uploads that become them."""

    def start_upload(self, upload_id: str) -> None:
        """Begin an upload with no bytes.

        :raises StorageFull: there is no room for it.
        """

    def upload(self, upload_id: str) -> AbstractContextManager[UploadWriter]:
        """Hold the upload for the length of the block; no other request can write to it.

        :raises UploadBusy: another request holds it.
        :raises BlobMissing: the store has no such upload.
        :raises StorageFull: the store cannot be written to.
        """

    def open_upload(self, upload_id: str) -> BinaryIO:
        """Open an upload's bytes for reading while somebody else adds to them.

        What is read may yet be dropped: it is good only once the upload has become a blob,
        which the file outlives.

        :raises BlobMissing: the store has no such upload.
        """

    def discard_upload(self, upload_id: str) -> None:
        """Drop the upload's bytes, if there are any."""

    def open(self, digest: str) -> BinaryIO:
        """Open the blob for reading; the file can seek.

        :raises BlobMissing: the store has no such blob.
        """

    def size(self, digest: str) -> int | None:
        """Return the blob's size in bytes, or ``None`` when the store does not have it."""

    def collect(self, digest: str, unrecorded: Callable[[], bool]) -> int | None:
        """Remove the blob if nobody records it any more.

        :param unrecorded: asked while no upload can become this blob; takes it off the
            records, if nothing keeps it there, and says whether it is off them.
        :returns: the bytes that this freed, or ``None`` when the blob stays.
        """

    def digests(self) -> Iterator[str]:
        """Yield the digests of all stored blobs, in no order."""

    def uploads(self) -> Iterator[str]:
        """Yield the ids of all uploads of which there are bytes or a beginning, in no order."""

    def clear(self) -> None:
        """Remove every blob and upload."""


class BlobFolder(BlobStore, Protocol):
    """A store of plain blobs with sealed ones beside them: one copy of a blob for each key.

    What it says of itself as a :class:`BlobStore` is about plain blobs, but for this: uploads are
    common to all, ``collect`` removes every copy of a blob, and ``digests`` yields a digest for
    every copy.
    """

    def sealed(self, key: SealingKey) -> SealedBlobs:
        """Return the blobs that *key* seals, as a store of their own."""

    def sealed_size(self, digest: str, key_name: str) -> int | None:
        """Return a blob's size in bytes, or ``None`` when the key of that name seals none."""

    def copies(self) -> Iterator[tuple[str, str]]:
        """Yield the digest of each copy, and its key's name: empty for a plain one."""

    def collect_copies(
        self, digest: str, key_names: Sequence[str], unrecorded: Callable[[], bool]
    ) -> int | None:
        """Remove a blob's copies of some keys if nobody needs them (see ``collect``)."""


class SealedBlobs(BlobStore, Protocol):
    """The blobs that one key seals."""

    def rewrap(self, digest: str) -> bool:
        """Wrap a blob's data key by the current version of the key; its bytes stay as they are.

        :returns: whether that was needed.
        :raises BlobDamaged, BlobMissing: there is no such blob, or none any more.
        """
