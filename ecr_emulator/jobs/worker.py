"""The worker: a thread in each server process that does the jobs that are due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from ecr_emulator.jobs.queue import Job, JobQueue
from ecr_emulator.storage_failure import StorageFailure

logger = logging.getLogger(__name__)

#: What does the jobs of one kind; gets the payload, may be called again for the same job.
JobFunction = Callable[[dict[str, Any]], None]

#: Seconds between two looks at an empty queue.
_IDLE = 0.5
#: Seconds to the next look, after one that failed.
_TROUBLED = 5.0


class JobWorker:
    """Does jobs one after another.

    :param functions: what does each kind of job.
    :param last_words: what to do, for some kinds, with a job that is given up, so that nobody
        waits for its end for ever.
    :param recurring: the kinds that are done again and again, and how often.
    :param on_end: told of the kind of each job that was tried, and how that ended: ``done``,
        ``failed`` or ``given_up``.
    """

    def __init__(
        self,
        queue: JobQueue,
        functions: Mapping[str, JobFunction],
        last_words: Mapping[str, JobFunction],
        recurring: Mapping[str, timedelta] = MappingProxyType({}),
        on_end: Callable[[str, str], None] = lambda kind, outcome: None,
    ) -> None:
        self._on_end = on_end
        self._queue = queue
        self._functions = functions
        self._last_words = last_words
        self._recurring = recurring
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def run_due(self) -> int:
        """Do every job that is due now, in this thread; return how many there were."""
        count = 0
        while not self._stopping.is_set():
            job = self._queue.claim()
            if job is None:
                break
            self._run(job)
            count += 1
        return count

    def start(self) -> None:
        """Do jobs in a thread of their own until :meth:`stop`; queue what recurs."""
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Whether the thread that :meth:`start` begins is at work, if it was begun."""
        return self._thread is None or self._thread.is_alive()

    def stop(self, timeout: float = 5.0) -> None:
        """Finish the job in hand, for at most *timeout* seconds, and take no other."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def wake(self) -> None:
        """Look for jobs at once, for some may be due that were not."""
        self._wake.set()

    def _work(self) -> None:
        queued = False
        while not self._stopping.is_set():
            try:
                if not queued:
                    self._queue_recurring()
                    queued = True
                self.run_due()
                wait = _IDLE
            except StorageFailure as failure:
                # The next look may find the disk or the database well again.
                logger.error("looking for jobs failed: %s", failure)
                wait = _TROUBLED
            except Exception:
                logger.exception("looking for jobs failed")
                wait = _TROUBLED
            self._wake.wait(wait)
            self._wake.clear()

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
