"""What one client pushes, others pull in another region and in another account."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, oci_layout
from tests.support.docker import Docker
from tests.support.images import (
    layout_digests,
    make_image,
    make_index,
    write_layout,
)
from tests.support.oci_client import OciError
from tests.support.server import ServerProcess

SECONDS = 30


@pytest.fixture
def elsewhere(server: ServerProcess, caller: Caller, tmp_path: Path) -> Caller:
    """The caller in another region."""
    return Caller(server.url, tmp_path / "aws", account=caller.account, region="eu-west-1")


@pytest.fixture
def partner(server: ServerProcess, caller: Caller, tmp_path: Path) -> Caller:
    """Another account, which lets the caller replicate into its registry."""
    made = Caller(server.url, tmp_path / "partner", region="ap-southeast-2")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": caller.account},
        "Action": ["ecr:ReplicateImage", "ecr:CreateRepository"],
        "Resource": f"arn:aws:ecr:{made.region}:{made.account}:repository/team/*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    made.ecr.put_registry_policy(policyText=json.dumps(policy))
    return made


@pytest.fixture(autouse=True)
def configuration(caller: Caller, elsewhere: Caller, partner: Caller) -> None:
    """The caller's images go to both."""
    destinations = [
        {"region": other.region, "registryId": other.account} for other in (elsewhere, partner)
    ]
    caller.ecr.put_replication_configuration(
        replicationConfiguration={"rules": [{"destinations": destinations}]}
    )


def wait_for_copies(caller: Caller, repository: str, tag: str) -> None:
    """Wait until an image has arrived at both destinations."""
    until = time.monotonic() + SECONDS
    while True:
        answer = caller.ecr.describe_image_replication_status(
            repositoryName=repository, imageId={"imageTag": tag}
        )
        found = {status["status"] for status in answer["replicationStatuses"]}
        assert len(answer["replicationStatuses"]) == 2
        if found == {"COMPLETE"}:
            return
        assert found <= {"COMPLETE", "IN_PROGRESS"}
        assert time.monotonic() < until, answer
        time.sleep(0.05)


def test_by_requests_of_the_protocol(caller: Caller, elsewhere: Caller, partner: Caller) -> None:
    caller.create_repository("team/app")
    image = make_image()
    caller.oci().push("team/app", image, "v1")
    wait_for_copies(caller, "team/app", "v1")

    pulled = caller.oci().pull("team/app", "v1")
    assert len(pulled) == 4
    for other in (elsewhere, partner):
        assert other.oci().pull("team/app", "v1") == pulled


def test_by_skopeo(
    skopeo: Skopeo, caller: Caller, elsewhere: Caller, partner: Caller, tmp_path: Path
) -> None:
    uri = caller.create_repository("team/multi")
    write_layout(tmp_path / "layout", make_index([make_image(), make_image()]), "v1")
    skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{uri}:v1")
    wait_for_copies(caller, "team/multi", "v1")

    for other in (elsewhere, partner):
        back = tmp_path / other.region
        copy = f"docker://{other.registry}/team/multi:v1"
        Skopeo(other.password()).copy(copy, oci_layout(back, "v1"))
        assert set(layout_digests(back)) == set(layout_digests(tmp_path / "layout"))


def test_by_docker(docker: Docker, caller: Caller, elsewhere: Caller, partner: Caller) -> None:
    uri = caller.create_repository("team/docker")
    docker.login(caller.registry, caller.password())
    image_id = docker.build(f"{uri}:v1", layers=2)
    docker.push(f"{uri}:v1")
    wait_for_copies(caller, "team/docker", "v1")

    for other in (elsewhere, partner):
        docker.remove(f"{uri}:v1")
        docker.login(other.registry, other.password())
        docker.pull(f"{other.registry}/team/docker:v1")
        assert docker.image_id(f"{other.registry}/team/docker:v1") == image_id


def test_the_partner_lets_in_what_its_policy_names(caller: Caller, partner: Caller) -> None:
    caller.create_repository("private/app")
    caller.oci().push("private/app", make_image(), "v1")
    until = time.monotonic() + SECONDS
    statuses: dict[str, dict[str, str]] = {}
    while "IN_PROGRESS" in str(statuses) or not statuses:
        assert time.monotonic() < until, statuses
        answer = caller.ecr.describe_image_replication_status(
            repositoryName="private/app", imageId={"imageTag": "v1"}
        )
        statuses = {status["registryId"]: status for status in answer["replicationStatuses"]}
        time.sleep(0.05)

    assert statuses[caller.account]["status"] == "COMPLETE"
    assert statuses[partner.account]["status"] == "FAILED"
    assert statuses[partner.account]["failureCode"] == "AccessDenied"
    with pytest.raises(OciError) as refused:
        partner.oci().get_manifest("private/app", "v1")
    assert refused.value.code == "NAME_UNKNOWN"
