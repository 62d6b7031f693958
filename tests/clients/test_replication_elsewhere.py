"""Replication from one emulator to another: what is pushed to the one is pulled from the other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.clients.caller import Caller, any_account
from tests.conftest import MakeServer
from tests.support.docker import Docker
from tests.support.images import Image, make_image, make_index
from tests.support.oci_client import OciError
from tests.support.server import ServerProcess

SECONDS = 60
HERE, THERE = "us-east-1", "eu-west-1"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The emulator that holds all registries of :data:`THERE`."""
    started = ServerProcess(tmp_path_factory.mktemp("far") / "data", workers=1)
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, far: ServerProcess) -> Iterator[ServerProcess]:
    """The emulator that finds them there; what it sends, it has encrypted on its disk."""
    started = ServerProcess(
        tmp_path_factory.mktemp("near") / "data",
        workers=1,
        replication_endpoints=f"{THERE}={far.url}",
        encryption="on",
    )
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


@pytest.fixture
def here(near: ServerProcess, tmp_path: Path) -> Caller:
    return Caller(near.url, tmp_path / "aws", region=HERE)


@pytest.fixture
def there(far: ServerProcess, here: Caller, tmp_path: Path) -> Caller:
    """The same account's user of the other emulator."""
    return Caller(far.url, tmp_path / "aws", account=here.account, region=THERE)


@pytest.fixture
def partner(far: ServerProcess, tmp_path: Path) -> Caller:
    """Another account's user of the other emulator."""
    return Caller(far.url, tmp_path / "partner", region=THERE)


def replicate(here: Caller, *destinations: Caller, deletes: bool = False) -> None:
    """Have the caller's images replicated."""
    rule: dict[str, Any] = {
        "destinations": [{"region": to.region, "registryId": to.account} for to in destinations]
    }
    if deletes:
        rule["deleteReplication"] = {"enabled": True}
    here.ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})


def let_in(partner: Caller, source: Caller, repositories: str) -> None:
    """Let the account of *source* replicate to repositories of *partner*, as AWS has it."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{source.account}:root"},
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": f"arn:aws:ecr:{partner.region}:{partner.account}:repository/{repositories}",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    partner.ecr.put_registry_policy(policyText=json.dumps(policy))


def statuses(here: Caller, repository: str, tag: str) -> list[dict[str, str]]:
    answer = here.ecr.describe_image_replication_status(
        repositoryName=repository, imageId={"imageTag": tag}
    )
    found: list[dict[str, str]] = answer["replicationStatuses"]
    return found


def wait_for_end(here: Caller, repository: str, tag: str) -> dict[str, str]:
    """Wait until an image's one replication has ended; return its status."""
    until = time.monotonic() + SECONDS
    while True:
        (status,) = statuses(here, repository, tag)
        if status["status"] != "IN_PROGRESS":
            return status
        assert time.monotonic() < until, status
        time.sleep(0.05)


def events(server: ServerProcess, account: str) -> list[dict[str, Any]]:
    """Return the events of an account's registries at one of the emulators."""
    answer = urllib3.request("GET", f"{server.url}/_emulator/events").json()
    found = [item["event"] for item in answer["events"]]
    return [event for event in found if event["account"] == account]


def test_docker(
    docker: Docker, here: Caller, there: Caller, near: ServerProcess, far: ServerProcess
) -> None:
    replicate(here, there)
    uri = here.create_repository("team/docker")
    docker.login(here.registry, here.password())
    image_id = docker.build(f"{uri}:v1", layers=2)
    docker.push(f"{uri}:v1")
    status = wait_for_end(here, "team/docker", "v1")
    assert status == {"region": THERE, "registryId": there.account, "status": "COMPLETE"}

    docker.remove(f"{uri}:v1")
    docker.login(there.registry, there.password())
    docker.pull(f"{there.registry}/team/docker:v1")
    assert docker.image_id(f"{there.registry}/team/docker:v1") == image_id

    # The destination tells of it, once, and of no push.
    (event,) = events(far, there.account)
    assert event["detail-type"] == "ECR Replication Action"
    assert event["region"] == THERE
    details = there.describe_image("team/docker", imageTag="v1")
    assert event["detail"] == {
        "result": "SUCCESS",
        "repository-name": "team/docker",
        "image-digest": details["imageDigest"],
        "image-tag": "v1",
        "source-account": here.account,
        "source-region": HERE,
        "action-type": "REPLICATE",
    }
    kinds = [event["detail-type"] for event in events(near, here.account)]
    assert kinds == ["ECR Image Action"]


def test_an_index_comes_with_all_it_lists(here: Caller, there: Caller) -> None:
    replicate(here, there)
    here.create_repository("multi")
    index = make_index([make_image(), make_image(layers=3)])
    here.oci().push("multi", index, "v1")
    assert wait_for_end(here, "multi", "v1")["status"] == "COMPLETE"
    assert there.oci().pull("multi", "v1") == here.oci().pull("multi", "v1")


def test_another_account_lets_in_what_its_policy_names(
    here: Caller, partner: Caller, near: ServerProcess
) -> None:
    replicate(here, partner)
    let_in(partner, here, "team/*")
    for name in ("team/app", "private/app"):
        here.create_repository(name)
        here.oci().push(name, make_image(), "v1")
    assert wait_for_end(here, "team/app", "v1")["status"] == "COMPLETE"
    refused = wait_for_end(here, "private/app", "v1")
    assert (refused["status"], refused["failureCode"]) == ("FAILED", "AccessDenied")

    assert partner.oci().pull("team/app", "v1") == here.oci().pull("team/app", "v1")
    with pytest.raises(OciError) as missing:
        partner.oci().get_manifest("private/app", "v1")
    assert missing.value.code == "NAME_UNKNOWN"
    # What never arrived is told of where it comes from, in the destination's name.
    (failed,) = events(near, partner.account)
    assert failed["detail"]["result"] == "FAILED"
    assert failed["detail"]["repository-name"] == "private/app"


def test_a_template_there_makes_the_repository_and_nothing_is_replicated_on(
    here: Caller, there: Caller, far: ServerProcess
) -> None:
    there.ecr.create_repository_creation_template(
        prefix="team", appliedFor=["REPLICATION"], imageTagMutability="IMMUTABLE"
    )
    further = {"region": "ap-southeast-2", "registryId": there.account}
    there.ecr.put_replication_configuration(
        replicationConfiguration={"rules": [{"destinations": [further]}]}
    )
    replicate(here, there)
    here.create_repository("team/app")
    first, second = make_image(), make_image()
    for image in (first, second):
        here.oci().push("team/app", image, "v1")
        assert wait_for_end(here, "team/app", "v1")["status"] == "COMPLETE"

    (made,) = there.ecr.describe_repositories()["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    images = there.ecr.describe_images(repositoryName="team/app")["imageDetails"]
    tags = {image["imageDigest"]: image.get("imageTags") for image in images}
    # The tag stays where it is; the image comes without it.
    assert tags == {first.manifest.digest: ["v1"], second.manifest.digest: None}
    assert statuses(there, "team/app", "v1") == []


def test_deletes(here: Caller, there: Caller) -> None:
    replicate(here, there, deletes=True)
    here.create_repository("app")
    image, other = make_image(), make_image()
    here.oci().push("app", image, "v1")
    here.oci().put_manifest("app", "v2", image.manifest)
    here.oci().push("app", other, "other")
    for tag in ("v2", "other"):
        assert wait_for_end(here, "app", tag)["status"] == "COMPLETE"
    here.ecr.batch_delete_image(
        repositoryName="app",
        imageIds=[{"imageTag": "v2"}, {"imageDigest": other.manifest.digest}],
    )
    until = time.monotonic() + SECONDS
    left: list[dict[str, str]] = []
    while left != [{"imageDigest": image.manifest.digest, "imageTag": "v1"}]:
        left = there.ecr.list_images(repositoryName="app")["imageIds"]
        assert time.monotonic() < until, left
        time.sleep(0.05)


def test_backfill(here: Caller, partner: Caller) -> None:
    for name in ("team/app", "team/multi", "private/app"):
        here.create_repository(name)
    here.oci().push("team/app", make_image(), "v1")
    here.oci().push("team/multi", make_index([make_image(), make_image()]), "v1")
    here.oci().push("private/app", make_image(), "v1")
    replicate(here, partner)
    let_in(partner, here, "team/*")
    destination = {"region": THERE, "registryId": partner.account}
    started = here.ecr.start_replication_backfill(destination=destination)
    until = time.monotonic() + SECONDS
    while True:
        found = here.ecr.describe_replication_backfill_results(
            replicationBackfillId=started["replicationBackfillId"]
        )
        if found["status"] not in ("PREPARING", "IN_PROGRESS"):
            break
        assert time.monotonic() < until, found
        time.sleep(0.05)
    assert found["status"] == "COMPLETE"
    # The index, its two images, one more, and the one that is refused.
    assert found["progress"] == {
        "totalReplicationCount": 5,
        "completedReplicationCount": 4,
        "failedReplicationCount": 1,
        "failureCodes": ["AccessDenied"],
    }
    assert partner.oci().pull("team/multi", "v1") == here.oci().pull("team/multi", "v1")


def test_killed_in_the_middle(make_server: MakeServer, tmp_path: Path) -> None:
    folder = tmp_path / "far"
    far = make_server(folder, workers=1)
    near = make_server(tmp_path / "near", workers=1, replication_endpoints=f"{THERE}={far.url}")
    here = Caller(near.url, tmp_path / "aws", region=HERE)
    there = Caller(far.url, tmp_path / "aws", account=here.account, region=THERE)
    replicate(here, there)
    here.create_repository("app")
    image = make_image(layers=12, size=4_000_000)
    here.oci().push("app", image, "v1")
    wait_for_first_blob(folder, image)
    far.kill()
    time.sleep(0.5)
    assert statuses(here, "app", "v1")[0]["status"] == "IN_PROGRESS"

    far = make_server(folder, far.port, workers=1)
    assert wait_for_end(here, "app", "v1")["status"] == "COMPLETE"
    assert there.oci().pull("app", "v1") == here.oci().pull("app", "v1")


def wait_for_first_blob(folder: Path, image: Image) -> None:
    """Wait until a layer has arrived, while the last is yet to come."""
    until = time.monotonic() + SECONDS
    while True:
        stored = {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}
        arrived = [blob for blob in image.blobs if blob.digest.partition(":")[2] in stored]
        if arrived:
            assert len(arrived) < len(image.blobs)
            return
        assert time.monotonic() < until
        time.sleep(0.002)


OF_THE_TEAM = "arn:aws:ecr:*:*:repository/team/*"
IDENTITIES = """
[accounts.{account}.users.replicator]
access_keys = {{ AKIAREPLICATOR000001 = "{secret}" }}
[accounts.{account}.users.replicator.policies.replicate]
Version = "2012-10-17"
Statement = [
  {{ Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" }},
  {{ Effect = "Allow", Action = "ecr:ReplicateImage", Resource = "{repositories}" }},
]
"""


def test_a_key_that_the_other_knows(make_server: MakeServer, tmp_path: Path) -> None:
    account, secret = any_account(), "never-to-be-seen-in-any-log"
    identities = tmp_path / "identities.toml"
    identities.write_text(
        IDENTITIES.format(account=account, secret=secret, repositories=OF_THE_TEAM)
    )
    far = make_server(tmp_path / "far", workers=1, identities=identities)
    near = make_server(
        tmp_path / "near",
        workers=1,
        log_level="debug",
        replication_endpoints=f"{account}/{THERE}={far.url}",
        variables={"ECR_EMULATOR_PEER_KEYS": f"{account}=AKIAREPLICATOR000001:{secret}"},
    )
    here = Caller(near.url, tmp_path / "aws", account=account, region=HERE)
    there = Caller(far.url, tmp_path / "aws", account=account, region=THERE)
    replicate(here, there)
    for name in ("team/app", "private/app"):
        here.create_repository(name)
        here.oci().push(name, make_image(), "v1")
    assert wait_for_end(here, "team/app", "v1")["status"] == "COMPLETE"
    assert there.oci().pull("team/app", "v1") == here.oci().pull("team/app", "v1")
    refused = wait_for_end(here, "private/app", "v1")
    assert (refused["status"], refused["failureCode"]) == ("FAILED", "AccessDenied")
    assert secret not in near.log
    assert secret not in far.log


def test_a_key_that_the_other_does_not_know(make_server: MakeServer, tmp_path: Path) -> None:
    account = any_account()
    far = make_server(tmp_path / "far", workers=1)
    near = make_server(
        tmp_path / "near",
        workers=1,
        replication_endpoints=f"{account}={far.url}",
        peer_keys=f"{account}=AKIANOBODY0000000000:wrong",
    )
    here = Caller(near.url, tmp_path / "aws", account=account, region=HERE)
    there = Caller(far.url, tmp_path / "aws", account=account, region=THERE)
    replicate(here, there)
    here.create_repository("app")
    here.oci().push("app", make_image(), "v1")
    status = wait_for_end(here, "app", "v1")
    assert (status["status"], status["failureCode"]) == ("FAILED", "UnrecognizedClient")


def test_over_tls(make_server: MakeServer, tmp_path: Path) -> None:
    """The authority of the other is trusted as OpenSSL is told to."""
    far = make_server(tmp_path / "far", workers=1, tls=True)
    near = make_server(
        tmp_path / "near",
        workers=1,
        replication_endpoints=f"{THERE}={far.url}",
        variables={"SSL_CERT_FILE": str(far.authority)},
    )
    here = Caller(near.url, tmp_path / "aws", region=HERE)
    there = Caller(
        far.url, tmp_path / "aws", account=here.account, region=THERE, authority=far.authority
    )
    replicate(here, there)
    here.create_repository("app")
    image = make_image()
    here.oci().push("app", image, "v1")
    assert wait_for_end(here, "app", "v1")["status"] == "COMPLETE"
    details = there.describe_image("app", imageTag="v1")
    assert details["imageDigest"] == image.manifest.digest
