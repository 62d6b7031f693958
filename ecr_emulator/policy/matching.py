"""Wildcards of the policy language: ``*`` for any run of characters, ``?`` for exactly one.

Patterns come from callers, so nothing here backtracks: a pattern is cut at its ``*`` and each
piece is found leftmost once, which decides the whole. A piece that holds a ``?`` is found with
one bit of an integer for each position (Baeza-Yates and Gonnet's shift-and), so its cost too
grows with the length of the value alone.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from functools import lru_cache


class Wildcard(enum.Enum):
    """The two wildcards, as they stand in a :data:`Glob`."""

    ANY = "*"
    ONE = "?"


#: A pattern: literal text and wildcards in order. Text is literal even if it holds ``*``,
#: as the values of policy variables do.
Glob = tuple["str | Wildcard", ...]


def glob(pattern: str) -> Glob:
    """Read *pattern*, in which every ``*`` and ``?`` is a wildcard."""
    # Short patterns recur with every request; long ones must not fill memory.
    return _short_glob(pattern) if len(pattern) <= 256 else _read_glob(pattern)


def _read_glob(pattern: str) -> Glob:
    parts: list[str | Wildcard] = []
    start = 0
    for position, character in enumerate(pattern):
        if character in "*?":
            if start < position:
                parts.append(pattern[start:position])
            parts.append(Wildcard.ANY if character == "*" else Wildcard.ONE)
            start = position + 1
    if start < len(pattern):
        parts.append(pattern[start:])
    return tuple(parts)


_short_glob = lru_cache(maxsize=2048)(_read_glob)


def glob_matches(parts: Glob, value: str) -> bool:
    """Tell whether the whole of *value* matches the pattern *parts*."""
    # Most patterns in policies are one word, one "*", or a word and "*".
    first = parts[0] if parts else ""
    if len(parts) < 2 and not isinstance(first, Wildcard):
        return value == first
    if parts[-1] is Wildcard.ANY and len(parts) <= 2:
        if len(parts) == 1:
            return True
        if isinstance(first, str):
            return value.startswith(first)
    return _segments_match(parts, value)


def _segments_match(parts: Glob, value: str) -> bool:
    segments: list[list[str | Wildcard]] = [[]]
    for part in parts:
        if part is Wildcard.ANY:
            segments.append([])
        else:
            segments[-1].append(part)
    first, last = _Segment(segments[0]), _Segment(segments[-1])
    if len(segments) == 1:
        return len(value) == first.length and first.is_at(value, 0)
    end = len(value) - last.length
    if end < first.length or not first.is_at(value, 0) or not last.is_at(value, end):
        return False
    position = first.length
    for pieces in segments[1:-1]:
        segment = _Segment(pieces)
        found = segment.find(value, position, end)
        if found < 0:
            return False
        position = found + segment.length
    return True


def wildcard_match(pattern: str, value: str) -> bool:
    """Tell whether the whole of *value* matches *pattern*; case matters."""
    return glob_matches(glob(pattern), value)


def action_matches(pattern: str, action: str) -> bool:
    """Tell whether *pattern* (``ecr:Get*``, ``*``) covers *action* (``ecr:GetRepositoryPolicy``).

    Prefix and name are compared without regard to case ("Action", IAM User Guide).
    """
    return wildcard_match(pattern.lower(), action.lower())


def split_arn(arn: Glob) -> tuple[Glob, ...]:
    """Cut an ARN pattern at its first five colons into its (at most six) components."""
    components: list[list[str | Wildcard]] = [[]]
    for part in arn:
        if isinstance(part, Wildcard):
            components[-1].append(part)
            continue
        pieces = part.split(":", 6 - len(components))
        for number, piece in enumerate(pieces):
            if number:
                components.append([])
            if piece:
                components[-1].append(piece)
    return tuple(tuple(component) for component in components)


def arn_matches(pattern: Glob, arn: str) -> bool:
    """Tell whether *arn* matches *pattern*, component by component.

    Each of the six components is compared by itself, so that a wildcard does not reach over a
    colon ("Amazon Resource Name (ARN) condition operators", IAM User Guide). The last one,
    the resource, is whatever follows the fifth colon.
    """
    wanted = split_arn(pattern)
    given = arn.split(":", 5)
    return len(wanted) == len(given) and all(
        glob_matches(component, value) for component, value in zip(wanted, given, strict=True)
    )


def resource_matches(pattern: Glob, resource: str, *, complete: bool = False) -> bool:
    """Tell whether the ``Resource`` *pattern* covers the ARN (or ``*``) *resource*.

    ``*`` covers all. An action that knows no resource is asked for with the resource ``*``,
    which only a pattern of wildcards covers.

    :param complete: whether a pattern with fewer than six components counts as if ``*`` stood in
        the missing ones, as in identity-based policies ("IAM identifiers", IAM User Guide).
    """
    if pattern and all(part is Wildcard.ANY for part in pattern):
        return True
    wanted = split_arn(pattern)
    given = resource.split(":", 5)
    if len(given) < 6 or (len(wanted) < 6 and not complete):
        return False
    return all(
        glob_matches(component, value) for component, value in zip(wanted, given, strict=False)
    )


class _Segment:
    """A stretch of a pattern without ``*``: it covers a fixed number of characters."""

    def __init__(self, pieces: Sequence[str | Wildcard]) -> None:
        self._texts: list[tuple[int, str]] = []
        self.length = 0
        for piece in pieces:
            if isinstance(piece, Wildcard):
                self.length += 1
            else:
                self._texts.append((self.length, piece))
                self.length += len(piece)
        self._literal = len(self._texts) == 1 and len(self._texts[0][1]) == self.length

    def is_at(self, value: str, position: int) -> bool:
        """Tell whether the segment stands in *value* at *position*."""
        return position + self.length <= len(value) and all(
            value.startswith(text, position + offset) for offset, text in self._texts
        )

    def find(self, value: str, start: int, end: int) -> int:
        """Return the leftmost place of the segment in ``value[start:end]``, or -1."""
        if start + self.length > end:
            return -1
        if not self._texts:
            return start
        if self._literal:
            return value.find(self._texts[0][1], start, end)
        return self._shift_and(value, start, end)

    def _shift_and(self, value: str, start: int, end: int) -> int:
        wild = (1 << self.length) - 1
        masks: dict[str, int] = {}
        for offset, text in self._texts:
            wild ^= ((1 << len(text)) - 1) << offset
            for place, character in enumerate(text, offset):
                masks[character] = masks.get(character, 0) | 1 << place
        accept = 1 << (self.length - 1)
        state = 0
        for position in range(start, end):
            state = (state << 1 | 1) & (masks.get(value[position], 0) | wild)
            if state & accept:
                return position - self.length + 1
        return -1
