"""The control endpoints that watch over a server: ``/_emulator/metrics``, ``/_emulator/ready``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify

from ecr_emulator import __version__
from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.metrics import Metrics
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.statistics import Numbers
from ecr_emulator.storage_failure import StorageFailure

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics_blueprint(
    registry: Registry, metrics: Metrics, folder: Path, works: Callable[[], bool]
) -> Blueprint:
    """Return the Flask routes for metrics and readiness.

    :param folder: the data folder.
    :param works: says whether this process does the jobs that it is to do.
    """
    blueprint = control_blueprint("metrics", "/_emulator")

    @blueprint.get("/metrics")
    def show() -> Response:
        """Show everything that is counted, in Prometheus's text format."""
        return Response(metrics.text(_gauges(registry.numbers())), content_type=_CONTENT_TYPE)

    @blueprint.get("/ready")
    def ready() -> Response:
        """Say whether requests can be served: 503 with what is amiss when they cannot."""
        checks = {
            "database": _answers(registry),
            "storage": os.access(folder, os.W_OK | os.X_OK),
            "jobs": works(),
        }
        response = jsonify(status="ready" if all(checks.values()) else "not ready", checks=checks)
        response.status_code = 200 if all(checks.values()) else 503
        return response

    return blueprint


def _answers(registry: Registry) -> bool:
    try:
        registry.ask_database()
    except StorageFailure:
        return False
    return True


def _gauges(numbers: Numbers) -> Iterable[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("ecr_emulator_repositories", "Repositories.", numbers.repositories)
    yield GaugeMetricFamily("ecr_emulator_images", "Images.", numbers.images)
    yield GaugeMetricFamily("ecr_emulator_blobs", "Blobs, each once.", numbers.blobs)
    yield GaugeMetricFamily("ecr_emulator_blob_bytes", "Their size.", numbers.blob_bytes)
    yield GaugeMetricFamily("ecr_emulator_uploads", "Uploads under way.", numbers.uploads)
    yield GaugeMetricFamily(
        "ecr_emulator_upload_bytes", "What has come of them.", numbers.upload_bytes
    )
    yield _by_kind("ecr_emulator_jobs_waiting", "Jobs queued or in hand.", numbers.jobs_waiting)
    yield _by_kind("ecr_emulator_jobs_given_up", "Jobs given up.", numbers.jobs_given_up)
    yield GaugeMetricFamily(
        "ecr_emulator_job_lag_seconds",
        "How long the job that has been due longest has been so.",
        numbers.job_lag.total_seconds(),
    )
    info = GaugeMetricFamily("ecr_emulator_info", "The version.", labels=["version"])
    info.add_metric([__version__], 1)
    yield info


def _by_kind(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, text, labels=["kind"])
    for kind, count in sorted(counts.items()):
        family.add_metric([kind], count)
    return family
