"""Events of a running server, told to a file; also when it is killed right after a push."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, oci_layout
from tests.conftest import MakeServer
from tests.support.images import make_image, write_layout

_SECONDS = 30


def wait_for(path: Path, digest: str) -> dict[str, Any]:
    """Return the first event in the file that tells of the image *digest*."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        for line in path.read_text().splitlines() if path.exists() else ():
            event: dict[str, Any] = json.loads(line)
            if event["detail"]["image-digest"] == digest:
                return event
        time.sleep(0.05)
    raise AssertionError(f"no event in {_SECONDS} s: {path.read_text() if path.exists() else ''}")


def test_skopeo_pushes_and_the_file_tells(
    make_server: MakeServer, tmp_path: Path, skopeo_command: None
) -> None:
    path = tmp_path / "events.jsonl"
    server = make_server(event_targets=f"file:{path}")
    caller = Caller(server.url, tmp_path / "aws")
    caller.create_repository("app")
    image = make_image()
    write_layout(tmp_path / "layout", image, "v1")
    destination = f"docker://{server.host}:{server.port}/app:v1"
    Skopeo(caller.password()).copy(oci_layout(tmp_path / "layout", "v1"), destination)
    event = wait_for(path, image.manifest.digest)
    assert event["detail-type"] == "ECR Image Action"
    assert (event["account"], event["region"]) == (caller.account, "us-east-1")
    assert event["detail"]["image-tag"] == "v1"
    assert event["detail"]["action-type"] == "PUSH"


def test_a_crash_loses_no_event(make_server: MakeServer, tmp_path: Path) -> None:
    path, data = tmp_path / "not yet" / "events.jsonl", tmp_path / "data"
    server = make_server(data_dir=data, event_targets=f"file:{path}")
    caller = Caller(server.url, tmp_path / "aws")
    caller.create_repository("app")
    images = [make_image() for _ in range(3)]
    for number, image in enumerate(images):
        caller.oci().push("app", image, f"v{number}")
    until = time.monotonic() + _SECONDS
    while "failed at try 1: No such file or directory" not in server.log:
        assert time.monotonic() < until, server.log
        time.sleep(0.02)
    server.kill()
    path.parent.mkdir()
    make_server(data_dir=data, event_targets=f"file:{path}")
    for number, image in enumerate(images):
        assert wait_for(path, image.manifest.digest)["detail"]["image-tag"] == f"v{number}"
