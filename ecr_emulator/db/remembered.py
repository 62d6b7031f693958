"""What was read from the database, remembered until the next commit to it.

Most reads ask again for what has not changed: the caller's key, the policies, the tag that is
pulled. They are answered from here so long as :mod:`.commit_watch` says that nothing at all was
committed since, in any process: an answer is never older than what a statement would find.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from ecr_emulator.db.commit_watch import CommitWatch

_Value = TypeVar("_Value")

#: What is remembered at most, in bytes, roughly; with the next all is forgotten.
_MOST_BYTES = 8 << 20
#: What is more than that by itself is not remembered.
_MOST_BYTES_OF_ONE = 2 << 20
#: What an entry costs beside its content.
_ENTRY_BYTES = 500


class _Memory:
    """What was read while the database was in one state."""

    def __init__(self, state: bytes | None) -> None:
        self.state = state
        self.values: dict[Hashable, Any] = {}
        self.bytes = 0


class Remembered:
    """The memory of one database.

    :param watch: sees the commits to it.
    """

    def __init__(self, watch: CommitWatch) -> None:
        self._watch = watch
        self._memory = _Memory(None)

    def get(
        self, key: Hashable, read: Callable[[], _Value], size: Callable[[_Value], int]
    ) -> _Value:
        """Return what *read* returned when it was last called for *key*, or what it does now.

        :param key: says what is read, whatever the database holds; and by what, as all share it.
        :param read: reads committed data alone, and returns what nobody changes; what it raises
            is not remembered.
        :param size: says how many bytes of memory a value takes, roughly.
        """
        state = self._watch.state()
        memory = self._memory
        if state is None:
            return read()
        if memory.state != state:
            memory = self._memory = _Memory(state)
        elif key in memory.values:
            value: _Value = memory.values[key]
            return value
        # Of that state, or of a later one: then the state of *memory* does not come again.
        value = read()
        weight = _ENTRY_BYTES + size(value)
        if weight <= _MOST_BYTES_OF_ONE:
            if memory.bytes + weight > _MOST_BYTES:
                memory = self._memory = _Memory(state)
            memory.bytes += weight
            memory.values[key] = value
        return value
