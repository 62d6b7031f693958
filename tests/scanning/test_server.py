"""Scans at a running server: boto3's own waiter, and records loaded beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.scanning.osv_records import ALL
from tests.support.images import Image
from tests.support.rootfs import debian, image_of
from tests.support.server import environment

REPOSITORY = "team/app"
ROOT = Path(__file__).parents[2]
SOON = {"Delay": 1, "MaxAttempts": 30}


def import_records(folder: Path, data_dir: Path, *documents: dict[str, Any]) -> None:
    folder.mkdir()
    for document in documents:
        (folder / f"{document['id']}.json").write_text(json.dumps(document))
    command = ["vulndb", "import", str(folder), "--data-dir", str(data_dir)]
    subprocess.run(
        [sys.executable, "-m", "ecr_emulator", *command],
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT)),
        check=True,
        capture_output=True,
    )


def put_pin(url: str, caller: Caller, image: Image, findings: list[dict[str, Any]]) -> None:
    body = {
        "account": caller.account,
        "region": caller.region,
        "repositoryName": REPOSITORY,
        "imageDigest": image.manifest.digest,
        "findings": findings,
    }
    request = urllib.request.Request(
        f"{url}/_emulator/scan-findings", json.dumps(body).encode(), method="PUT"
    )
    with urllib.request.urlopen(request) as response:
        assert response.status == 200


def test_waiter_and_records(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    caller = Caller(server.url, tmp_path)
    ecr = caller.ecr
    caller.create_repository(REPOSITORY, imageScanningConfiguration={"scanOnPush": True})
    import_records(tmp_path / "osv", server.data_dir, *ALL)
    image = image_of(debian([("libssl3", "3.0.11-1~deb12u1", "openssl")]))
    caller.oci().push(REPOSITORY, image, "v1")
    asked = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v1"}}
    ecr.get_waiter("image_scan_complete").wait(**asked, WaiterConfig=SOON)
    answer = ecr.describe_image_scan_findings(**asked)
    assert answer["imageScanFindings"]["findingSeverityCounts"] == {"CRITICAL": 1, "UNDEFINED": 1}
    assert answer["imageScanFindings"]["findings"][0]["name"] == "CVE-2026-1001"
    # A manual scan, and one that fails.
    again = image_of(debian([("libssl3", "3.0.11-1~deb12u2", "openssl")]))
    ecr.put_image_scanning_configuration(
        repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": False}
    )
    caller.oci().push(REPOSITORY, again, "v2")
    asked = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v2"}}
    ecr.start_image_scan(**asked)
    ecr.get_waiter("image_scan_complete").wait(**asked, WaiterConfig=SOON)
    assert ecr.describe_image_scan_findings(**asked)["imageScanFindings"]["findings"] == []
    caller.oci().push(REPOSITORY, image_of({"etc/passwd": ""}), "v3")
    asked = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v3"}}
    ecr.start_image_scan(**asked)
    with pytest.raises(WaiterError, match="FAILED"):
        ecr.get_waiter("image_scan_complete").wait(**asked, WaiterConfig=SOON)


def test_pinned(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    caller = Caller(server.url, tmp_path)
    caller.create_repository(REPOSITORY)
    image = image_of({"etc/passwd": ""})
    caller.oci().push(REPOSITORY, image, "v1")
    put_pin(server.url, caller, image, [{"name": "CVE-1", "severity": "CRITICAL"}])
    asked = {"repositoryName": REPOSITORY, "imageId": {"imageTag": "v1"}}
    caller.ecr.get_waiter("image_scan_complete").wait(**asked, WaiterConfig=SOON)
    answer = caller.ecr.describe_image_scan_findings(**asked)
    assert answer["imageScanFindings"]["findings"] == [{"name": "CVE-1", "severity": "CRITICAL"}]
