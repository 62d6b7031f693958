"""Whose a data folder is: one database's, whose records say which of its blobs are needed.

Under another database all of them would be garbage, and be collected. So the folder bears a name
of its database, and whoever opens both compares them first.
"""

from __future__ import annotations

import os
from pathlib import Path

_FILE = "owner"


class FolderOfAnother(Exception):
    """The folder's blobs are another database's."""


def claim_folder(folder: Path, owner: str) -> None:
    """See that the blobs in *folder* are those of the database called *owner*.

    A folder that bears no name gets this one.

    :raises FolderOfAnother: it bears another.
    :raises OSError: the name cannot be read, or written.
    """
    path = folder / _FILE
    made = folder / f"{_FILE}.{os.getpid()}"
    if not path.exists():
        made.write_text(f"{owner}\n", encoding="ascii")
        # Of several that begin at once, one gives the name.
        try:
            os.link(made, path)
        except FileExistsError:
            pass
        except OSError:
            os.replace(made, path)
        made.unlink(missing_ok=True)
    if path.read_text(encoding="ascii", errors="replace").strip() != owner:
        raise FolderOfAnother(
            f"the blobs in {folder} belong to another database, under which they would be garbage:"
            " name that one (--database-url), take another data folder, or, to give them up,"
            f" remove {path}"
        )
