"""The keys that blobs are sealed by: stand-ins for KMS keys, and the installation's own.

Each has versions. The last one wraps the data keys of blobs, the earlier ones open what they have
wrapped, as the key material of a KMS key does after a rotation. The versions are in the database,
wrapped by the master key, which is not. Nothing of this is remembered: a key that is disabled is so
at once, in every process.

A key is made when something is first sealed by it: the emulator has no KMS that could say which
keys there are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, func, select, update

from ecr_emulator.clock import Clock
from ecr_emulator.db.encryption_tables import encryption_key_versions, encryption_keys
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import repositories
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.registry.errors import KmsFailure
from ecr_emulator.registry.master_key import MasterKey, MasterKeyUnusable

#: The id of the installation's own key, for repositories that name no key.
OWN_KEY = "AES256"
_NONCE = 12


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key as it is listed.

    :ivar version: the version that wraps; 0 when nothing was sealed by it yet.
    :ivar repositories: how many repositories name it.
    """

    id: str
    is_disabled: bool
    version: int
    created_at: datetime | None
    repositories: int


class LoadedKey:
    """A key with all its versions (see :class:`~ecr_emulator.blobs.sealing.SealingKey`)."""

    def __init__(self, key_id: str, versions: dict[int, bytes]) -> None:
        self.name = key_name(key_id)
        self._context = key_id.encode() + b"\0"
        self._versions = {number: AESGCM(material) for number, material in versions.items()}
        self._current = max(versions)

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return *data_key* encrypted by the last version."""
        nonce = os.urandom(_NONCE)
        cipher = self._versions[self._current]
        wrapped = cipher.encrypt(nonce, data_key, self._context + context)
        return self._current.to_bytes(4, "big") + nonce + wrapped

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """Return the data key, or ``None`` if it was not wrapped by this key for *context*."""
        cipher = self._versions.get(int.from_bytes(wrapped[:4], "big"))
        if cipher is None:
            return None
        try:
            return cipher.decrypt(
                wrapped[4 : 4 + _NONCE], wrapped[4 + _NONCE :], self._context + context
            )
        except InvalidTag:
            return None

    def is_current(self, wrapped: bytes) -> bool:
        """Say whether the last version has wrapped it."""
        return int.from_bytes(wrapped[:4], "big") == self._current


class EncryptionKeys:
    """All keys of an installation."""

    def __init__(self, database: Database, master: MasterKey, clock: Clock) -> None:
        self._database = database
        self._master = master
        self._clock = clock

    def load(self, key_id: str, *, even_disabled: bool = False) -> LoadedKey:
        """Return a key that something was sealed by.

        :param even_disabled: whether it is for the store's upkeep, and not for anybody to read.
        :raises KmsFailure: it cannot be used.
        """
        connection = self._database.reader()
        if not even_disabled:
            check_enabled(connection, key_id)
        rows = connection.execute(
            select(encryption_key_versions.c.version, encryption_key_versions.c.material).where(
                encryption_key_versions.c.key_id == key_id
            )
        ).all()
        if not rows:
            raise _missing(key_id)
        try:
            return LoadedKey(
                key_id,
                {
                    row.version: self._master.unwrap(
                        row.material, _version_context(key_id, row.version)
                    )
                    for row in rows
                },
            )
        except MasterKeyUnusable as error:
            raise _unusable(key_id, error) from None

    def has(self, key_id: str) -> bool:
        """Say whether something was ever sealed by a key."""
        query = select(encryption_key_versions.c.version).where(
            encryption_key_versions.c.key_id == key_id
        )
        return self._database.reader().execute(query).first() is not None

    def prepare(self, connection: Connection, key_id: str) -> None:
        """See to it, in a transaction that writes, that a key can seal something.

        :raises KmsFailure: it cannot.
        """
        check_enabled(connection, key_id)
        if self._version(connection, key_id) == 0:
            self._add_version(connection, key_id, 1)

    def prepare_alone(self, key_id: str) -> None:
        """Do as :meth:`prepare`, in a transaction of its own if it takes one.

        :raises KmsFailure: it cannot.
        """
        check_enabled(self._database.reader(), key_id)
        if not self.has(key_id):
            with self._database.write() as connection:
                self.prepare(connection, key_id)

    def rotate(self, key_id: str) -> int:
        """Give a key a new version and return its number; wrap the others anew as they are.

        It may be a disabled one, so that no key holds up a new master key.

        :raises KmsFailure: it cannot be opened, or nothing was sealed by it yet.
        """
        self.load(key_id, even_disabled=True)
        with self._database.write() as connection:
            version = self._version(connection, key_id) + 1
            self._add_version(connection, key_id, version)
            self._wrap_anew(connection, key_id)
        return version

    def set_disabled(self, key_id: str, *, disabled: bool) -> bool:
        """Disable or enable a key; say whether there is such a key."""
        if not any(key.id == key_id for key in self.list()):
            return False
        with self._database.write() as connection:
            self._make_row(connection, key_id)
            connection.execute(
                update(encryption_keys)
                .where(encryption_keys.c.id == key_id)
                .values(is_disabled=disabled)
            )
        return True

    def list(self) -> Sequence[KnownKey]:
        """Return all keys that something was sealed by, or that repositories name."""
        versions, keys = encryption_key_versions.c, encryption_keys.c
        with self._database.read() as connection:
            made = connection.execute(
                select(
                    keys.id,
                    keys.is_disabled,
                    keys.created_at,
                    func.coalesce(func.max(versions.version), 0),
                )
                .outerjoin(encryption_key_versions, versions.key_id == keys.id)
                .group_by(keys.id, keys.is_disabled, keys.created_at)
            ).all()
            named = connection.execute(
                select(repositories.c.kms_key, func.count()).group_by(repositories.c.kms_key)
            ).all()
        counts: dict[str, int] = {
            OWN_KEY if key_id is None else key_id: count for key_id, count in named
        }
        found = {
            key_id: KnownKey(key_id, is_disabled, version, created_at, counts.get(key_id, 0))
            for key_id, is_disabled, created_at, version in made
        }
        for key_id, count in counts.items():
            if key_id != OWN_KEY:
                found.setdefault(key_id, KnownKey(key_id, False, 0, None, count))
        return [found[key_id] for key_id in sorted(found)]

    def _version(self, connection: Connection, key_id: str) -> int:
        """Return the number of a key's last version; 0 if there is none."""
        query = select(func.max(encryption_key_versions.c.version)).where(
            encryption_key_versions.c.key_id == key_id
        )
        return connection.execute(query).scalar() or 0

    def _add_version(self, connection: Connection, key_id: str, version: int) -> None:
        self._make_row(connection, key_id)
        any_version = select(encryption_key_versions.c.version).limit(1)
        first = connection.execute(any_version).first() is None
        try:
            material = self._master.wrap(
                os.urandom(32), _version_context(key_id, version), first=first
            )
        except MasterKeyUnusable as error:
            raise _unusable(key_id, error) from None
        insert_once(
            connection,
            encryption_key_versions,
            key_id=key_id,
            version=version,
            material=material,
            created_at=self._clock.now(),
        )

    def _make_row(self, connection: Connection, key_id: str) -> None:
        insert_once(
            connection,
            encryption_keys,
            id=key_id,
            is_disabled=False,
            created_at=self._clock.now(),
        )

    def _wrap_anew(self, connection: Connection, key_id: str) -> None:
        """Wrap a key's versions by what is the first master key today."""
        versions = encryption_key_versions.c
        rows = connection.execute(
            select(versions.version, versions.material).where(versions.key_id == key_id)
        ).all()
        for row in rows:
            context = _version_context(key_id, row.version)
            material = self._master.wrap(self._master.unwrap(row.material, context), context)
            connection.execute(
                update(encryption_key_versions)
                .where(versions.key_id == key_id, versions.version == row.version)
                .values(material=material)
            )


def key_name(key_id: str) -> str:
    """Return what the files that a key seals are called by."""
    return hashlib.sha256(key_id.encode()).hexdigest()[:16]


def check_enabled(connection: Connection, key_id: str) -> None:
    """Check that a key is not disabled; one that was not made yet is not.

    :raises KmsFailure: it is. Text: AWS KMS's own; that ECR passes it on is likeliest.
    """
    query = select(encryption_keys.c.is_disabled).where(encryption_keys.c.id == key_id)
    if connection.execute(query).scalar():
        raise KmsFailure(f"{key_id} is disabled.", kmsError="DisabledException")


def _version_context(key_id: str, version: int) -> bytes:
    return key_id.encode() + b"\0" + version.to_bytes(4, "big")


def _missing(key_id: str) -> KmsFailure:
    # Text: AWS KMS's own.
    return KmsFailure(f"Key '{key_id}' does not exist", kmsError="NotFoundException")


def _unusable(key_id: str, error: MasterKeyUnusable) -> KmsFailure:
    # Text: ours; AWS has no such thing as a master key that is another one.
    return KmsFailure(
        f"The key '{key_id}' cannot be opened: {error}", kmsError="KeyUnavailableException"
    )
