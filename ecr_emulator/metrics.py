"""What the server counts of itself, as Prometheus reads it.

Each worker process counts in a file of its own, mapped into its memory (prometheus_client's
multiprocess mode): whichever worker is asked adds up all of them, those of workers that have
ended too. The folder of these files must be named before prometheus_client is imported
(:func:`share_between_processes`); without one the counts are of the process alone.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Where a door writes down what it was asked for, in the environ of the request.
OPERATION = "ecr_emulator.operation"
#: For what is none of a door's operations: names that clients make up are not counted apart.
_OTHER = "other"
#: Seconds to the head of the answer.
_BUCKETS = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
_PUSHES = {("oci", "PUT manifests"), ("aws", "PutImage")}
_PULLS = {("oci", "GET manifests"), ("aws", "BatchGetImage")}


@contextlib.contextmanager
def share_between_processes() -> Iterator[None]:
    """Let the workers that are forked in the block count together.

    To be entered before anything imports prometheus_client.
    """
    with tempfile.TemporaryDirectory(prefix="ecr-emulator-metrics-") as folder:
        os.environ[_FOLDER_VARIABLE] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER_VARIABLE]


class Metrics:
    """The counts of one application."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ecr_emulator_requests",
            "Requests answered, by door, operation and status.",
            ["door", "operation", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "ecr_emulator_request_seconds",
            "Time from a request's head to the answer's head, by door and operation.",
            ["door", "operation"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._pushes = Counter(
            "ecr_emulator_image_pushes",
            "Manifests put, by door.",
            ["door"],
            registry=self._registry,
        )
        self._pulls = Counter(
            "ecr_emulator_image_pulls",
            "Manifests got (at the AWS door: calls that get some), by door.",
            ["door"],
            registry=self._registry,
        )
        self._jobs = Counter(
            "ecr_emulator_jobs_ended",
            "Tries of jobs, by kind and how they ended: done, failed, given_up.",
            ["kind", "outcome"],
            registry=self._registry,
        )
        # Looked up here, in half of the time that labels() takes.
        self._known: dict[tuple[str, str, str], tuple[Any, ...]] = {}

    def request(self, door: str, operation: str, status: str, seconds: float) -> None:
        """Count a request.

        :param status: the three digits.
        :param seconds: how long it took to the answer's head.
        """
        key = (door, operation, status)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._of(*key)
        known[0].observe(seconds)
        for counter in known[1:]:
            counter.inc()

    def job_ended(self, kind: str, outcome: str) -> None:
        """Count a try of a job: ``done``, ``failed`` or ``given_up``."""
        self._jobs.labels(kind, outcome).inc()

    def text(self, gauges: Iterable[Metric]) -> bytes:
        """Return everything in Prometheus's text format.

        :param gauges: what is not counted but looked up.
        """
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._registry
        folder = os.environ.get(_FOLDER_VARIABLE)
        if folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        looked_up = CollectorRegistry()
        looked_up.register(_Given(list(gauges)))
        return generate_latest(registry) + generate_latest(looked_up)

    def _of(self, door: str, operation: str, status: str) -> tuple[Any, ...]:
        counters = [self._requests.labels(door, operation, status)]
        if status < "300":
            if (door, operation) in _PUSHES:
                counters.append(self._pushes.labels(door))
            if (door, operation) in _PULLS:
                counters.append(self._pulls.labels(door))
        return (self._seconds.labels(door, operation), *counters)


def operation_of(environ: dict[str, Any]) -> str:
    """Return what a door found that a request asks for."""
    return str(environ.get(OPERATION, _OTHER))


class _Given:
    """Hands metrics that are there already to prometheus_client."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics
