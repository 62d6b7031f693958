"""What the stores in a folder do with single files and folders."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from ecr_emulator.blobs.store import StorageFull

#: Nothing more can be written; the folder of another user counts as read-only.
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES}


def full_or_same(error: OSError) -> Exception:
    """Return *error* as the store's own where it means that nothing more can be written."""
    if error.errno in _NO_ROOM:
        return StorageFull(os.strerror(error.errno or 0))
    return error


def new_file(path: Path) -> int:
    """Make a file that is nobody else's and return its descriptor."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


@contextlib.contextmanager
def locked_folder(folder: Path, lock: int) -> Iterator[int]:
    """Hold a folder's lock for the length of the block, which is given its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, lock)
        yield descriptor
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make durable which names a folder has."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_key_name(name: str) -> bool:
    """Say whether a file may be called after a key by *name*."""
    return len(name) == 16 and not name.strip("0123456789abcdef")
