"""Lifecycle policies at a real server: boto3's waiter, its workers, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.images import make_image
from tests.support.server import environment

NAME = "team/app"
KEEP_ONE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep the youngest",
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)


def command(*args: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run ``ecr-emulator lifecycle run`` and return what came of it."""
    return subprocess.run(
        [sys.executable, "-m", "ecr_emulator", "lifecycle", "run", *args],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_preview_wait_put_run(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    caller = Caller(server.url, tmp_path / "aws")
    caller.create_repository(NAME)
    old, young = (caller.put_image(NAME, make_image(layers=1), tag) for tag in ("old", "young"))
    caller.ecr.start_lifecycle_policy_preview(repositoryName=NAME, lifecyclePolicyText=KEEP_ONE)
    caller.ecr.get_waiter("lifecycle_policy_preview_complete").wait(
        repositoryName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 20}
    )
    found = caller.ecr.get_lifecycle_policy_preview(repositoryName=NAME)
    assert [item["imageDigest"] for item in found["previewResults"]] == [old]

    caller.ecr.put_lifecycle_policy(repositoryName=NAME, lifecyclePolicyText=KEEP_ONE)
    done = command("--endpoint-url", server.url)
    where = f"{caller.account}/us-east-1/{NAME}"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"expired  {where}@{old}\n", "")
    listed = caller.ecr.list_images(repositoryName=NAME)["imageIds"]
    assert listed == [{"imageDigest": young, "imageTag": "young"}]
    policy = caller.ecr.get_lifecycle_policy(repositoryName=NAME)
    assert "lastEvaluatedAt" in policy

    # As a variable, and with nothing left to do.
    done = command(AWS_ENDPOINT_URL=server.url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    server.stop()
    done = command("--endpoint-url", server.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("ecr-emulator: no lifecycle run: ")


def test_images_come_back_and_are_signed(caller: Caller) -> None:
    """The server's workers end what a call began."""
    ecr = caller.ecr
    profile = f"arn:aws:signer:us-east-1:{caller.account}:/signing-profiles/release"
    ecr.put_signing_configuration(signingConfiguration={"rules": [{"signingProfileArn": profile}]})
    caller.create_repository(NAME)
    digest = caller.put_image(NAME, make_image(layers=1), "v1")
    image_id = {"imageDigest": digest}
    call = {"repositoryName": NAME, "imageId": image_id}
    ecr.update_image_storage_class(**call, targetStorageClass="ARCHIVE")
    ecr.update_image_storage_class(**call, targetStorageClass="STANDARD")

    def is_done() -> bool:
        (detail,) = ecr.describe_images(repositoryName=NAME, imageIds=[image_id])["imageDetails"]
        (signing,) = ecr.describe_image_signing_status(**call)["signingStatuses"]
        assert signing["status"] in ("IN_PROGRESS", "COMPLETE"), signing
        return detail["imageStatus"] == "ACTIVE" and signing["status"] == "COMPLETE"

    deadline = time.monotonic() + 30
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    referrers = ecr.list_image_referrers(repositoryName=NAME, subjectId=image_id)["referrers"]
    assert len(referrers) == 1
