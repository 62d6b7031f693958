"""Where ECR departs from the OCI distribution specification: both answers, side by side.

The conformance suite fails or skips over these under --strict-ecr (tests/conformance/suite.py
lists them); here each is held to what ECR was seen to answer. Uploads have their own tests in
``test_uploads.py``. Sources: public issue threads, unless another is named.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.support.app import OciCaller
from tests.support.images import make_image, sha256


def test_a_chunk(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    assert oci.request("PATCH", oci.start_upload(repository), b"abc").status_code == 202
    assert strict.request("PATCH", strict.start_upload(repository), b"abc").status_code == 201


def test_the_smallest_chunk(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    path = f"/v2/{repository}/blobs/uploads/"
    assert "OCI-Chunk-Min-Length" not in oci.expect(202, "POST", path).headers
    headers = strict.expect(202, "POST", path).headers
    assert headers["OCI-Chunk-Min-Length"] == str(5 * 1024**2)  # API reference, UploadLayerPart


def test_a_wrong_digest(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    path = f"?digest={sha256(b'other')}"
    oci.refused(400, "DIGEST_INVALID", "PUT", oci.start_upload(repository) + path, b"abc")
    message = strict.refused(
        400, "BLOB_UPLOAD_INVALID", "PUT", strict.start_upload(repository) + path, b"abc"
    )
    assert message == "None of the provided layer digests match the calculated layer digest"


def test_reading_a_blob(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    """ECR sends its clients to its storage, by a link that needs no other credentials."""
    path = f"/v2/{repository}/blobs/{oci.push_blob(repository, b'abc')}"
    assert oci.expect(200, "GET", path).data == b"abc"
    link = urlsplit(strict.expect(307, "GET", path).headers["Location"])
    anybody = OciCaller(strict.app, None)
    assert anybody.expect(200, "GET", f"{link.path}?{link.query}").data == b"abc"


def test_deleting_a_blob(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    """ECR has no call that deletes a layer; 405 is the likeliest answer."""
    path = f"/v2/{repository}/blobs/{oci.push_blob(repository, b'abc')}"
    strict.refused(405, "UNSUPPORTED", "DELETE", path)
    assert oci.expect(200, "GET", path).data == b"abc"
    oci.expect(202, "DELETE", path)
    oci.refused(404, "BLOB_UNKNOWN", "GET", path)


def test_deleting_a_tag(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    """The specification takes the tag alone; ECR, as BatchDeleteImage, the image with its last."""
    digest = oci.push(repository, make_image(layers=1), "v1")
    oci.expect(202, "DELETE", f"/v2/{repository}/manifests/v1")
    by_digest = f"/v2/{repository}/manifests/{digest}"
    manifest = oci.expect(200, "GET", by_digest)
    tagged = f"/v2/{repository}/manifests/v1"
    oci.expect(201, "PUT", tagged, manifest.data, {"Content-Type": manifest.content_type})
    strict.expect(202, "DELETE", tagged)
    oci.refused(404, "MANIFEST_UNKNOWN", "GET", by_digest)


@pytest.fixture
def tags(oci: OciCaller, repository: str) -> list[str]:
    """The tags of the repository, more than ECR returns at once."""
    image = make_image(layers=0)
    names = [f"v{number:03}" for number in range(101)]
    for name in names:
        oci.push(repository, image, name)
    return names


def test_pages_of_tags(oci: OciCaller, strict: OciCaller, repository: str, tags: list[str]) -> None:
    path = f"/v2/{repository}/tags/list"
    whole = oci.expect(200, "GET", path)
    assert whole.content_type == "application/json"
    assert whole.get_json()["tags"] == tags
    assert "Link" not in whole.headers
    assert oci.expect(200, "GET", f"{path}?last=v098").get_json()["tags"] == ["v099", "v100"]

    first = strict.expect(200, "GET", path)
    assert first.content_type == "text/plain; charset=utf-8"
    assert first.get_json(force=True)["tags"] == tags[:100]
    following = first.headers["Link"].partition("<")[2].partition(">")[0]
    second = strict.expect(200, "GET", following)
    assert second.get_json(force=True)["tags"] == tags[100:]
    assert "Link" not in second.headers


@pytest.mark.parametrize("path", ["/v2/team/app/tags/list", "/v2/_catalog"])
def test_positions_and_sizes_that_ecr_refuses(
    oci: OciCaller, strict: OciCaller, repository: str, path: str
) -> None:
    parameter = "Invalid parameter at '{}' failed to satisfy constraint: '{}'"
    assert oci.expect(200, "GET", f"{path}?last=v1").data
    message = strict.refused(405, "UNSUPPORTED", "GET", f"{path}?last=v1")
    assert message == parameter.format("NextToken", "Invalid next token provided")

    assert oci.expect(200, "GET", f"{path}?n=1001").data
    message = strict.refused(405, "UNSUPPORTED", "GET", f"{path}?n=1001")
    assert message == parameter.format(
        "maxResults", "Member must have value less than or equal to 1000"
    )


def test_an_invalid_manifest(oci: OciCaller, strict: OciCaller, repository: str) -> None:
    path, headers = (
        f"/v2/{repository}/manifests/v1",
        {"Content-Type": "application/vnd.oci.image.manifest.v1+json"},
    )
    oci.refused(400, "MANIFEST_INVALID", "PUT", path, b"{", headers)
    message = strict.refused(405, "UNSUPPORTED", "PUT", path, b"{", headers)
    assert message == (
        "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
    )
