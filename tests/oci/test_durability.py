"""What clients see of a store in trouble: cut short, vanished, corrupted, full, read-only."""

from __future__ import annotations

import pytest

from ecr_emulator.registry import uploads
from tests.oci.conftest import StoredFiles
from tests.support.app import OciCaller
from tests.support.images import sha256


class Cut(BaseException):
    """The process ends here, as far as the request is concerned."""


@pytest.mark.parametrize("last", [b"", b"def"], ids=["nothing", "the last bytes"])
def test_a_put_that_is_cut_short(
    oci: OciCaller,
    repository: str,
    stored: StoredFiles,
    monkeypatch: pytest.MonkeyPatch,
    last: bytes,
) -> None:
    """What was acknowledged before is still there, and the upload can go on or end."""
    location = oci.start_upload(repository)
    oci.expect(202, "PATCH", location, b"abc")
    path = f"{location}?digest={sha256(b'abc' + last)}"
    with monkeypatch.context() as patch:

        def cut(*_: object) -> None:
            raise Cut

        patch.setattr(uploads, "link_blob", cut)
        with pytest.raises(Cut):
            oci.request("PUT", path, last)
    oci.refused(404, "BLOB_UNKNOWN", "GET", f"/v2/{repository}/blobs/{sha256(b'abc' + last)}")

    assert oci.expect(204, "GET", location).headers["Range"] == "0-2"
    oci.expect(201, "PUT", path, last)
    blob = oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(b'abc' + last)}")
    assert blob.data == b"abc" + last
    assert stored.uploads() == []
