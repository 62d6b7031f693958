"""A refusal reaches a client that is still sending: it gets the reason, not a broken pipe."""

from __future__ import annotations

import base64
import http.client
import json

import pytest

from tests.clients.caller import Caller
from tests.support.images import OCI_MANIFEST

LARGE = bytes(24 * 1024**2)


def send_whole(caller: Caller, method: str, path: str, **headers: str) -> tuple[int, str]:
    """Send a large body to its end before looking for an answer; return its status and code.

    urllib3 would look for an answer when the connection breaks; docker's client does not.
    """
    login = base64.b64encode(f"AWS:{caller.password()}".encode()).decode()
    sent = {"Authorization": f"Basic {login}"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = http.client.HTTPConnection(caller.registry, timeout=30)
    try:
        chunked = "Transfer-Encoding" in sent
        connection.request(method, path, LARGE, sent, encode_chunked=chunked)
        response = connection.getresponse()
        return response.status, json.loads(response.read())["errors"][0]["code"]
    finally:
        connection.close()


@pytest.mark.parametrize(
    "kind",
    [
        {"Content_Range": f"1-{len(LARGE)}"},
        {"Content_Range": f"1-{len(LARGE)}", "Transfer_Encoding": "chunked"},
    ],
    ids=["length", "chunked"],
)
def test_a_large_chunk_that_is_out_of_order(caller: Caller, kind: dict[str, str]) -> None:
    caller.create_repository("refused")
    location = caller.oci().start_upload("refused")
    assert send_whole(caller, "PATCH", location, **kind) == (416, "BLOB_UPLOAD_INVALID")
    assert caller.oci().upload_offset(location) == 0


def test_an_upload_that_is_not_there(caller: Caller) -> None:
    caller.create_repository("refused")
    path = "/v2/refused/blobs/uploads/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
    assert send_whole(caller, "PATCH", path) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_manifest_that_is_too_large(caller: Caller) -> None:
    caller.create_repository("refused")
    path = "/v2/refused/manifests/v1"
    answer = send_whole(caller, "PUT", path, Content_Type=OCI_MANIFEST)
    assert answer == (413, "SIZE_INVALID")
