"""SQLite's locks, as another process sees them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

#: Exits with 1 if one of the locks is taken that every open connection holds for reading: the one
#: of the log's index (UNIX_SHM_DMS) and, with it, that of the database (SHARED_FIRST).
_LOOK = """
import fcntl, os, struct, sys
held = []
for name, first, length in ((sys.argv[1] + "-shm", 128, 1), (sys.argv[1], 0x40000002, 510)):
    try:
        file = os.open(name, os.O_RDWR)
    except FileNotFoundError:
        held.append(False)
        continue
    lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, first, length, 0)
    found = fcntl.fcntl(file, fcntl.F_GETLK, lock)
    held.append(struct.unpack("hhqqi", found)[0] != fcntl.F_UNLCK)
sys.exit(1 if all(held) else 2 if any(held) else 0)
"""


def is_in_use(database: Path) -> bool:
    """Say whether a connection to a database is open, by its locks."""
    status = subprocess.run([sys.executable, "-c", _LOOK, str(database)]).returncode
    assert status in (0, 1), "one lock without the other"
    return status == 1
