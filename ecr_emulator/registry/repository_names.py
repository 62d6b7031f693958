"""Which names a private repository may have.

The service model checks the names that come with its operations; those that come in the path
of a push are checked here, before a repository is made for them.
"""

from __future__ import annotations

import re

#: Service model, ``RepositoryName``.
_SHORTEST, _LONGEST = 2, 256
_SEGMENT = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*\Z")


def is_repository_name(name: str) -> bool:
    """Say whether a private repository may be called *name*."""
    return _SHORTEST <= len(name) <= _LONGEST and _NAME.match(name) is not None
