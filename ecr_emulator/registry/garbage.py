"""Garbage: what nobody can reach or will miss, and how it goes.

Three things are collected, in this order, because each makes the next:

* uploads that nobody added to for the length of the grace, and what uploads left behind on the
  disk: crashes, and repositories that were deleted with uploads under way;
* layers that no image of their repository names, once they are older than the grace: a push
  uploads its layers first and its manifest last. Whoever was told that a layer is there counts
  as having uploaded it (:data:`~ecr_emulator.registry.layers.PROMISE_AGE`);
* blobs that no repository has as a layer, and copies of blobs that are sealed by a key which none
  of the blob's repositories has. They have no grace: nobody could read them.

It is safe beside pushes. A layer goes, and an upload, in a transaction that looks once more. A
blob goes while no upload can become it (:meth:`~ecr_emulator.blobs.store.BlobStore.collect`), its
row first and then its bytes: what a crash leaves between the two is found by the next run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby, islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, delete, exists, func, select

from ecr_emulator.blobs.store import BlobMissing, UploadBusy
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.locks import keep_others_from_writing
from ecr_emulator.db.schema import blobs, image_layers, images, layers, repositories, uploads
from ecr_emulator.jobs.worker import JobFunction
from ecr_emulator.registry.blob_copies import BlobCopies
from ecr_emulator.registry.repository_blobs import PLAIN, RepositoryBlobs

logger = logging.getLogger(__name__)

COLLECT = "collect-garbage"
#: How often a server collects.
EVERY = timedelta(hours=1)
#: Rows and names looked at together: transactions stay short, and memory bounded.
_BATCH = 500

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection removed, or would remove.

    :ivar uploads: uploads under way.
    :ivar layers: links of repositories to blobs.
    :ivar blobs: blobs.
    :ivar freed: bytes of blobs and uploads.
    """

    uploads: int
    layers: int
    blobs: int
    freed: int


class Garbage:
    """Collects what can go.

    :param grace: how long uploads and layers that no image names are kept.
    """

    def __init__(
        self, database: Database, blobs: RepositoryBlobs, clock: Clock, grace: timedelta
    ) -> None:
        self._database = database
        self._blobs = blobs.folder
        self._copies = BlobCopies(database, blobs)
        self._clock = clock
        self._grace = grace

    def collect(self) -> Collected:
        """Remove all garbage and return how much it was."""
        before = self._clock.now() - self._grace
        upload_count, upload_bytes = self._collect_uploads(before)
        layer_count = self._collect_layers(before)
        blob_count, blob_bytes = self._collect_blobs()
        collected = Collected(upload_count, layer_count, blob_count, upload_bytes + blob_bytes)
        if any((upload_count, layer_count, blob_count)):
            logger.info("garbage collected: %s", collected)
        return collected

    def find(self) -> Collected:
        """Return how much garbage there is, and remove nothing."""
        before = self._clock.now() - self._grace
        with self._database.read() as connection:
            stale = connection.execute(
                select(func.count(), func.coalesce(func.sum(uploads.c.size), 0)).where(
                    uploads.c.updated_at <= before
                )
            ).one()
            layer_count = connection.execute(
                select(func.count()).select_from(layers).where(_is_idle(before))
            ).scalar_one()
            wanted = exists().where(layers.c.digest == blobs.c.digest, ~_is_idle(before))
            unwanted = connection.execute(
                select(func.count(), func.coalesce(func.sum(blobs.c.size), 0)).where(~wanted)
            ).one()
        left = sum(1 for _ in self._left_uploads())
        strays = [self._copy_size(*copy) for copy in self._stray_copies()]
        strays += [self._copy_size(*copy) for copy in self._copies.unneeded()]
        return Collected(
            stale[0] + left,
            layer_count,
            unwanted[0] + len(strays),
            # PostgreSQL adds up to a type that is no whole number.
            int(stale[1]) + int(unwanted[1]) + sum(strays),
        )

    def job_functions(self) -> dict[str, JobFunction]:
        """Return what does the job that a server does again and again (:data:`EVERY`)."""
        return {COLLECT: self._work}

    def _work(self, _payload: dict[str, Any]) -> None:
        self.collect()

    # -- uploads ----------------------------------------------------------------------------

    def _collect_uploads(self, before: datetime) -> tuple[int, int]:
        query = select(uploads.c.id).where(uploads.c.updated_at <= before)
        stale = self._database.reader().execute(query).scalars().all()
        sizes = [self._drop_upload(upload_id, before) for upload_id in stale]
        sizes += [self._drop_left_upload(upload_id) for upload_id in self._left_uploads()]
        gone = [size for size in sizes if size is not None]
        return len(gone), sum(gone)

    def _drop_upload(self, upload_id: str, before: datetime) -> int | None:
        """Drop an upload that is still stale; return its bytes, or ``None`` when it goes on."""
        is_stale = and_(uploads.c.id == upload_id, uploads.c.updated_at <= before)

        def forget() -> int | None:
            with self._database.write() as connection:
                size: int | None = connection.execute(
                    delete(uploads).where(is_stale).returning(uploads.c.size)
                ).scalar()
            return size

        try:
            with self._blobs.upload(upload_id):
                size = forget()
                if size is not None:
                    self._blobs.discard_upload(upload_id)
        except UploadBusy:
            return None
        except BlobMissing:
            return forget()
        return size

    def _left_uploads(self) -> Iterator[str]:
        """Yield the uploads in the store that the database does not know."""
        for batch in _batches(self._blobs.uploads()):
            query = select(uploads.c.id).where(uploads.c.id.in_(batch))
            known = set(self._database.reader().execute(query).scalars())
            yield from (upload_id for upload_id in batch if upload_id not in known)

    def _drop_left_upload(self, upload_id: str) -> int | None:
        with self._database.write() as connection:
            # An upload's beginning is written to the disk before its row is committed.
            keep_others_from_writing(connection, uploads)
            query = select(uploads.c.id).where(uploads.c.id == upload_id)
            if connection.execute(query).first() is not None:
                return None
            # Held only now, so that it is not found busy by who goes on with it.
            with suppress(UploadBusy, BlobMissing), self._blobs.upload(upload_id):
                self._blobs.discard_upload(upload_id)
                return 0
        return None

    # -- layers -----------------------------------------------------------------------------

    def _collect_layers(self, before: datetime) -> int:
        query = select(layers.c.repository_id, layers.c.digest).where(_is_idle(before))
        found = self._database.reader().execute(query.order_by(layers.c.repository_id)).all()
        count = 0
        for repository_id, rows in groupby(found, lambda row: row[0]):
            for digests in _batches(row[1] for row in rows):
                count += self._drop_layers(repository_id, digests, before)
        return count

    def _drop_layers(self, repository_id: int, digests: list[str], before: datetime) -> int:
        """Drop those layers of a repository that are still idle, and return how many."""
        with self._database.write() as connection:
            # As pushes do: nobody stores an image that names a layer which goes here.
            repository = select(repositories.c.id).where(repositories.c.id == repository_id)
            connection.execute(repository.with_for_update())
            result = connection.execute(
                delete(layers).where(
                    layers.c.repository_id == repository_id,
                    layers.c.digest.in_(digests),
                    _is_idle(before),
                )
            )
        return result.rowcount

    # -- blobs ------------------------------------------------------------------------------

    def _collect_blobs(self) -> tuple[int, int]:
        strays = dict.fromkeys(digest for digest, _ in self._stray_copies())
        candidates = [*self._unlinked_blobs(), *strays]
        sizes = [
            self._blobs.collect(digest, partial(self._forget_blob, digest)) for digest in candidates
        ]
        gone = [size for size in sizes if size is not None]
        copy_count, copy_bytes = self._copies.collect()
        return len(gone) + copy_count, sum(gone) + copy_bytes

    def _forget_blob(self, digest: str) -> bool:
        """Take a blob that no repository has off the records; say whether it is off them."""
        with self._database.write() as connection:
            connection.execute(delete(blobs).where(blobs.c.digest == digest, _IS_UNLINKED))
            query = select(blobs.c.digest).where(blobs.c.digest == digest)
            return connection.execute(query).first() is None

    def _unlinked_blobs(self) -> Sequence[str]:
        query = select(blobs.c.digest).where(_IS_UNLINKED)
        return self._database.reader().execute(query).scalars().all()

    def _stray_copies(self) -> Iterator[tuple[str, str]]:
        """Yield the copies of blobs in the store that the database does not know."""
        for batch in _batches(self._blobs.copies()):
            digests = {digest for digest, _ in batch}
            query = select(blobs.c.digest).where(blobs.c.digest.in_(digests))
            known = set(self._database.reader().execute(query).scalars())
            yield from (copy for copy in batch if copy[0] not in known)

    def _copy_size(self, digest: str, name: str) -> int:
        """Return the bytes of a copy, without what its sealing takes."""
        if name == PLAIN:
            return self._blobs.size(digest) or 0
        return self._blobs.sealed_size(digest, name) or 0


_IS_UNLINKED = ~exists().where(layers.c.digest == blobs.c.digest)


def _is_idle(before: datetime) -> ColumnElement[bool]:
    """Say of a layer that it is old, and that no image of its repository names it."""
    named = (
        select(image_layers.c.image_id)
        .join(images, images.c.id == image_layers.c.image_id)
        .where(
            image_layers.c.digest == layers.c.digest,
            images.c.repository_id == layers.c.repository_id,
        )
    )
    return and_(layers.c.linked_at <= before, ~named.exists())


def _batches(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, _BATCH)):
        yield batch
