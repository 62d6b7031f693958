"""What every credential we sign rests on: purpose-bound keys, strict base64, a bounded cache."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

MAC_BYTES = 32

Value = TypeVar("Value")


def subkey(secret: bytes, purpose: str) -> bytes:
    """Derive the key for one *purpose* from the installation's *secret*.

    Each purpose has its own key, so that a thing signed for one can never pass for another.

    :raises ValueError: the secret is empty.
    """
    if not secret:
        raise ValueError("the installation secret is empty")
    return hmac.digest(secret, f"ecr_emulator:{purpose}".encode(), "sha256")


def mac(key: bytes, message: bytes) -> bytes:
    """Return the HMAC-SHA256 of *message*, 32 bytes."""
    return hmac.digest(key, message, "sha256")


def encode_base64(data: bytes) -> str:
    """Return the standard, padded base64 form of *data*."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Decode *text* only if it is the one standard, padded base64 form of its content.

    The library's decoder takes several spellings of the same bytes (stray bits after the last
    character, among others), which would let a signed text be changed unnoticed.

    :raises ValueError: any other character, padding or trailing bit.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64") from error
    if encode_base64(data) != text:
        raise ValueError("not canonical base64")
    return data


class VerifiedCache(Generic[Value]):
    """Remembers what verified texts say, least recently used out first; safe for threads.

    Keys are SHA-256 sums, so that the credentials themselves are not kept in memory. What is
    kept never depends on the time: callers compare expiry with their clock on each use.

    :param size: how many entries to keep.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = Lock()

    @staticmethod
    def key(text: str) -> bytes:
        """Return the key for *text*.

        :raises UnicodeEncodeError: the text has lone surrogates.
        """
        return hashlib.sha256(text.encode()).digest()

    def get(self, key: bytes) -> Value | None:
        """Return what was remembered under *key*, or None."""
        with self._lock:
            value = self._entries.get(key)
            if value is not None:
                self._entries.move_to_end(key)
            return value

    def put(self, key: bytes, value: Value) -> None:
        """Remember *value* under *key*."""
        with self._lock:
            self._entries[key] = value
            self._entries.move_to_end(key)
            if len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
