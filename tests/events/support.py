"""What the tests of events share."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlencode

from tests.support.app import ACCOUNT, REGION, App
from tests.support.images import OCI_MANIFEST, Blob, Image

ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/app"


def listing(app: App, **query: Any) -> dict[str, Any]:
    """Return what ``/_emulator/events`` answers; ``detail_type`` stands for ``detail-type``."""
    text = urlencode({name.replace("_", "-"): value for name, value in query.items()})
    response = app.request("GET", f"/_emulator/events?{text}", environ={"REMOTE_ADDR": "127.0.0.1"})
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def logged(app: App, *, source: str = "aws.ecr", **query: Any) -> list[dict[str, Any]]:
    """Return the events of the log, each of which has a proper envelope and is of *source*."""
    found = [entry["event"] for entry in listing(app, **{"limit": 1000, **query})["events"]]
    for event in found:
        check_envelope(event, source)
    return found


def check_envelope(event: dict[str, Any], source: str = "aws.ecr") -> None:
    """Check that an event has the envelope of the user guide's samples."""
    assert set(event) == {
        "version",
        "id",
        "detail-type",
        "source",
        "account",
        "time",
        "region",
        "resources",
        "detail",
    }
    assert (event["version"], event["source"]) == ("0", source)
    assert str(uuid.UUID(event["id"])) == event["id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"])


def referrer_of(image: Image, empty: Blob) -> dict[str, Any]:
    """Return the manifest of a referrer of *image*."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/example.signature",
        "config": empty.descriptor(),
        "layers": [empty.descriptor()],
        "subject": image.manifest.descriptor(),
    }
