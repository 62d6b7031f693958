"""The worker: threads in each server process that do the jobs that are due."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from ecr_emulator.jobs.queue import ALL, Job, JobQueue, Lane
from ecr_emulator.storage_failure import StorageFailure

logger = logging.getLogger(__name__)

#: What does the jobs of one kind; gets the payload, may be called again for the same job.
JobFunction = Callable[[dict[str, Any]], None]

#: Seconds between two looks at an empty queue.
_IDLE = 0.5
#: Seconds to the next look, after one that failed.
_TROUBLED = 5.0


class JobWorker:
    """Does jobs one after another, and slow ones beside the others.

    :param functions: what does each kind of job.
    :param last_words: what to do, for some kinds, with a job that is given up, so that nobody
        waits for its end for ever.
    :param recurring: the kinds that are done again and again, and how often.
    :param on_end: told of the kind of each job that was tried, and how that ended: ``done``,
        ``failed`` or ``given_up``.
    :param slow: the kinds that wait for others than this installation, in a thread of their own.
    """

    def __init__(
        self,
        queue: JobQueue,
        functions: Mapping[str, JobFunction],
        last_words: Mapping[str, JobFunction],
        recurring: Mapping[str, timedelta] = MappingProxyType({}),
        on_end: Callable[[str, str], None] = lambda kind, outcome: None,
        slow: Sequence[str] = (),
    ) -> None:
        self._on_end = on_end
        self._queue = queue
        self._functions = functions
        self._last_words = last_words
        self._recurring = recurring
        self._stopping = threading.Event()
        self._lanes = [Lane(tuple(slow), takes_these=False)]
        if slow:
            self._lanes.append(Lane(tuple(slow), takes_these=True))
        self._wakers = {lane: threading.Event() for lane in self._lanes}
        self._threads: list[threading.Thread] = []

    def run_due(self, lane: Lane = ALL) -> int:
        """Do every job of *lane* that is due now, in this thread; return how many there were."""
        count = 0
        while not self._stopping.is_set():
            job = self._queue.claim(lane)
            if job is None:
                break
            self._run(job)
            count += 1
        return count

    def start(self) -> None:
        """Do jobs in threads of their own until :meth:`stop`; queue what recurs."""
        for lane in self._lanes:
            name = "slow-jobs" if lane.takes_these else "jobs"
            thread = threading.Thread(target=self._work, args=(lane,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    @property
    def works(self) -> bool:
        """Whether the threads that :meth:`start` begins are at work, if they were begun."""
        return all(thread.is_alive() for thread in self._threads)

    def stop(self, timeout: float = 5.0) -> None:
        """Finish the jobs in hand, for at most *timeout* seconds, and take no others."""
        self._stopping.set()
        self.wake()
        until = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def wake(self) -> None:
        """Look for jobs at once, for some may be due that were not."""
        for waker in self._wakers.values():
            waker.set()

    def _work(self, lane: Lane) -> None:
        queued = lane.takes_these
        while not self._stopping.is_set():
            try:
                if not queued:
                    self._queue_recurring()
                    queued = True
                self.run_due(lane)
                wait = _IDLE
            except StorageFailure as failure:
                # The next look may find the disk or the database well again.
                logger.error("looking for jobs failed: %s", failure)
                wait = _TROUBLED
            except Exception:
                logger.exception("looking for jobs failed")
                wait = _TROUBLED
            self._wakers[lane].wait(wait)
            self._wakers[lane].clear()

    def _queue_recurring(self) -> None:
        for kind, every in self._recurring.items():
            self._queue.keep_queued(kind, every)

    def _run(self, job: Job) -> None:
        every = self._recurring.get(job.kind)
        try:
            self._functions[job.kind](job.payload)
        except Exception as error:
            logger.exception("job %d (%s) failed at try %d", job.id, job.kind, job.attempts)
            outcome = "failed"
            if every is not None:
                self._queue.repeat(job, every)
            elif self._queue.failed(job, f"{type(error).__name__}: {error}"):
                logger.error("job %d (%s) is given up", job.id, job.kind)
                self._give_up(job)
                outcome = "given_up"
            self._on_end(job.kind, outcome)
            return
        if every is not None:
            self._queue.repeat(job, every)
        else:
            self._queue.done(job)
        self._on_end(job.kind, "done")

    def _give_up(self, job: Job) -> None:
        last_words = self._last_words.get(job.kind)
        if last_words is None:
            return
        try:
            last_words(job.payload)
        except Exception:
            # The job failed for a reason that this may share: it is on record as given up.
            logger.exception("giving up job %d (%s) failed", job.id, job.kind)
