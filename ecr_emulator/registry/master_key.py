"""The master key of an installation: a file that wraps the keys which the database holds.

The file has one key in each line: 32 bytes in base64; what follows a ``#`` is a remark. The first
one wraps, all of them open. So a new master key is put before the old one, which may go once all
keys were wrapped anew (``ecr-emulator keys rotate``).
"""

from __future__ import annotations

import base64
import binascii
import os
import uuid
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ecr_emulator.blobs.files import sync_folder

_KEY_SIZE, _NONCE_SIZE = 32, 12


class MasterKeyUnusable(Exception):
    """The file cannot be used; the text says why, without the key."""


class MasterKey:
    """The file, read each time: it may change while a server runs.

    :param path: where it is.
    :param make: whether it may be made where there is none.
    """

    def __init__(self, path: Path, *, make: bool) -> None:
        self._path = path
        self._make = make

    def wrap(self, key: bytes, context: bytes, *, first: bool = False) -> bytes:
        """Return *key* encrypted, bound to *context*.

        :param first: whether nothing was ever wrapped before, so that the file may be made.
        :raises MasterKeyUnusable: there is no master key.
        """
        if first and self._make and not self._path.exists():
            self._create()
        nonce = os.urandom(_NONCE_SIZE)
        return nonce + AESGCM(self._keys()[0]).encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key that was wrapped.

        :raises MasterKeyUnusable: there is no master key, or it is another one.
        """
        for key in self._keys():
            try:
                return AESGCM(key).decrypt(wrapped[:_NONCE_SIZE], wrapped[_NONCE_SIZE:], context)
            except InvalidTag:
                continue
        raise MasterKeyUnusable("the master key is another one than what was stored needs")

    def check(self) -> None:
        """Read the file if it must be there.

        :raises MasterKeyUnusable: it is not there, or is none.
        """
        if not self._make or self._path.exists():
            self._keys()

    def _keys(self) -> list[bytes]:
        try:
            lines = self._path.read_text("ascii").splitlines()
        except OSError as error:
            raise MasterKeyUnusable(
                f"the master key file cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise MasterKeyUnusable(_MALFORMED) from None
        texts = [text for line in lines if (text := line.partition("#")[0].strip())]
        try:
            keys = [base64.b64decode(text, validate=True) for text in texts]
        except binascii.Error:
            raise MasterKeyUnusable(_MALFORMED) from None
        if not keys or any(len(key) != _KEY_SIZE for key in keys):
            raise MasterKeyUnusable(_MALFORMED)
        return keys

    def _create(self) -> None:
        """Make the file, whole or not at all; of several who do the first one's stays."""
        draft = self._path.with_name(f".{self._path.name}.{uuid.uuid4()}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(base64.b64encode(os.urandom(_KEY_SIZE)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            # Both workers of a race find the file then, and neither replaces the other's.
            try:
                os.link(draft, self._path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            sync_folder(self._path.parent)
        except OSError as error:
            raise MasterKeyUnusable(
                f"the master key file cannot be made: {error.strerror}"
            ) from None


_MALFORMED = "the master key file does not hold keys of 32 bytes in base64, one a line"
