"""The clock of an installation, which every process of it sees moved or stopped at once.

Its state is one number in a file of the data folder, mapped into the memory of each process: to
read the time costs no system call and no query, and what one process writes the others see with
their next look at the time.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ecr_emulator.clock import Clock

#: Its name in the data folder.
FILE_NAME = "clock"
#: Microseconds, times two, plus one for a clock that stands still: how far a running clock is
#: ahead of the machine's, or what a stopped one shows. One aligned number is read and written
#: whole.
_STATE = struct.Struct("=q")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
#: What a clock may show, with room for the times that are reckoned from it.
EARLIEST, LATEST = _EPOCH, datetime(9000, 1, 1, tzinfo=timezone.utc)


class BeyondTime(ValueError):
    """The clock cannot show that time."""


@dataclass(frozen=True, slots=True)
class ClockState:
    """What a clock shows, and how.

    :ivar offset: how far it is ahead of the machine's clock.
    """

    now: datetime
    offset: timedelta
    frozen: bool


class MovableClock(Clock):
    """The clock of the installation in a data folder.

    :raises OSError: its file cannot be made or read.
    """

    def __init__(self, folder: Path) -> None:
        self._moving = threading.Lock()
        self._file = os.open(folder / FILE_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with self._alone():
                if os.fstat(self._file).st_size < _STATE.size:
                    # Written rather than made longer: a full disk says so here, not at a read.
                    os.pwrite(self._file, _STATE.pack(0), 0)
            self._memory = mmap.mmap(self._file, _STATE.size)
        except OSError:
            os.close(self._file)
            raise

    def now(self) -> datetime:
        """Return the emulator's time as an aware UTC datetime."""
        (state,) = _STATE.unpack_from(self._memory)
        if not state:
            return super().now()
        return self._shown(state)

    def state(self) -> ClockState:
        """Return what the clock shows, and how."""
        (state,) = _STATE.unpack_from(self._memory)
        machine = super().now()
        now = self._shown(state) if state & 1 else machine + (state >> 1) * _MICROSECOND
        return ClockState(now, now - machine, bool(state & 1))

    def move(
        self,
        *,
        to: datetime | None = None,
        by: timedelta = timedelta(),
        frozen: bool | None = None,
    ) -> timedelta:
        """Move, stop or start the clock; return how far it went, which is less than 0 for back.

        :param to: what it is to show (aware); its own time when left out.
        :param by: how far it is to go on from there.
        :param frozen: whether it stands still from then on; as before when left out.
        :raises BeyondTime: it cannot show that.
        """
        with self._alone():
            before = self.state()
            try:
                target = (to or before.now) + by
            except OverflowError:
                raise BeyondTime("the clock cannot show that time") from None
            if not EARLIEST <= target < LATEST:
                raise BeyondTime(
                    f"the clock shows times from {EARLIEST.year} to before {LATEST.year}"
                )
            frozen = before.frozen if frozen is None else frozen
            shown = target - (_EPOCH if frozen else before.now - before.offset)
            self._write(((shown // _MICROSECOND) << 1) | frozen)
            return target - before.now

    def reset(self) -> timedelta:
        """Let the clock show the machine's time again; return how far it went."""
        with self._alone():
            offset = self.state().offset
            self._write(0)
            return -offset

    def close(self) -> None:
        """Close the file; the clock can be read no more."""
        self._memory.close()
        os.close(self._file)

    def _shown(self, state: int) -> datetime:
        base = _EPOCH if state & 1 else super().now()
        return base + (state >> 1) * _MICROSECOND

    def _write(self, state: int) -> None:
        _STATE.pack_into(self._memory, 0, state)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other threads and processes from moving the clock."""
        with self._moving:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)
