"""What the server counts of itself, as Prometheus reads it.

Each worker process counts in a file of its own, mapped into its memory: to count a request takes
less than a microsecond. Whichever worker is asked adds up the files of all of them, those of
workers that have ended too.
"""

from __future__ import annotations

import json
import mmap
import os
import tempfile
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

#: Where a door writes down what it was asked for, in the environ of the request.
OPERATION = "ecr_emulator.operation"
#: For what is none of a door's operations: names that clients make up are not counted apart.
_OTHER = "other"
#: Seconds to the head of the answer.
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_PUSHES = {("oci", "PUT manifests"), ("aws", "PutImage")}
_PULLS = {("oci", "GET manifests"), ("aws", "BatchGetImage")}

#: A series is a row of 64-bit numbers: nanoseconds, and how many took up to each of the buckets
#: (the last: longer). Of a job only the first of these is used.
_WIDTH = 2 + len(_BUCKETS)
#: More than all operations and statuses there are; what is beyond is not counted.
_ROWS = 4096
_SIZE = _ROWS * _WIDTH * 8
_SUFFIX = ".counts"

_Series = tuple[str, ...]


class Metrics:
    """The counts of one process, and of those that count in the same folder.

    :param folder: of the processes' files; without one the counts are of this process alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._rows: dict[_Series, int] = {}
        self._lock = threading.Lock()
        self._names: IO[str] | None = None
        number = -1
        if folder is not None:
            number, path = tempfile.mkstemp(_SUFFIX, dir=folder)
            os.ftruncate(number, _SIZE)
            # Which series the rows are: a line of JSON for each.
            self._names = Path(path).with_suffix(".names").open("a", encoding="utf-8")
        self._memory = mmap.mmap(number, _SIZE)
        if number >= 0:
            os.close(number)
        self._counts = memoryview(self._memory).cast("q")

    def request(self, door: str, operation: str, status: str, seconds: float) -> None:
        """Count a request.

        :param status: the three digits.
        :param seconds: how long it took to the answer's head.
        """
        row = self._row(("request", door, operation, status))
        bucket = row + 1 + bisect_left(_BUCKETS, seconds)
        with self._lock:
            self._counts[row] += int(seconds * 1e9)
            self._counts[bucket] += 1

    def job_ended(self, kind: str, outcome: str) -> None:
        """Count a try of a job: ``done``, ``failed`` or ``given_up``."""
        row = self._row(("job", kind, outcome))
        with self._lock:
            self._counts[row + 1] += 1

    def text(self, gauges: Iterable[Metric]) -> bytes:
        """Return everything in Prometheus's text format.

        :param gauges: what is not counted but looked up.
        """
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Given([*_families(self._all()), *gauges]))
        return generate_latest(registry)

    def _row(self, series: _Series) -> int:
        """Return where the row of a series begins. The last row is of all that has no room."""
        row = self._rows.get(series)
        if row is not None:
            return row
        with self._lock:
            row = self._rows.get(series)
            if row is None:
                if len(self._rows) >= _ROWS - 1:
                    return (_ROWS - 1) * _WIDTH
                row = len(self._rows) * _WIDTH
                if self._names is not None:
                    self._names.write(json.dumps(series) + "\n")
                    self._names.flush()
                self._rows[series] = row
        return row

    def _all(self) -> dict[_Series, list[int]]:
        """Return the rows of every series, added up over the processes."""
        found: dict[_Series, list[int]] = defaultdict(lambda: [0] * _WIDTH)
        for series, row in self._of_processes():
            found[series] = [a + b for a, b in zip(found[series], row, strict=True)]
        return found

    def _of_processes(self) -> Iterator[tuple[_Series, list[int]]]:
        if self._folder is None:
            for series, start in list(self._rows.items()):
                yield series, self._counts[start : start + _WIDTH].tolist()
            return
        for path in self._folder.glob(f"*{_SUFFIX}"):
            names = path.with_suffix(".names")
            # Only whole lines: of one that is being written the rest comes with the next look.
            lines = names.read_text("utf-8").split("\n")[:-1] if names.exists() else []
            counts = memoryview(path.read_bytes()[: len(lines) * _WIDTH * 8]).cast("q")
            for number, line in enumerate(lines):
                start = number * _WIDTH
                yield tuple(json.loads(line)), counts[start : start + _WIDTH].tolist()


def operation_of(environ: dict[str, Any]) -> str:
    """Return what a door found that a request asks for."""
    return str(environ.get(OPERATION, _OTHER))


def _families(rows: dict[_Series, list[int]]) -> Iterator[Metric]:
    """Make Prometheus's metrics of the rows of all series."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    requests = CounterMetricFamily(
        "ecr_emulator_requests",
        "Requests answered, by door, operation and status.",
        labels=["door", "operation", "status"],
    )
    jobs = CounterMetricFamily(
        "ecr_emulator_jobs_ended",
        "Tries of jobs, by kind and how they ended: done, failed, given_up.",
        labels=["kind", "outcome"],
    )
    seconds = HistogramMetricFamily(
        "ecr_emulator_request_seconds",
        "Time from a request's head to the answer's head, by door and operation.",
        labels=["door", "operation"],
    )
    pushes = CounterMetricFamily(
        "ecr_emulator_image_pushes", "Manifests put, by door.", labels=["door"]
    )
    pulls = CounterMetricFamily(
        "ecr_emulator_image_pulls",
        "Manifests got (at the AWS door: calls that get some), by door.",
        labels=["door"],
    )
    times: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * _WIDTH)
    done: dict[str, dict[str, int]] = {"push": defaultdict(int), "pull": defaultdict(int)}
    for (kind, *labels), row in sorted(rows.items()):
        count = sum(row[1:])
        if kind == "job":
            jobs.add_metric(labels, count)
            continue
        door, operation, status = labels
        requests.add_metric(labels, count)
        times[door, operation] = [a + b for a, b in zip(times[door, operation], row, strict=True)]
        if status < "300":
            for what, operations in (("push", _PUSHES), ("pull", _PULLS)):
                if (door, operation) in operations:
                    done[what][door] += count
    for labels_of_time, (nanoseconds, *counts) in times.items():
        buckets, total = [], 0
        for limit, count in zip((*map(str, _BUCKETS), "+Inf"), counts, strict=True):
            total += count
            buckets.append((limit, total))
        seconds.add_metric(list(labels_of_time), buckets, nanoseconds / 1e9)
    for family, what in ((pushes, "push"), (pulls, "pull")):
        for door, count in done[what].items():
            family.add_metric([door], count)
    return iter((requests, seconds, pushes, pulls, jobs))


class _Given:
    """Hands metrics that are there already to prometheus_client."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
