"""The ids of API calls, which stand in answers, logs and recorded events."""

from __future__ import annotations

from random import getrandbits


def new_request_id() -> str:
    """Return a random UUID (version 4, RFC 9562).

    It need not be hard to guess, so it costs no system call, which would also let another thread
    have the interpreter. What forks has its child seed the generator anew.
    """
    return (
        f"{getrandbits(32):08x}-{getrandbits(16):04x}-4{getrandbits(12):03x}"
        f"-{0x8000 | getrandbits(14):04x}-{getrandbits(48):012x}"
    )
