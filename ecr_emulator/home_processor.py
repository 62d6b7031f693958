"""Keeps a worker's short requests on one processor, where there is one for each worker.

Only one thread of a process runs Python at a time. When the next one that may is on another
processor, all that the last one had at hand has to come over there: with several threads that
take turns, Python took twice as long. So where there are no more processors than workers, each
worker has a home. While it is busy, threads are there for requests that are little but Python;
what hashes, reads or writes much lets go of the interpreter's lock, and gains by all processors
(:func:`roam`). A worker with little to do has no need of it, and its client may want the processor.
"""

from __future__ import annotations

import os
import threading

#: All that this process may use, and the one that is its home; none while it has no home.
_all: frozenset[int] = frozenset()
_home: frozenset[int] = frozenset()
_is_busy = False


class _Thread(threading.local):
    is_home = False


_thread = _Thread()


def settle(number: int, workers: int) -> None:
    """Give this process a home, if there are no more processors than workers.

    :param number: which of the workers it is, from 1 on.
    """
    global _all, _home
    if not hasattr(os, "sched_setaffinity"):  # pragma: no cover - not Linux
        return
    _all = frozenset(os.sched_getaffinity(0))
    if 1 < len(_all) <= workers:
        _home = frozenset({sorted(_all)[(number - 1) % len(_all)]})


def be_busy(is_busy: bool) -> None:
    """Say whether this process has much to do."""
    global _is_busy
    _is_busy = is_busy


def stay() -> None:
    """Keep this thread at home from now on, while the process is busy."""
    if not _is_busy:
        roam()
    elif _home and not _thread.is_home:
        _move(_home, is_home=True)


def roam() -> None:
    """Let this thread run where there is time for it, from now on."""
    if _thread.is_home:
        _move(_all, is_home=False)


def _move(processors: frozenset[int], *, is_home: bool) -> None:
    _thread.is_home = is_home
    try:
        os.sched_setaffinity(0, processors)
    except OSError:
        # They were taken from us since: the kernel knows best.
        return
