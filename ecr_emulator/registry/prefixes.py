"""Repository name prefixes: of creation templates and of pull-through cache rules.

A prefix covers the names below it: ``prod`` (or ``prod/``, which is the same) covers
``prod/app``, and neither ``prod`` itself nor ``production/app``. ``ROOT`` covers every name
(user guide, "Repository creation templates", "Customizing repository prefixes").
"""

from __future__ import annotations

ROOT = "ROOT"


def path_of(prefix: str) -> str:
    """Return *prefix* without the slash that is assumed at its end: what identifies it."""
    return prefix.removesuffix("/")


def paths_covering(name: str) -> list[str]:
    """Return the paths of all prefixes that cover the repository *name*, the closest one first."""
    segments = name.split("/")
    below = ["/".join(segments[:count]) for count in range(len(segments) - 1, 0, -1)]
    return [*below, ROOT]
