"""The blobs as repositories have them: plain, or sealed by the repository's key.

A repository with a KMS key has its blobs sealed by that key alone, always. All others share the
plain blobs; or, with the setting ``encryption`` on, those that the installation's own key seals.
Where one of these two has not got a blob, which was stored while the setting was another, the
other one has. Each key has its own copy of a blob: what one repository's key does, or what becomes
of it, is nothing to others.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from ecr_emulator.blobs.store import (
    BlobDamaged,
    BlobFolder,
    BlobMissing,
    BlobStore,
    DigestMismatch,
    Progress,
    StorageFull,
)
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.digests import digest_bytes
from ecr_emulator.registry.encryption_keys import OWN_KEY, EncryptionKeys, key_name
from ecr_emulator.registry.errors import ServerFailure
from ecr_emulator.registry.master_key import MasterKey

#: The name of plain copies, among the names of keys.
PLAIN = ""
_OWN_NAME = key_name(OWN_KEY)
_EMPTY = Progress(0, digest_bytes(b""))
_READ_SIZE = 1 << 20


class OtherKey(Exception):
    """Blobs are sealed by another key than that of the repository which is to have them.

    :ivar source: the id of the key that they are sealed by, if by one.
    :ivar destination: that of the key they are to be sealed by, if by one.
    """

    def __init__(self, layers: Sequence[str], source: str | None, destination: str | None) -> None:
        super().__init__(layers)
        self.layers = layers
        self.source = source
        self.destination = destination


class RepositoryBlobs:
    """Where the blobs of each repository are.

    :ivar folder: all of them, sealed or not.
    :param sealed_by_default: whether those of repositories without a KMS key are to be sealed.
    """

    def __init__(
        self, folder: BlobFolder, keys: EncryptionKeys, *, sealed_by_default: bool
    ) -> None:
        self.folder = folder
        self.keys = keys
        self._sealed_by_default = sealed_by_default

    def key_id(self, kms_key: str | None) -> str | None:
        """Return the id of the key that a repository's blobs are to be sealed by, if by one.

        :param kms_key: the repository's.
        """
        if kms_key is not None:
            return kms_key
        return OWN_KEY if self._sealed_by_default else None

    def store(self, key_id: str | None) -> BlobStore:
        """Return the store of what is sealed by a key, or of what is plain.

        :raises KmsFailure: the key cannot be used.
        """
        return self.folder if key_id is None else self.folder.sealed(self.keys.load(key_id))

    def open(self, key_id: str | None, digest: str) -> BinaryIO:
        """Open a blob for reading, as a repository of the key has it; the file can seek.

        :raises BlobMissing, BlobDamaged: there is none, or none any more.
        :raises KmsFailure: the key cannot be used.
        """
        if key_id is None:
            try:
                return self.folder.open(digest)
            except BlobMissing:
                if self.folder.sealed_size(digest, _OWN_NAME) is None:
                    raise
            key_id = OWN_KEY
        elif key_id == OWN_KEY and self.folder.sealed_size(digest, _OWN_NAME) is None:
            return self.folder.open(digest)
        return self.store(key_id).open(digest)

    def size(self, key_id: str | None, digest: str) -> int | None:
        """Return the size in bytes of a blob, as a repository of the key has it, or ``None``."""
        if key_id is None:
            size = self.folder.size(digest)
            return self.folder.sealed_size(digest, _OWN_NAME) if size is None else size
        size = self.folder.sealed_size(digest, key_name(key_id))
        return self.folder.size(digest) if size is None and key_id == OWN_KEY else size

    @contextmanager
    def copied(self, digest: str, source: str | None, key_id: str | None) -> Iterator[None]:
        """Store a copy of a blob by another key, for the block to record who needs it.

        :param source: the key that it is read by, if one.
        :param key_id: the key that is to seal the copy, if one.
        :raises BlobMissing, BlobDamaged: there is none, or none any more.
        :raises KmsFailure: one of the keys cannot be used.
        :raises ServerFailure: it cannot be stored.
        """
        if key_id is not None:
            self.keys.prepare_alone(key_id)
        store, upload_id = self.store(key_id), str(uuid.uuid4())
        try:
            store.start_upload(upload_id)
            with store.upload(upload_id) as writer:
                with self.open(source, digest) as file:
                    progress = writer.append(_EMPTY, iter(lambda: file.read(_READ_SIZE), b""))
                with writer.commit(progress, digest):
                    yield
        except DigestMismatch:
            raise BlobDamaged("its bytes have another digest") from None
        except StorageFull as error:
            raise ServerFailure(f"The registry's storage cannot take more data: {error}") from None
        finally:
            store.discard_upload(upload_id)

    def copies_needed(
        self, digest: str, key_ids: set[str | None], *, settle: bool = False
    ) -> set[str]:
        """Return the names of the keys whose copies of a blob repositories need.

        :param key_ids: of the repositories that have the blob, as :meth:`key_id` gives them.
        :param settle: whether those without a KMS key need only the copy that is theirs by the
            setting as it is now, once it is there. What merely runs beside a server may have
            been given another setting than that one.
        """
        needed = {key_name(key_id) for key_id in key_ids if key_id not in (None, OWN_KEY)}
        if key_ids & {None, OWN_KEY}:
            wanted = _OWN_NAME if self._sealed_by_default else PLAIN
            if settle and self.has_copy(digest, wanted):
                needed.add(wanted)
            else:
                needed |= {PLAIN, _OWN_NAME}
        return needed

    def check_copies(
        self, digests: Iterable[str], source: str | None, destination: str | None
    ) -> None:
        """Check that blobs of one repository can be linked into another.

        :param source: the KMS key of the one.
        :param destination: that of the other.
        :raises OtherKey: the other's key has not sealed all of them.
        """
        by, to = self.key_id(source), self.key_id(destination)
        if by != to:
            lacking = [digest for digest in digests if self.size(to, digest) is None]
            if lacking:
                raise OtherKey(lacking, by, to)

    @contextmanager
    def copied_layer(self, digest: str, by: OtherKey) -> Iterator[None]:
        """Store a copy of a blob by the key that lacks it, for the block to record the link.

        :raises KmsFailure: one of the keys cannot be used.
        :raises ServerFailure: it cannot be read, or stored.
        """
        try:
            with self.copied(digest, by.source, by.destination):
                yield
        except (BlobMissing, BlobDamaged) as error:
            raise ServerFailure(f"A layer cannot be copied: {error}") from None

    def collect_copies(
        self, digest: str, key_id: str | None, unrecorded: Callable[[], bool]
    ) -> None:
        """Remove the copies of a blob that repositories of a key may have, if none needs them.

        :param unrecorded: as for :meth:`BlobStore.collect`.
        """
        names = [PLAIN, _OWN_NAME] if key_id in (None, OWN_KEY) else [key_name(key_id)]
        self.folder.collect_copies(digest, names, unrecorded)

    def has_copy(self, digest: str, name: str) -> bool:
        """Say whether there is a copy of a blob, plain or sealed by the key of that name."""
        if name == PLAIN:
            return self.folder.size(digest) is not None
        return self.folder.sealed_size(digest, name) is not None


def open_blobs(
    data_dir: Path,
    database: Database,
    clock: Clock,
    *,
    durability: str = "full",
    sealed_by_default: bool = False,
    master_key: str = "",
) -> RepositoryBlobs:
    """Return the blobs of a data folder.

    :param master_key: the path of its master key, if that is not in the folder.
    """
    path = Path(master_key) if master_key else data_dir / "master.key"
    keys = EncryptionKeys(database, MasterKey(path, make=not master_key), clock)
    folder = FilesystemBlobStore(data_dir, durability=durability)
    return RepositoryBlobs(folder, keys, sealed_by_default=sealed_by_default)
