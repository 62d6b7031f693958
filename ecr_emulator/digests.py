"""Content digests: grammar, hashing and comparison.

The grammar is that of the OCI image specification (descriptor.md, "Digests"); the two
algorithms registered there are the ones accepted.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_WELL_FORMED = re.compile(r"(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})\Z")
#: What ECR itself accepts as the form of a digest (service model, LayerDigest).
_DIGEST_LIKE = re.compile(r"[a-zA-Z0-9\-_+.]{1,64}:[a-fA-F0-9]{1,256}\Z")


def is_digest(text: str) -> bool:
    """Say whether *text* is a well-formed digest of a supported algorithm."""
    return _WELL_FORMED.match(text) is not None


def looks_like_digest(text: str) -> bool:
    """Say whether *text* has a digest's form, whatever its algorithm and length."""
    return _DIGEST_LIKE.match(text) is not None


def algorithm_of(digest: str) -> str:
    """Return the algorithm of a well-formed *digest*."""
    return digest.partition(":")[0]


def split_digest(digest: str) -> tuple[str, str]:
    """Return (algorithm, hexadecimal) of *digest*.

    :raises ValueError: when *digest* is not well-formed; callers that build file names
        rely on this check.
    """
    if not is_digest(digest):
        raise ValueError("not a digest")
    algorithm, _, encoded = digest.partition(":")
    return algorithm, encoded


def new_hash(algorithm: str) -> _Hash:
    """Return a fresh hash object for ``sha256`` or ``sha512``."""
    if algorithm not in _HEX_LENGTHS:
        raise ValueError("unsupported digest algorithm")
    return hashlib.new(algorithm)


def digest_bytes(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of *content*."""
    hasher = new_hash(algorithm)
    hasher.update(content)
    return f"{algorithm}:{hasher.hexdigest()}"
