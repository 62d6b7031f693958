"""Layer uploads: start, add to, complete, cancel.

Both ways in meet here: ``InitiateLayerUpload``/``UploadLayerPart``/``CompleteLayerUpload``
and ``POST``/``PATCH``/``PUT`` of ``/v2/<name>/blobs/uploads/``. The database holds how far
an upload has come and the digest so far, so that any process can take the next request.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, delete, select, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.blobs.store import (
    BlobDamaged,
    BlobMissing,
    DigestMismatch,
    Progress,
    StorageFull,
    UploadBusy,
    UploadWriter,
)
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotWrite
from ecr_emulator.db.schema import repositories, uploads
from ecr_emulator.digests import digest_bytes, is_digest
from ecr_emulator.quotas import Quotas, ServiceQuotas
from ecr_emulator.registry.creation_templates import repository_for_push
from ecr_emulator.registry.errors import (
    EmptyUpload,
    InvalidLayer,
    InvalidLayerPart,
    LayerAlreadyExists,
    LayerPartTooSmall,
    LimitExceeded,
    ServerFailure,
    UploadBusyError,
    UploadNotFound,
)
from ecr_emulator.registry.layer_links import Layer, link_blob
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.repository_blobs import RepositoryBlobs

#: What InitiateLayerUpload recommends (user guide, "Maximum layer part size"), in bytes.
PART_SIZE = 10 * 1024 * 1024
#: Every part but the last one has at least this size (LayerPartTooSmallException), in bytes.
SMALLEST_PART = 5 * 1024 * 1024
_EMPTY = Progress(0, digest_bytes(b""))


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload under way.

    :ivar progress: how many bytes it has, and their digest.
    :ivar smallest_part_size: of the parts that another part followed, the smallest, in bytes.
    :ivar parts: how many parts have come.
    :ivar key_id: the key that they are sealed by; ``None`` for plain ones.
    """

    id: str
    repository_id: int
    progress: Progress
    last_part_size: int | None = None
    smallest_part_size: int | None = None
    parts: int = 0
    key_id: str | None = None

    def grown(self, progress: Progress) -> Upload:
        """Return the upload after one more part."""
        before = [
            size for size in (self.smallest_part_size, self.last_part_size) if size is not None
        ]
        return replace(
            self,
            progress=progress,
            last_part_size=progress.size - self.progress.size,
            smallest_part_size=min(before, default=None),
            parts=self.parts + 1,
        )


_QUERY = (
    select(
        uploads.c.id,
        uploads.c.repository_id,
        uploads.c.size,
        uploads.c.digest,
        uploads.c.last_part_size,
        uploads.c.smallest_part_size,
        uploads.c.parts,
        uploads.c.key_id,
    )
    .join(repositories, repositories.c.id == uploads.c.repository_id)
    .where(
        uploads.c.id == bindparam("upload_id"),
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
        repositories.c.name == bindparam("name"),
    )
)
_FIND, _FIND_FOR_UPDATE = HotQuery(_QUERY), HotQuery(_QUERY.with_for_update())
_INSERT = HotWrite(uploads.insert())
_GROW = HotWrite(
    update(uploads)
    .where(uploads.c.id == bindparam("upload_id"))
    .values(
        size=bindparam("now_size"),
        digest=bindparam("now_digest"),
        updated_at=bindparam("now"),
        last_part_size=bindparam("now_last_part_size"),
        smallest_part_size=bindparam("now_smallest_part_size"),
        parts=bindparam("now_parts"),
    )
)
_DELETE = HotWrite(delete(uploads).where(uploads.c.id == bindparam("upload_id")))


class Uploads:
    """The uploads to every repository."""

    def __init__(
        self, database: Database, blobs: RepositoryBlobs, quotas: ServiceQuotas, clock: Clock
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._quotas = quotas
        self._clock = clock

    def start(self, key: RegistryKey, name: str, permit: Permit | None) -> Upload:
        """Begin an upload to the repository *name*, which a template may create for it.

        :param permit: asked before that; ``None`` for ECR's own uploads.
        :raises RepositoryNotFound: there is no such repository.
        :raises KmsFailure: the encryption key cannot be used.
        """
        upload_id = str(uuid.uuid4())
        now = self._clock.now()
        # Only a completed upload has to outlive a power cut; others can be begun again.
        with self._database.write(lasting=False) as connection:
            repository = repository_for_push(connection, key, name, now, permit, self._quotas)
            key_id = self._blobs.key_id(repository.kms_key)
            if key_id is not None:
                self._blobs.keys.prepare(connection, key_id)
            _INSERT.run(
                connection,
                {
                    "id": upload_id,
                    "repository_id": repository.id,
                    "started_at": now,
                    "updated_at": now,
                    "size": _EMPTY.size,
                    "digest": _EMPTY.digest,
                    "parts": 0,
                    "key_id": key_id,
                },
            )
            with _as_registry_errors(key, name, upload_id):
                self._blobs.folder.start_upload(upload_id)
        return Upload(upload_id, repository.id, _EMPTY, key_id=key_id)

    def get(self, key: RegistryKey, name: str, upload_id: str) -> Upload:
        """Return an upload.

        :raises RepositoryNotFound, UploadNotFound: there is none.
        """
        return self._find(self._database.reader(), key, name, upload_id)

    def append(
        self,
        key: RegistryKey,
        name: str,
        upload_id: str,
        chunks: Iterable[bytes],
        *,
        first_byte: int | None = None,
        limit_parts: bool = False,
    ) -> Upload:
        """Add *chunks* to an upload and return how far it has come.

        :param first_byte: where the caller says the chunks begin; it must be the upload's end.
        :param limit_parts: whether the quota of parts is for this caller, too.
        :raises InvalidLayerPart: it is not.
        :raises LimitExceeded: the layer would be larger, or have more parts, than it may.
        :raises RepositoryNotFound, UploadNotFound, UploadBusyError: the upload cannot be had.
        :raises KmsFailure: the key that seals it cannot be used.
        """
        with self._held(key, name, upload_id) as (upload, writer):
            self._check_first_byte(key, name, upload, first_byte)
            quotas = self._quotas.of(key)
            if limit_parts and upload.parts >= quotas.layer_parts:
                raise LimitExceeded.of_layer_parts(quotas.layer_parts)
            upload = upload.grown(
                writer.append(upload.progress, _within(chunks, upload.progress.size, quotas))
            )
            with self._database.write(lasting=False) as connection:
                if not self._store(connection, upload):
                    # The repository was deleted meanwhile, and took the upload along.
                    self._blobs.folder.discard_upload(upload_id)
                    raise self._missing(connection, key, name, upload_id)
        return upload

    def put(
        self,
        key: RegistryKey,
        name: str,
        digest: str,
        chunks: Iterable[bytes],
        permit: Permit | None,
    ) -> Layer:
        """Store a layer in one go; of one that fails, nothing stays.

        :param permit: see :meth:`start`.
        :raises InvalidLayer: *chunks* do not have the digest.
        :raises LayerAlreadyExists: the repository has the layer.
        :raises RepositoryNotFound: there is no such repository.
        """
        upload = self.start(key, name, permit)
        try:
            return self.complete(key, name, upload.id, [digest], chunks=chunks, allow_empty=True)
        except BaseException:
            self._blobs.folder.discard_upload(upload.id)
            with self._database.write() as connection:
                _DELETE.run(connection, {"upload_id": upload.id})
            raise

    def complete(
        self,
        key: RegistryKey,
        name: str,
        upload_id: str,
        digests: Sequence[str],
        *,
        chunks: Iterable[bytes] | None = None,
        first_byte: int | None = None,
        smallest_part: int = 0,
        allow_empty: bool = False,
    ) -> Layer:
        """End an upload: its bytes become a layer of the repository.

        :param digests: the layer must have one of these.
        :param chunks: the last bytes, if they come with this call.
        :param smallest_part: every part but the last must have this many bytes.
        :param allow_empty: whether a layer may have no bytes.
        :raises InvalidLayer: the bytes have none of *digests*; the upload stays.
        :raises LayerAlreadyExists: the repository has the layer; the upload is gone.
        :raises EmptyUpload, LayerPartTooSmall, InvalidLayerPart: the upload breaks a rule.
        :raises LimitExceeded: the layer would be larger than it may be.
        :raises RepositoryNotFound, UploadNotFound, UploadBusyError: it cannot be had.
        :raises KmsFailure: the key that seals it cannot be used.
        """
        with self._held(key, name, upload_id) as (upload, writer):
            self._check_first_byte(key, name, upload, first_byte)
            if chunks is not None:
                chunks = _within(chunks, upload.progress.size, self._quotas.of(key))
                progress = writer.append(upload.progress, chunks)
                if progress.size > upload.progress.size:
                    upload = upload.grown(progress)
            if upload.progress.size == 0 and not allow_empty:
                raise EmptyUpload
            if upload.smallest_part_size is not None and upload.smallest_part_size < smallest_part:
                raise LayerPartTooSmall
            with (
                self._committed(writer, upload, digests) as digest,
                self._database.write() as connection,
            ):
                layer = Layer(digest, upload.progress.size)
                # Locks the repository's row as well: nobody deletes it under the link.
                found = self._find(connection, key, name, upload_id, for_update=True)
                is_new = link_blob(connection, found.repository_id, layer, self._clock.now())
                _DELETE.run(connection, {"upload_id": upload_id})
        if not is_new:
            raise LayerAlreadyExists(digest, name, key.account)
        return layer

    def cancel(self, key: RegistryKey, name: str, upload_id: str) -> None:
        """Drop an upload and its bytes.

        :raises RepositoryNotFound, UploadNotFound, UploadBusyError: it cannot be had.
        """
        self._find(self._database.reader(), key, name, upload_id)
        # It takes no key to drop what it seals.
        with _as_registry_errors(key, name, upload_id), self._blobs.folder.upload(upload_id):
            with self._database.write() as connection:
                _DELETE.run(connection, {"upload_id": upload_id})
            self._blobs.folder.discard_upload(upload_id)

    @contextmanager
    def _held(
        self, key: RegistryKey, name: str, upload_id: str
    ) -> Iterator[tuple[Upload, UploadWriter]]:
        """Hold an upload for this request, and read how far it has come while it is held."""
        upload = self._find(self._database.reader(), key, name, upload_id)
        store = self._blobs.store(upload.key_id)
        with _as_registry_errors(key, name, upload_id), store.upload(upload_id) as writer:
            yield self._find(self._database.reader(), key, name, upload_id), writer

    @staticmethod
    @contextmanager
    def _committed(writer: UploadWriter, upload: Upload, digests: Sequence[str]) -> Iterator[str]:
        """Store an upload as a blob under the one of *digests* that it has, for the block."""
        for digest in filter(is_digest, digests):
            with ExitStack() as stack:
                try:
                    stack.enter_context(writer.commit(upload.progress, digest))
                except DigestMismatch:
                    continue
                yield digest
                return
        raise InvalidLayer

    @staticmethod
    def _check_first_byte(
        key: RegistryKey, name: str, upload: Upload, first_byte: int | None
    ) -> None:
        size = upload.progress.size
        if first_byte is not None and first_byte != size:
            raise InvalidLayerPart(key.account, name, upload.id, max(0, size - 1))

    def _store(self, connection: Connection, upload: Upload) -> bool:
        values = {
            "upload_id": upload.id,
            "now_size": upload.progress.size,
            "now_digest": upload.progress.digest,
            "now": self._clock.now(),
            "now_last_part_size": upload.last_part_size,
            "now_smallest_part_size": upload.smallest_part_size,
            "now_parts": upload.parts,
        }
        return _GROW.run(connection, values) == 1

    @classmethod
    def _find(
        cls,
        connection: Connection,
        key: RegistryKey,
        name: str,
        upload_id: str,
        *,
        for_update: bool = False,
    ) -> Upload:
        parameters = {
            "upload_id": upload_id,
            "account": key.account,
            "region": key.region,
            "name": name,
        }
        row = (_FIND_FOR_UPDATE if for_update else _FIND).first(connection, parameters)
        if row is None:
            raise cls._missing(connection, key, name, upload_id)
        upload_id, repository_id, size, digest, *parts = row
        return Upload(upload_id, repository_id, Progress(size, digest), *parts)

    @staticmethod
    def _missing(
        connection: Connection, key: RegistryKey, name: str, upload_id: str
    ) -> UploadNotFound:
        """Return the error for an upload that is not there.

        :raises RepositoryNotFound: the repository is not there either.
        """
        find_repository(connection, key, name)
        return UploadNotFound(upload_id, name, key.account)


def _within(chunks: Iterable[bytes], size: int, quotas: Quotas) -> Iterator[bytes]:
    """Yield *chunks*, which follow *size* bytes, as long as the layer is not too large."""
    for chunk in chunks:
        size += len(chunk)
        if size > quotas.layer_bytes:
            raise LimitExceeded.of_layer_size(quotas.layer_size)
        yield chunk


@contextmanager
def _as_registry_errors(key: RegistryKey, name: str, upload_id: str) -> Iterator[None]:
    """Say in the registry's terms what the blob store could not do."""
    try:
        yield
    except UploadBusy:
        raise UploadBusyError(upload_id) from None
    except (BlobMissing, BlobDamaged):
        raise UploadNotFound(upload_id, name, key.account) from None
    except StorageFull as error:
        raise ServerFailure(f"The registry's storage cannot take more data: {error}") from None
