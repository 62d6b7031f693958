"""The check of the store: is all there that the database speaks of, and is it what it was?

Every blob is read and its digest worked out again. It works beside a server: what seems wrong is
looked at once more where pushes and the collector cannot change it. A repair makes the store
consistent, not whole: what is lost is taken off the records, so that clients upload it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import delete, exists, select, text

from ecr_emulator.blobs.store import BlobDamaged, BlobMissing, UploadBusy
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import (
    blobs,
    image_layers,
    images,
    layers,
    manifests,
    repositories,
    uploads,
)
from ecr_emulator.db.upstream_tables import partial_images
from ecr_emulator.digests import algorithm_of, digest_bytes, new_hash
from ecr_emulator.registry.blob_copies import BlobCopies
from ecr_emulator.registry.encryption_keys import OWN_KEY
from ecr_emulator.registry.errors import KmsFailure
from ecr_emulator.registry.repository_blobs import RepositoryBlobs

_READ_SIZE = 1 << 20
_PAGE = 500

#: A blob's bytes are not there, are others, or cannot be read.
MISSING, CORRUPT, UNREADABLE = "missing", "corrupt", "unreadable"
#: Bytes that the database does not know (garbage: the collector takes them too).
STRAY = "stray"
#: An upload's acknowledged bytes are not all there.
BROKEN_UPLOAD = "broken upload"
#: An image whose repository lacks what its manifest names, or whose manifest is another one.
INCOMPLETE_IMAGE, CORRUPT_MANIFEST = "incomplete image", "corrupt manifest"
#: The database itself is damaged.
DATABASE = "database"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong with the store.

    :ivar what: the digest or id of what it is about, for an image with its repository.
    :ivar reason: what is wrong with it, in words.
    :ivar repaired: whether the store is consistent again as far as this goes.
    """

    kind: str
    what: str
    reason: str
    repaired: bool = False


class StoreCheck:
    """Checks a store, and repairs it.

    :ivar blobs: how many blobs were read so far.
    :ivar bytes: how many bytes that were.
    """

    def __init__(self, database: Database, blobs: RepositoryBlobs) -> None:
        self._database = database
        self._blobs = blobs
        self._copies = BlobCopies(database, blobs)
        self.blobs = 0
        self.bytes = 0

    def run(self, *, repair: bool = False) -> Iterator[Fault]:
        """Yield each fault as it is found, and after it was repaired, if it can be.

        A repair removes what is corrupt or stray, and takes off the records what is missing or
        corrupt: blobs with the layers that they are, and uploads. Images stay; those that lack
        a layer then are whole again once somebody pushes it.
        """
        yield from self._whole_database()
        yield from self._recorded_blobs(repair)
        yield from self._stray_blobs(repair)
        yield from self._uploads(repair)
        yield from self._manifests()
        yield from self._images()

    def _whole_database(self) -> Iterator[Fault]:
        with self._database.read() as connection:
            if connection.dialect.name != "sqlite":
                return
            rows = connection.execute(text("PRAGMA integrity_check(20)")).scalars().all()
        for row in rows:
            if row != "ok":
                yield Fault(DATABASE, "registry", row)

    # -- blobs ------------------------------------------------------------------------------

    def _recorded_blobs(self, repair: bool) -> Iterator[Fault]:
        last = ""
        while True:
            query = select(blobs.c.digest, blobs.c.size).order_by(blobs.c.digest).limit(_PAGE)
            page = self._database.reader().execute(query.where(blobs.c.digest > last)).all()
            if not page:
                return
            keys = self._copies.keys_of(row.digest for row in page)
            for digest, size in page:
                self.blobs += 1
                self.bytes += size
                for key_id in sorted(keys.get(digest, {None}), key=str):
                    fault = self._fault_of(digest, size, key_id)
                    if fault is not None:
                        yield from self._settled(fault, size, key_id, repair)
            last = page[-1].digest

    def _fault_of(self, digest: str, size: int, key_id: str | None) -> Fault | None:
        """Read a blob to its end and say what is wrong with it.

        :param key_id: the key by which repositories have it, if they have it by one.
        """
        hasher, received = new_hash(algorithm_of(digest)), 0
        try:
            with self._blobs.open(key_id, digest) as file:
                while chunk := file.read(_READ_SIZE):
                    hasher.update(chunk)
                    received += len(chunk)
        except BlobMissing:
            return Fault(MISSING, digest, "its bytes are not there")
        except BlobDamaged as error:
            return Fault(CORRUPT, digest, f"its bytes are not what was stored: {error}")
        except KmsFailure as error:
            return Fault(UNREADABLE, digest, f"its bytes cannot be decrypted: {error}")
        except OSError as error:
            return Fault(UNREADABLE, digest, f"its bytes cannot be read: {error.strerror}")
        if received != size:
            return Fault(CORRUPT, digest, f"it has {received} bytes instead of {size}")
        if f"{algorithm_of(digest)}:{hasher.hexdigest()}" != digest:
            return Fault(CORRUPT, digest, "its bytes have another digest")
        return None

    def _settled(
        self, fault: Fault, size: int, key_id: str | None, repair: bool
    ) -> Iterator[Fault]:
        """Look again while nobody can store or collect the blob; repair it if that is wanted.

        What cannot be read now may be read once the disk is well again: it is never removed.
        """
        again: list[Fault] = []

        def look() -> bool:
            if not self._is_recorded(fault.what):
                return False
            found = self._fault_of(fault.what, size, key_id)
            if found is None:
                return False
            mend = repair and found.kind != UNREADABLE
            if mend:
                self._forget_blob(fault.what, key_id)
            again.append(Fault(found.kind, found.what, found.reason, mend))
            return mend

        self._blobs.collect_copies(fault.what, key_id, look)
        yield from again

    def _is_recorded(self, digest: str) -> bool:
        query = select(blobs.c.digest).where(blobs.c.digest == digest)
        return self._database.reader().execute(query).first() is not None

    def _forget_blob(self, digest: str, key_id: str | None) -> None:
        """Take a blob off the records of the repositories that have it by a key."""
        of_key = (
            repositories.c.kms_key.is_(None)
            if key_id in (None, OWN_KEY)
            else repositories.c.kms_key == key_id
        )
        with self._database.write() as connection:
            connection.execute(
                delete(layers).where(
                    layers.c.digest == digest,
                    layers.c.repository_id.in_(select(repositories.c.id).where(of_key)),
                )
            )
            linked = exists().where(layers.c.digest == blobs.c.digest)
            connection.execute(delete(blobs).where(blobs.c.digest == digest, ~linked))

    def _stray_blobs(self, repair: bool) -> Iterator[Fault]:
        strays: set[str] = set()
        for digest in self._blobs.folder.digests():
            if digest in strays or self._is_recorded(digest):
                continue
            strays.add(digest)
            found: list[Fault] = []

            def look(digest: str = digest, found: list[Fault] = found) -> bool:
                if self._is_recorded(digest):
                    return False
                found.append(Fault(STRAY, digest, "no repository has this blob", repair))
                return repair

            self._blobs.folder.collect(digest, look)
            yield from found

    # -- uploads ----------------------------------------------------------------------------

    def _uploads(self, repair: bool) -> Iterator[Fault]:
        query = select(uploads.c.id, uploads.c.key_id).order_by(uploads.c.id)
        for upload_id, key_id in self._database.reader().execute(query).all():
            # One that is busy is well: it looked at its bytes as it began.
            with suppress(UploadBusy):
                yield from self._upload(upload_id, key_id, repair)

    def _upload(self, upload_id: str, key_id: str | None, repair: bool) -> Iterator[Fault]:
        def forget() -> None:
            with self._database.write() as connection:
                connection.execute(delete(uploads).where(uploads.c.id == upload_id))

        query = select(uploads.c.size).where(uploads.c.id == upload_id)
        try:
            with self._blobs.store(key_id).upload(upload_id) as writer:
                size = self._database.reader().execute(query).scalar()
                if size is None or writer.size() >= size:
                    return
                reason = f"of {size} acknowledged bytes {writer.size()} are there"
                if repair:
                    forget()
                    self._blobs.folder.discard_upload(upload_id)
        except KmsFailure as error:
            yield Fault(UNREADABLE, upload_id, f"its bytes cannot be decrypted: {error}")
            return
        except (BlobMissing, BlobDamaged):
            if self._database.reader().execute(query).scalar() is None:
                return
            reason = "its bytes are not there"
            if repair:
                forget()
        yield Fault(BROKEN_UPLOAD, upload_id, reason, repair)

    # -- images -----------------------------------------------------------------------------

    def _manifests(self) -> Iterator[Fault]:
        last = 0
        while True:
            query = (
                select(*_IMAGE, images.c.id, manifests.c.body)
                .join(images, images.c.repository_id == repositories.c.id)
                .join(manifests, manifests.c.image_id == images.c.id)
                .where(images.c.id > last)
                .order_by(images.c.id)
                .limit(_PAGE)
            )
            page = self._database.reader().execute(query).all()
            if not page:
                return
            for row in page:
                if digest_bytes(row.body, algorithm_of(row.digest)) != row.digest:
                    yield Fault(CORRUPT_MANIFEST, _name(*row[:4]), "its bytes have another digest")
            last = page[-1].id

    def _images(self) -> Iterator[Fault]:
        has = (
            select(layers.c.digest)
            .where(
                layers.c.repository_id == images.c.repository_id,
                layers.c.digest == image_layers.c.digest,
            )
            .exists()
        )
        query = (
            select(*_IMAGE, image_layers.c.digest.label("layer"))
            .join(images, images.c.repository_id == repositories.c.id)
            .join(image_layers, image_layers.c.image_id == images.c.id)
            # Of cached images the layers come as clients pull them.
            .where(~has, ~exists().where(partial_images.c.image_id == images.c.id))
            .order_by(images.c.id)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            reason = f"its repository lacks the layer {row.layer}"
            yield Fault(INCOMPLETE_IMAGE, _name(*row[:4]), reason)


#: What names an image, as the first columns of a query.
_IMAGE = (repositories.c.account, repositories.c.region, repositories.c.name, images.c.digest)


def _name(account: str, region: str, name: str, digest: str) -> str:
    return f"{account}/{region}/{name}@{digest}"
