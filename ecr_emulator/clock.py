"""The only source of "now" in the package.

Everything that compares or stores a time asks a :class:`Clock`, so that a test can move
twelve hours or thirty days ahead in an instant.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


class Clock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """Return the current time as an aware UTC datetime."""
        return datetime.now(timezone.utc)


class SettableClock(Clock):
    """A clock that a test moves by hand.

    :param start: the first time it shows (aware); the machine's time when left out.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime.now(timezone.utc)

    def now(self) -> datetime:
        """Return the time the clock was last set to."""
        return self._now

    def advance(self, delta: timedelta) -> None:
        """Move the clock forward by *delta*."""
        self._now += delta
