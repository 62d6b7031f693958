"""Alpine's versions compared as apk does.

Source: Alpine's package policies "Package names and versions" and apk-package(5):
``<numbers>[letter][_suffix[number]]...[~hash][-r<revision>]``, where the suffixes alpha, beta,
pre and rc come before the version without, and cvs, svn, git, hg and p after it.
"""

from __future__ import annotations

import re
from functools import total_ordering

_VERSION = re.compile(
    r"(?P<numbers>[0-9]{1,32}(?:\.[0-9]{1,32}){0,32})"
    r"(?P<letter>[a-z]?)"
    r"(?P<suffixes>(?:_[a-z]{1,8}[0-9]{0,32}){0,16})"
    r"(?:~[0-9a-f]{1,64})?"
    r"(?:-r(?P<revision>[0-9]{1,16}))?"
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")
_SUFFIXES = ("alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p")
_RANKS = {name: rank for rank, name in enumerate(_SUFFIXES)}
_NO_SUFFIX = (_RANKS[""], 0)


@total_ordering
class ApkVersion:
    """A version of an Alpine package.

    :raises ValueError: *text* is none.
    """

    def __init__(self, text: str) -> None:
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ValueError("not a version of Alpine's")
        first, *others = match["numbers"].split(".")
        suffixes = _SUFFIX.findall(match["suffixes"])
        if any(name not in _RANKS for name, _ in suffixes):
            raise ValueError("not a version of Alpine's")
        #: A number behind a dot that begins with a zero is compared as text, below all others.
        self._numbers = (
            (1, int(first), ""),
            *(
                (0, 0, number) if number.startswith("0") else (1, int(number), "")
                for number in others
            ),
        )
        self._letter = match["letter"]
        self._suffixes = (
            *((_RANKS[name], int(number or 0)) for name, number in suffixes),
            # What ends here compares as no suffix: after _rc, before _p.
            _NO_SUFFIX,
        )
        self._revision = int(match["revision"] or 0)

    @property
    def _key(self) -> tuple[object, ...]:
        return self._numbers, self._letter, self._suffixes, self._revision

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApkVersion) and self._key == other._key

    def __lt__(self, other: ApkVersion) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)
