"""The copies of blobs: making those that repositories should have, dropping those none needs.

A blob has a copy for each key that some repository with it has, and a plain one for the rest (see
:mod:`ecr_emulator.registry.repository_blobs`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice

from sqlalchemy import select

from ecr_emulator.blobs.store import BlobDamaged, BlobMissing
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import layers, repositories
from ecr_emulator.registry.encryption_keys import OWN_KEY, key_name
from ecr_emulator.registry.repository_blobs import RepositoryBlobs

#: Copies looked at together.
_BATCH = 500


class BlobCopies:
    """The copies of all blobs."""

    def __init__(self, database: Database, blobs: RepositoryBlobs) -> None:
        self._database = database
        self._blobs = blobs

    def keys_of(self, digests: Iterable[str]) -> dict[str, set[str | None]]:
        """Return the ids of the keys by which repositories have blobs (of those that any has)."""
        query = (
            select(layers.c.digest, repositories.c.kms_key)
            .distinct()
            .join(repositories, repositories.c.id == layers.c.repository_id)
            .where(layers.c.digest.in_(list(digests)))
        )
        found: dict[str, set[str | None]] = {}
        for digest, kms_key in self._database.reader().execute(query):
            found.setdefault(digest, set()).add(self._blobs.key_id(kms_key))
        return found

    def collect(self, *, settle: bool = False) -> tuple[int, int]:
        """Remove the copies that none of the repositories with the blob needs.

        What no repository has at all is left to :mod:`~ecr_emulator.registry.garbage`.

        :param settle: as for :meth:`RepositoryBlobs.copies_needed`.
        :returns: how many these were, and their bytes.
        """
        freed = []
        for digest, name in self.unneeded(settle=settle):
            size = self._blobs.folder.collect_copies(
                digest, [name], partial(self._is_unneeded, digest, name, settle)
            )
            if size is not None:
                freed.append(size)
        return len(freed), sum(freed)

    def unneeded(self, *, settle: bool = False) -> Iterator[tuple[str, str]]:
        """Yield the digest and the key's name of each copy that :meth:`collect` would remove."""
        if not self._blobs.keys.list():
            # Nothing was ever sealed, so there is one copy of everything.
            return
        copies = self._blobs.folder.copies()
        while batch := list(islice(copies, _BATCH)):
            keys = self.keys_of({digest for digest, _ in batch})
            for digest, name in batch:
                needed = self._blobs.copies_needed(digest, keys.get(digest, set()), settle=settle)
                if digest in keys and name not in needed:
                    yield digest, name

    def _is_unneeded(self, digest: str, name: str, settle: bool) -> bool:
        key_ids = self.keys_of([digest]).get(digest, set())
        return name not in self._blobs.copies_needed(digest, key_ids, settle=settle)

    def make_missing(self) -> int:
        """Make the copies that repositories should have by the settings as they are now.

        What was stored with the setting ``encryption`` off is sealed then that it is on, and the
        other way about.

        :returns: how many blobs were copied.
        :raises KmsFailure: a key cannot be used.
        """
        count = 0
        query = (
            select(layers.c.digest, repositories.c.kms_key)
            .distinct()
            .join(repositories, repositories.c.id == layers.c.repository_id)
        )
        for digest, kms_key in self._database.reader().execute(query).all():
            key_id = self._blobs.key_id(kms_key)
            name = "" if key_id is None else key_name(key_id)
            if self._blobs.has_copy(digest, name):
                continue
            source = None if self._blobs.folder.size(digest) is not None else OWN_KEY
            # What is gone, or damaged, is fsck's to tell.
            with suppress(BlobMissing, BlobDamaged), self._blobs.copied(digest, source, key_id):
                count += 1
        return count

    def rewrap(self, key_id: str) -> int:
        """Wrap the data keys of all that a key seals by its last version; return how many.

        :raises KmsFailure: the key cannot be opened.
        """
        store = self._blobs.folder.sealed(self._blobs.keys.load(key_id, even_disabled=True))
        count = 0
        for digest in store.digests():
            # What is damaged stays so, and is fsck's to tell.
            with suppress(BlobMissing, BlobDamaged):
                count += store.rewrap(digest)
        return count
