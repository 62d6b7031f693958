"""The master process: starts the workers, watches them, replaces the dead, stops them in time.

It knows nothing of HTTP or of the server that the workers run. What it promises, each with a
test in ``tests/server/``:

* all workers or none: a worker that fails while it starts ends the whole command, with its reason;
* a worker that dies later is replaced; workers that keep dying end the command;
* a helper process beside them is replaced whenever it dies, and ends after them;
* a worker that has reached a given age is replaced too, one at a time;
* SIGTERM and SIGINT let the workers finish, for a bounded time; then they are killed, and the
  master never outlives them;
* workers never outlive a master that was killed.

The master has one thread and does no work of its own, so that forking stays safe and nothing
but the kernel can hold it up.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import math
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

logger = logging.getLogger(__name__)

#: What a worker runs: it is given a function to call once it can serve, and returns when stopped.
Work = Callable[[Callable[[], None]], None]

_PR_SET_PDEATHSIG = 1
_READY = b"+"
_REASON_LIMIT = 1000  # bytes of a worker's reason that are passed on
#: What asks for a stop, of the master and of a worker.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_SIGNALS = (*STOP_SIGNALS, signal.SIGCHLD)
#: So many deaths within so many seconds are a fault of ours, not an accident.
_MANY_DEATHS = 5
_DEATH_WINDOW = 30.0
#: The number of the helper among the workers, and the longest wait until it is started again.
_HELPER = 0
_LONGEST_WAIT = 30.0
#: A second interrupt after this many seconds means "now"; sooner, it is the first one's echo
#: (a terminal interrupts make and the master both, and make passes it on).
_IMPATIENCE = 0.5


class _Failed(Exception):
    """The workers cannot go on; the text says why."""


@dataclass
class _Worker:
    number: int
    pid: int
    pipe: int  # the read end of what it tells us
    started: float  # monotonic
    ready: bool = False
    said: bytes = b""
    retired: float | None = None  # monotonic; when it was told to stop because of its age


class Supervisor:
    """Keeps a number of forked workers running until it is told to stop.

    :param work: what each worker runs, after the fork; it is given the worker's number, from 1
        on, and what to call when it can serve.
    :param workers: how many.
    :param listener: the listening socket that the workers share. It is closed here as the stop
        begins, so that new connections are refused rather than left without an answer.
    :param on_ready: called in the master once, when all workers can serve.
    :param boot_timeout: seconds a worker may take to be ready.
    :param stop_timeout: seconds that requests in flight may take to finish at a stop.
    :param worker_lifetime: seconds after which a worker is stopped and replaced.
    :param helper: what one more process runs, which the workers can do without for a while.
    """

    def __init__(
        self,
        work: Callable[[int, Callable[[], None]], None],
        workers: int,
        listener: socket.socket,
        on_ready: Callable[[], None],
        *,
        boot_timeout: float = 60.0,
        stop_timeout: float = 30.0,
        worker_lifetime: float = math.inf,
        helper: Work | None = None,
    ) -> None:
        self._work = work
        self._helper = helper
        self._count = workers
        self._listener = listener
        self._on_ready = on_ready
        self._boot_timeout = boot_timeout
        self._stop_timeout = stop_timeout
        self._worker_lifetime = worker_lifetime
        self._workers: dict[int, _Worker] = {}
        self._deaths: list[float] = []
        self._helper_deaths: list[float] = []
        self._helper_due = math.inf  # monotonic; when to start the helper again
        self._announced = False

    def run(self) -> int:
        """Run until a signal asks for a stop, and return the exit status of the command.

        0 after a stop in which all workers ended by themselves; 1 if some had to be killed, or
        if the workers could not start or kept dying (the reason is logged).
        """
        self._master = os.getpid()
        self._lifeline, self._lifeline_held = os.pipe()
        self._wake, wake_write = os.pipe()
        for end in (self._wake, wake_write):
            os.set_blocking(end, False)
        self._inherited = [self._lifeline_held, self._wake, wake_write]
        for name in _SIGNALS:
            # nohup's wish is respected; for the rest the handler only makes the wake-up happen.
            if name != signal.SIGHUP or signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, lambda *_: None)
        signal.set_wakeup_fd(wake_write)
        try:
            first = 1 if self._helper is None else _HELPER
            for number in range(first, self._count + 1):
                self._start(number)
            while not self._look(self._next_deadline()):
                self._tend()
            logger.info("stopping")
            return self._stop()
        except _Failed as failure:
            logger.error("%s", failure)
            self._stop()
            return 1

    # -- the life of a worker ---------------------------------------------------------------

    def _start(self, number: int) -> None:
        read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        # Until the child has dropped our handlers, a signal would be lost in them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(read)
                work: Work = partial(self._work, number)
                if number == _HELPER and self._helper is not None:
                    work = self._helper
                    # So that the port is free as soon as the workers have let go of it.
                    self._listener.close()
                status = self._be_worker(work, write)
            finally:
                # Never return into the master's code, whatever happened.
                os._exit(status)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(write)
        os.set_blocking(read, False)
        self._workers[pid] = _Worker(number, pid, read, time.monotonic())

    def _be_worker(self, work: Work, pipe: int) -> int:
        """Run *work* in the forked process and return its exit status."""
        signal.set_wakeup_fd(-1)
        for name in _SIGNALS:
            if signal.getsignal(name) is not signal.SIG_IGN:
                signal.signal(name, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        for other in self._workers.values():
            os.close(other.pipe)
        for end in self._inherited:
            os.close(end)
        die_with_master(self._master, self._lifeline)
        try:
            work(lambda: _tell(pipe, _READY))
        except BaseException as error:  # noqa: BLE001 - the process ends; only its reason is kept
            traceback.print_exc()
            _tell(pipe, f"{type(error).__name__}: {error}".encode()[:_REASON_LIMIT])
            return 1
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
        return 0

    # -- what the master does ---------------------------------------------------------------

    def _next_deadline(self) -> float | None:
        """Return the seconds until some worker's time to start, live or stop is over, if ever."""
        first = min([self._helper_due, *map(self._deadline, self._workers.values())])
        if first == math.inf:
            return None
        # Not more than select takes (the time of a month, in milliseconds, is).
        return min(3600.0, max(0.0, first - time.monotonic()))

    def _deadline(self, worker: _Worker) -> float:
        """Return the monotonic time at which something has to be done about a worker."""
        if not worker.ready:
            return worker.started + self._boot_timeout
        if worker.retired is not None:
            return worker.retired + self._stop_timeout
        if worker.number == _HELPER:
            return math.inf
        # One at a time is stopped for its age, so that the others serve meanwhile.
        if any(not other.ready or other.retired is not None for other in self._workers.values()):
            return math.inf
        return worker.started + self._worker_lifetime

    def _look(self, timeout: float | None) -> bool:
        """Wait for a signal or a worker's word, at most *timeout* seconds, and take note of it.

        Returns whether a stop was asked for.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            for worker in self._workers.values():
                if not worker.ready:
                    selector.register(worker.pipe, selectors.EVENT_READ)
            selector.select(timeout)
        for worker in self._workers.values():
            _hear(worker)
        try:
            numbers = os.read(self._wake, 4096)
        except BlockingIOError:
            return False
        return any(number in STOP_SIGNALS for number in numbers)

    def _tend(self) -> None:
        """Replace the dead, give up on those that cannot start, announce that all are ready."""
        for worker, status in self._reap():
            if worker.number == _HELPER and self._announced:
                self._helper_died(_ending(status))
                continue
            if not worker.ready:
                reason = worker.said.decode(errors="replace") or _ending(status)
                raise _Failed(f"worker {worker.number} did not start: {reason}")
            if worker.retired is not None:
                self._start(worker.number)
                continue
            logger.warning("worker %d %s; replacing it", worker.number, _ending(status))
            now = time.monotonic()
            self._deaths = [then for then in self._deaths if now - then < _DEATH_WINDOW] + [now]
            if len(self._deaths) >= _MANY_DEATHS:
                raise _Failed(
                    f"{_MANY_DEATHS} workers died within {_DEATH_WINDOW:.0f} seconds; the last"
                    f" {_ending(status)}"
                )
            self._start(worker.number)
        if self._helper_due <= time.monotonic():
            self._helper_due = math.inf
            self._start(_HELPER)
        self._retire()
        if not self._announced and all(worker.ready for worker in self._workers.values()):
            self._announced = True
            self._on_ready()

    def _helper_died(self, ending: str) -> None:
        """See to it that the helper is started again: at once, later if that keeps happening."""
        now = time.monotonic()
        recent = [then for then in self._helper_deaths if now - then < _DEATH_WINDOW]
        self._helper_deaths = [*recent, now]
        wait = min(2.0 ** len(recent) - 1, _LONGEST_WAIT)
        self._helper_due = now + wait
        logger.warning("the companion process %s; replacing it in %.0f seconds", ending, wait)

    def _retire(self) -> None:
        """Act upon the workers whose time to start, live or stop is over."""
        now = time.monotonic()
        for pid, worker in self._workers.items():
            if self._deadline(worker) > now:
                continue
            if not worker.ready and worker.number == _HELPER and self._announced:
                os.kill(pid, signal.SIGKILL)
                worker.started = math.inf
                continue
            if not worker.ready:
                raise _Failed(f"a worker was not ready after {self._boot_timeout:.0f} seconds")
            if worker.retired is None:
                os.kill(pid, signal.SIGTERM)
                worker.retired = now
            else:
                os.kill(pid, signal.SIGKILL)
                worker.retired = math.inf

    def _reap(self) -> list[tuple[_Worker, int]]:
        """Take the exited workers from the list and return each with its wait status."""
        ended = []
        for pid in list(self._workers):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                worker = self._workers.pop(pid)
                _hear(worker)
                os.close(worker.pipe)
                ended.append((worker, status))
        return ended

    def _stop(self) -> int:
        """End all workers: by request, and by force those that do not heed it in time."""
        self._listener.close()
        self._send(signal.SIGTERM, self._serving())
        asked = time.monotonic()
        while self._serving():
            left = asked + self._stop_timeout - time.monotonic()
            if left <= 0:
                break
            again = self._look(left)
            self._reap()
            if again and time.monotonic() - asked > _IMPATIENCE:
                break
        late = self._serving()
        if late:
            logger.warning("killing %d workers that did not stop", len(late))
        # The helper has nothing to finish. And a stopped (SIGSTOP) process heeds no other signal.
        self._send(signal.SIGKILL, list(self._workers))
        for pid in self._workers:
            os.waitpid(pid, 0)
        return 1 if late else 0

    def _serving(self) -> list[int]:
        """Return the process ids of the workers that are there, without the helper's."""
        return [pid for pid, worker in self._workers.items() if worker.number != _HELPER]

    def _send(self, number: int, pids: list[int]) -> None:
        for pid in pids:
            os.kill(pid, number)  # not reaped yet, so the number is still the worker's


def die_with_master(master: int, lifeline: int) -> None:
    """Make this process end when its master does, however that ends.

    :param master: the master's process id.
    :param lifeline: the read end of a pipe whose other end only the master holds: it reads as
        ended once the master is gone. That works everywhere; on Linux the kernel is asked too,
        since a process that is stopped or stuck cannot read.
    """
    _ask_kernel()
    if os.getppid() != master:  # it died before we could ask
        os._exit(1)

    def watch() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _ask_kernel() -> None:
    """Have the kernel kill this process when its master ends, on Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _tell(pipe: int, said: bytes) -> None:
    """Pass a word to the master; a master that is gone needs none."""
    with contextlib.suppress(BrokenPipeError):
        os.write(pipe, said)


def _hear(worker: _Worker) -> None:
    """Read what the worker has said so far."""
    if worker.ready:
        return
    with contextlib.suppress(BlockingIOError):
        worker.said += os.read(worker.pipe, _REASON_LIMIT)
    worker.ready = worker.said.startswith(_READY)


def _ending(status: int) -> str:
    """Say how a process ended, from its wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with status {code}"
    return f"was killed by {signal.Signals(-code).name}"
