"""Events at the end of a file, one a line."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class FileTarget:
    """A file of JSON lines. Several processes may write to it; each line is there whole or not.

    :param path: the file; its folder must be there.
    :param sync: whether a line counts as written only when it is on the disk.
    """

    def __init__(self, name: str, path: str, *, sync: bool) -> None:
        self.name = name
        self._path = Path(path)
        self._sync = sync

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Append *event*; return why that failed, or ``None`` when it did not."""
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        try:
            # Opened each time: the file may be rotated away.
            descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            return f"{error.strerror}"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            end = os.fstat(descriptor).st_size
            try:
                _write_all(descriptor, line)
                if self._sync:
                    os.fsync(descriptor)
            except OSError:
                # Half a line would spoil the next one.
                os.ftruncate(descriptor, end)
                raise
        except OSError as error:
            return f"{error.strerror}"
        finally:
            os.close(descriptor)
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
