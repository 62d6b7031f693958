"""When what keeps the data cannot: the disk is full or read-only, the database out of reach."""

from __future__ import annotations


class StorageFailure(Exception):
    """What was asked could not be stored or read, through no fault of the caller's.

    The text says why, in words that a caller may see. Nothing of the request was kept.
    """
