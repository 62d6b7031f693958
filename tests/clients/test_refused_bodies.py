"""A refusal reaches a client that is still sending: it gets the reason, not a broken pipe."""

from __future__ import annotations

import pytest

from tests.clients.caller import Caller
from tests.support.images import OCI_MANIFEST
from tests.support.oci_client import OciError

LARGE = bytes(24 * 1024**2)


def test_a_large_chunk_that_is_out_of_order(caller: Caller) -> None:
    caller.create_repository("refused")
    oci = caller.oci()
    location = oci.start_upload("refused")
    with pytest.raises(OciError) as refused:
        oci.upload_chunk(location, LARGE, offset=1)
    assert refused.value.status == 416
    assert oci.upload_offset(location) == 0


def test_a_large_body_without_a_length(caller: Caller) -> None:
    caller.create_repository("refused")
    oci = caller.oci()
    path = "/v2/refused/blobs/uploads/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
    with pytest.raises(OciError) as refused:
        oci.upload_stream(path, [LARGE])
    assert (refused.value.status, refused.value.code) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_manifest_that_is_too_large(caller: Caller) -> None:
    caller.create_repository("refused")
    oci = caller.oci()
    path = "/v2/refused/manifests/v1"
    with pytest.raises(OciError) as refused:
        oci.expect(201, "PUT", path, LARGE, {"Content-Type": OCI_MANIFEST})
    assert (refused.value.status, refused.value.code) == (413, "SIZE_INVALID")
