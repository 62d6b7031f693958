"""What is counted: in one process, and by all workers of a server together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from ecr_emulator.metrics import Metrics
from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.app import ACCOUNT, App
from tests.support.images import make_image

LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples by name and the values of their labels, in the labels' order."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def read(app: App) -> dict[tuple[str, ...], float]:
    answer = app.request("GET", "/_emulator/metrics")
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return samples(answer.text)


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An application of its own, which has counted nothing."""
    return App(tmp_path / "data")


def test_requests_pushes_and_pulls(app: App) -> None:
    ecr, oci = app.ecr(), app.oci()
    ecr.create_repository(repositoryName="app")
    image = make_image(layers=2)
    oci.push("app", image, "1")
    for _ in range(3):
        oci.expect(200, "GET", "/v2/app/manifests/1")
    oci.refused(404, "MANIFEST_UNKNOWN", "GET", "/v2/app/manifests/none")
    app.request("GET", "/v2/")
    ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "1"}])
    found = read(app)

    def requests(door: str, operation: str, status: str) -> float:
        return found["ecr_emulator_requests_total", door, operation, status]

    assert requests("aws", "CreateRepository", "200") == 1
    assert requests("aws", "GetAuthorizationToken", "200") == 1
    assert requests("oci", "PUT manifests", "201") == 1
    assert requests("oci", "POST uploads", "201") == 3
    assert requests("oci", "GET manifests", "200") == 3
    assert requests("oci", "GET manifests", "404") == 1
    # Refused before anybody looked what it asks for.
    assert requests("oci", "other", "401") == 1
    assert found["ecr_emulator_image_pushes_total", "oci"] == 1
    assert found["ecr_emulator_image_pulls_total", "oci"] == 3
    assert found["ecr_emulator_image_pulls_total", "aws"] == 1
    assert found["ecr_emulator_request_seconds_count", "oci", "GET manifests"] == 4
    assert found["ecr_emulator_request_seconds_bucket", "oci", "+Inf", "GET manifests"] == 4
    assert found["ecr_emulator_repositories",] == 1
    assert found["ecr_emulator_images",] == 1
    assert found["ecr_emulator_blobs",] == 3
    assert found["ecr_emulator_blob_bytes",] == sum(len(blob.data) for blob in image.blobs)
    assert found["ecr_emulator_uploads",] == 0
    oci.start_upload("app")
    assert read(app)["ecr_emulator_uploads",] == 1


def test_names_that_clients_make_up_are_not_counted_apart(app: App) -> None:
    for number in range(5):
        app.call(f"Invent{number}", {})
        app.request("GET", f"/v2/made/up/{number}")
        app.request("GET", f"/{number}")
    names = {key[2] for key in read(app) if key[0] == "ecr_emulator_requests_total"}
    assert names <= {"unknown", "other", "GetAuthorizationToken"}


def test_jobs(app: App) -> None:
    ecr = app.ecr()
    ecr.create_repository(repositoryName="app", imageScanningConfiguration={"scanOnPush": True})
    app.oci().push("app", make_image(), "1")
    app.clock.advance(timedelta(seconds=90))
    before = read(app)
    waiting = {
        key[1]: value for key, value in before.items() if key[0] == "ecr_emulator_jobs_waiting"
    }
    assert waiting
    assert before["ecr_emulator_job_lag_seconds",] == 90
    count = app.run_jobs()
    after = read(app)
    done = [
        v
        for key, v in after.items()
        if key[0] == "ecr_emulator_jobs_ended_total" and key[2] == "done"
    ]
    assert sum(done) == count >= sum(waiting.values())
    assert after["ecr_emulator_job_lag_seconds",] == 0


def test_ready(app: App) -> None:
    answer = app.request("GET", "/_emulator/ready")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ready",
        "checks": {"database": True, "storage": True, "jobs": True},
    }
    app.application.jobs.start()
    assert app.request("GET", "/_emulator/ready").status_code == 200
    app.application.jobs.stop()
    answer = app.request("GET", "/_emulator/ready")
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {"database": True, "storage": True, "jobs": False}
    # What is alive is healthy all the same.
    assert app.request("GET", "/_emulator/health").status_code == 200


def test_all_workers_count_together(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(workers=2)
    caller = Caller(server.url, tmp_path, ACCOUNT)
    caller.create_repository("app")
    caller.oci().push("app", make_image(), "1")
    pool = urllib3.PoolManager(retries=False)

    def counted() -> dict[tuple[str, ...], float]:
        # A new connection each time, so that either worker may be asked.
        answer = pool.request(
            "GET", f"{server.url}/_emulator/metrics", headers={"Connection": "close"}
        )
        assert answer.status == 200
        return samples(answer.data.decode())

    for _ in range(60):
        caller.oci().request("GET", "/v2/app/manifests/1", headers={"Connection": "close"})
    key = ("ecr_emulator_requests_total", "oci", "GET manifests", "200")
    assert [counted()[key] for _ in range(10)] == [60] * 10
    assert counted()["ecr_emulator_image_pushes_total", "oci"] == 1


def test_those_who_have_ended_are_counted_too(tmp_path: Path) -> None:
    first, second = Metrics(tmp_path), Metrics(tmp_path)
    first.request("oci", "GET manifests", "200", 0.002)
    first.job_ended("scan", "done")
    del first
    second.request("oci", "GET manifests", "200", 90.0)
    second.request("oci", "GET manifests", "404", 0.0)
    second.job_ended("scan", "given_up")
    found = samples(Metrics(tmp_path).text([]).decode())
    assert found["ecr_emulator_requests_total", "oci", "GET manifests", "200"] == 2
    assert found["ecr_emulator_image_pulls_total", "oci"] == 2
    assert found["ecr_emulator_jobs_ended_total", "scan", "done"] == 1
    assert found["ecr_emulator_jobs_ended_total", "scan", "given_up"] == 1
    times = {
        key[2]: value
        for key, value in found.items()
        if key[0] == "ecr_emulator_request_seconds_bucket"
    }
    assert (times["0.001"], times["0.005"], times["60.0"], times["+Inf"]) == (1, 2, 2, 3)
    assert found["ecr_emulator_request_seconds_sum", "oci", "GET manifests"] == 90.002


def test_more_series_than_there_is_room_for(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for number in range(5000):
        metrics.request("aws", f"Operation{number}", "200", 0.1)
    found = samples(metrics.text([]).decode())
    assert found["ecr_emulator_requests_total", "aws", "Operation0", "200"] == 1
    assert ("ecr_emulator_requests_total", "aws", "Operation4999", "200") not in found
