"""What the companion process tells all workers without being asked, in memory that they share.

A worker may keep what it was told of users and secrets for as long as the number here stays the
same: it changes with every request that might have changed them, before that is answered. So a
policy that was attached, or a key that was deleted, counts at once in every worker.
"""

from __future__ import annotations

import mmap
import struct
import threading

_NUMBER = struct.Struct("=Q")
_IN_USE = 8
_HAS_RULES = 9
_SIZE = 10


class SharedState:
    """A number and two marks, shared with the processes that are forked later.

    The companion process alone writes, each with one store of memory.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _SIZE)
        self._lock = threading.Lock()

    @property
    def number(self) -> int:
        """A number that changes when anything may have changed."""
        number: int = _NUMBER.unpack_from(self._memory)[0]
        return number

    @property
    def is_in_use(self) -> bool:
        """Whether any request has come since the companions are as new."""
        return self._memory[_IN_USE] != 0

    @property
    def has_rules(self) -> bool:
        """Whether there may be a rule that waits for events."""
        return self._memory[_HAS_RULES] != 0

    def change(self, *, is_in_use: bool, has_rules: bool) -> None:
        """Say that something may have changed, and how things are now."""
        with self._lock:
            self._memory[_IN_USE] = is_in_use
            self._memory[_HAS_RULES] = has_rules
            _NUMBER.pack_into(self._memory, 0, self.number + 1)
