"""Random names of requests and events, which are no secrets.

Those of :mod:`uuid` ask the kernel, which takes three times as long, and while it does the
interpreter is let go to other threads.
"""

from __future__ import annotations

import os
import random

# Of its own, as users' tests may seed the one that all share.
_random = random.Random()  # noqa: S311 - no secrets
os.register_at_fork(after_in_child=_random.seed)
_VERSION, _VARIANT = 0xF << 76, 0x3 << 62


def random_uuid() -> str:
    """Return a random UUID (RFC 9562, version 4) as text."""
    number = _random.getrandbits(128) & ~(_VERSION | _VARIANT) | 4 << 76 | 2 << 62
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
