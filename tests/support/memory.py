"""How much memory a process and its children use (Linux)."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

INTERVAL_SECONDS = 0.05


def tree(pid: int) -> list[int]:
    """Return *pid* and all processes below it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:
                continue  # the thread or the process ended meanwhile
    return found


def proportional_bytes(pid: int) -> int:
    """Return a process's share of memory: its own pages, and of shared pages its part.

    The sum over a tree then counts a page once, however many of the processes share it.
    """
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # it ended meanwhile
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


class PeakMemory:
    """Watches a tree of processes while the block runs.

    :ivar peak: the most bytes that all of them used at one moment.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.peak = 0

    def measure(self) -> int:
        """Return the bytes that all of them use now."""
        return sum(proportional_bytes(pid) for pid in tree(self._pid))

    def __enter__(self) -> PeakMemory:
        self.peak = self.measure()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(INTERVAL_SECONDS):
            self.peak = max(self.peak, self.measure())
