"""Replication to another emulator that does not answer, or breaks off; its clock moves here.

That it works is tried in ``tests/clients/test_replication_elsewhere.py``.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.jobs.queue import CLAIM
from ecr_emulator.upstreams.peer_repositories import PeerRepository
from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.app import ACCOUNT, STRANGER, App
from tests.support.images import make_image
from tests.support.server import ServerProcess

THERE = "eu-west-1"
DESTINATION = {"region": THERE, "registryId": ACCOUNT}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def port() -> int:
    """Where nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return int(closed.getsockname()[1])


@pytest.fixture
def app(tmp_path: Path, port: int) -> Iterator[App]:
    made = App(tmp_path / "near", replication_endpoints={THERE: f"http://127.0.0.1:{port}"})
    yield made
    made.close()


@pytest.fixture
def ecr(app: App) -> Any:
    client = app.ecr()
    client.create_repository(repositoryName="app")
    return client


def replicate(ecr: Any, *, deletes: bool = False) -> None:
    rule: dict[str, Any] = {"destinations": [DESTINATION]}
    if deletes:
        rule["deleteReplication"] = {"enabled": True}
    ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})


def status(ecr: Any) -> dict[str, str]:
    answer = ecr.describe_image_replication_status(repositoryName="app", imageId={"imageTag": "1"})
    (found,) = answer["replicationStatuses"]
    return {name: found[name] for name in ("status", "failureCode") if name in found}


def pass_time(app: App, minutes: int) -> int:
    """Do what is due, minute by minute; return how many jobs there were."""
    jobs = 0
    for _ in range(minutes):
        jobs += app.run_jobs()
        app.clock.advance(MINUTE)
    return jobs


def test_an_image_is_tried_again_and_fails_at_last(app: App, ecr: Any) -> None:
    replicate(ecr)
    app.oci().push("app", make_image(), "1")
    pass_time(app, 4)
    assert status(app.ecr()) == {"status": "IN_PROGRESS"}
    pass_time(app, 20)
    assert status(app.ecr()) == {"status": "FAILED", "failureCode": "ServiceUnavailable"}
    assert pass_time(app, 3) == 0
    events = app.request("GET", "/_emulator/events").get_json()["events"]
    last = events[-1]["event"]
    assert last["detail-type"] == "ECR Replication Action"
    assert (last["region"], last["detail"]["result"]) == (THERE, "FAILED")


def test_a_delete_is_dropped_at_last(app: App, ecr: Any) -> None:
    app.oci().push("app", make_image(), "1")
    replicate(ecr, deletes=True)
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "1"}])
    assert pass_time(app, 30) == 6


def test_a_backfill_counts_what_never_arrived(app: App, ecr: Any) -> None:
    oci = app.oci()
    for tag in ("1", "2"):
        oci.push("app", make_image(), tag)
    replicate(ecr)
    started = ecr.start_replication_backfill(destination=DESTINATION)
    pass_time(app, 4)

    def found() -> Any:
        return app.ecr().describe_replication_backfill_results(
            replicationBackfillId=started["replicationBackfillId"]
        )

    assert found()["status"] == "IN_PROGRESS"
    pass_time(app, 20)
    assert found()["status"] == "COMPLETE"
    assert found()["progress"] == {
        "totalReplicationCount": 2,
        "completedReplicationCount": 0,
        "failedReplicationCount": 2,
        "failureCodes": ["ServiceUnavailable"],
    }


def test_a_backfill_that_waits_is_stopped_at_once(app: App, ecr: Any) -> None:
    app.oci().push("app", make_image(), "1")
    replicate(ecr)
    started = ecr.start_replication_backfill(destination=DESTINATION)
    app.run_jobs()
    stopped = ecr.stop_replication_backfill(replicationBackfillId=started["replicationBackfillId"])
    assert stopped["status"] == "STOPPED"


@pytest.fixture
def far(make_server: MakeServer, tmp_path: Path, port: int) -> ServerProcess:
    return make_server(tmp_path / "far", port, workers=1)


def test_the_sender_breaks_off_in_the_middle(
    app: App, ecr: Any, far: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had claimed is taken over when the claim has ended, and goes on where it was."""
    replicate(ecr)
    image = make_image(layers=3)
    app.oci().push("app", image, "1")
    sent: list[str] = []
    push_blob = PeerRepository.push_blob

    def break_off_at_the_third(repository: PeerRepository, digest: str, *args: Any) -> None:
        sent.append(digest)
        if len(sent) == 3:
            raise KeyboardInterrupt
        push_blob(repository, digest, *args)

    monkeypatch.setattr(PeerRepository, "push_blob", break_off_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        app.run_jobs()
    assert status(ecr) == {"status": "IN_PROGRESS"}
    assert app.run_jobs() == 0
    app.clock.advance(CLAIM)
    app.run_jobs()
    assert status(app.ecr()) == {"status": "COMPLETE"}
    # Nothing twice but what never arrived.
    digests = [blob.digest for blob in image.blobs]
    assert sorted(sent) == sorted([*digests, sent[2]])


def test_a_tag_that_moves_while_the_image_is_sent(
    app: App, ecr: Any, far: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later push has the last word, whichever of the two arrives first."""
    replicate(ecr)
    first, second = make_image(), make_image()
    app.oci().push("app", first, "1")
    push_blob = PeerRepository.push_blob
    meanwhile = [True]

    def push_another(repository: PeerRepository, *args: Any) -> None:
        if meanwhile:
            meanwhile.clear()
            app.oci().push("app", second, "1")
            app.run_jobs()
        push_blob(repository, *args)

    monkeypatch.setattr(PeerRepository, "push_blob", push_another)
    app.run_jobs()
    there = Caller(far.url, Path(), account=ACCOUNT, region=THERE)
    assert tags_at(there.ecr) == {first.manifest.digest: [], second.manifest.digest: ["1"]}


def test_a_refused_delete_is_no_fault(
    app: App, ecr: Any, far: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    partner = {"region": THERE, "registryId": STRANGER}
    rule = {"destinations": [partner], "deleteReplication": {"enabled": True}}
    ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
    app.oci().push("app", make_image(), "1")
    app.run_jobs()
    there = Caller(far.url, Path(), account=STRANGER, region=THERE)
    there.create_repository("app")
    ecr.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "1"}])
    assert app.run_jobs() == 1
    assert "deletes are not replicated: The destination refuses" in caplog.text
    assert "Traceback" not in caplog.text


def test_a_backfill_does_not_move_a_tag_back(app: App, ecr: Any, far: ServerProcess) -> None:
    first, second = make_image(), make_image()
    app.oci().push("app", first, "1")
    replicate(ecr)
    ecr.start_replication_backfill(destination=DESTINATION)
    queue, functions = app.application.jobs._queue, app.application.jobs._functions
    job = queue.claim()
    assert job is not None
    functions[job.kind](job.payload)
    queue.done(job)
    app.oci().push("app", second, "1")
    app.run_jobs()
    there = Caller(far.url, Path(), account=ACCOUNT, region=THERE)
    assert tags_at(there.ecr) == {first.manifest.digest: [], second.manifest.digest: ["1"]}


def test_the_other_begins_anew(
    app: App, ecr: Any, far: ServerProcess, make_server: MakeServer, tmp_path: Path
) -> None:
    """Its tokens are no good then; new ones are asked for."""
    replicate(ecr)
    for folder in ("far", "fresh"):
        if folder == "fresh":
            far.stop()
            far = make_server(tmp_path / folder, far.port, workers=1)
        image = make_image()
        app.oci().push("app", image, folder)
        app.run_jobs()
        there = Caller(far.url, Path(), account=ACCOUNT, region=THERE)
        assert tags_at(there.ecr) == {image.manifest.digest: [folder]}


def tags_at(ecr: Any) -> dict[str, list[str]]:
    found = ecr.describe_images(repositoryName="app")["imageDetails"]
    return {image["imageDigest"]: image.get("imageTags", []) for image in found}
