"""Reading and deleting blobs (OCI distribution specification, "Pulling blobs"; RFC 9110 for
ranges and conditions)."""

from __future__ import annotations

import hashlib
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_emulator.oci.byte_ranges import UnsatisfiableRange, parse_content_range, parse_range
from tests.oci.conftest import StoredFiles
from tests.support.app import ACCOUNT, STRANGER, App, OciCaller
from tests.support.images import make_image, sha256

ABSENT = "sha256:" + "0" * 64
DATA = bytes(range(256)) * 4


@pytest.fixture
def blob(oci: OciCaller, repository: str) -> str:
    """The path of a blob."""
    return f"/v2/{repository}/blobs/{oci.push_blob(repository, DATA)}"


class TestRead:
    def test_whole(self, oci: OciCaller, blob: str) -> None:
        response = oci.expect(200, "GET", blob)
        assert response.data == DATA
        headers = dict(response.headers)
        assert headers == {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(len(DATA)),
            "Docker-Content-Digest": sha256(DATA),
            "ETag": f'"{sha256(DATA)}"',
            "Accept-Ranges": "bytes",
            "Docker-Distribution-Api-Version": "registry/2.0",
        }
        assert dict(oci.expect(200, "HEAD", blob).headers) == headers

    @pytest.mark.parametrize("size", [0, 1, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024 + 7])
    def test_of_any_size(self, oci: OciCaller, repository: str, size: int) -> None:
        data = os.urandom(size)
        digest = oci.push_blob(repository, data)
        response = oci.expect(200, "GET", f"/v2/{repository}/blobs/{digest}")
        assert response.data == data
        assert response.headers["Content-Length"] == str(size)

    def test_sha512(self, oci: OciCaller, repository: str) -> None:
        digest = "sha512:" + hashlib.sha512(DATA).hexdigest()
        oci.push_blob(repository, DATA, digest)
        response = oci.expect(200, "GET", f"/v2/{repository}/blobs/{digest}")
        assert response.data == DATA
        assert response.headers["Docker-Content-Digest"] == digest

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_none(self, oci: OciCaller, ecr: Any, repository: str, method: str) -> None:
        ecr.create_repository(repositoryName="other")
        elsewhere = oci.push_blob("other", DATA)
        for digest in (ABSENT, elsewhere, "sha512:" + "0" * 128):
            response = oci.expect(404, method, f"/v2/{repository}/blobs/{digest}")
            if method == "GET":
                assert response.get_json() == {
                    "errors": [
                        {
                            "code": "BLOB_UNKNOWN",
                            "message": f"The layer with digest '{digest}' does not exist within "
                            f"the repository with name '{repository}' in the registry with id "
                            f"'{ACCOUNT}'",
                        }
                    ]
                }
        oci.refused(404, "NAME_UNKNOWN", "GET", f"/v2/missing/blobs/{elsewhere}")

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
    @pytest.mark.parametrize(
        "digest",
        ["x", "sha256:abc", "sha256:" + "A" * 64, "md5:" + "0" * 32, "..", "%2e%2e", "sha256:%00"],
    )
    def test_what_is_no_digest(
        self, oci: OciCaller, repository: str, method: str, digest: str
    ) -> None:
        status = 404 if "%00" in digest else 400
        oci.expect(status, method, f"/v2/{repository}/blobs/{digest}")

    def test_a_blob_is_its_registrys(self, app: App, blob: str, repository: str) -> None:
        for account, region in ((STRANGER, "us-east-1"), (ACCOUNT, "eu-west-1")):
            app.ecr(account, region).create_repository(repositoryName=repository)
            app.oci(account, region).refused(404, "BLOB_UNKNOWN", "GET", blob)

    def test_the_bytes_vanished(self, app: App, oci: OciCaller, blob: str) -> None:
        """No fault of the caller's, and no stack trace either."""
        (path,) = [path for path in (app.folder / "blobs").rglob("*") if path.is_file()]
        path.unlink()
        response = app.request("GET", blob, headers={"Authorization": f"Basic {oci.token}"})
        assert response.status_code == 500
        assert response.get_json()["errors"] == [
            {
                "code": "UNKNOWN",
                "message": f"The bytes of the layer with digest '{sha256(DATA)}' are missing from "
                "the registry's storage",
            }
        ]

    def test_a_reader_who_goes_away(self, app: App, oci: OciCaller, repository: str) -> None:
        digest = oci.push_blob(repository, bytes(3_000_000))
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"/v2/{repository}/blobs/{digest}",
            "HTTP_AUTHORIZATION": f"Basic {oci.token}",
        }
        body: Any = app.application(environ, lambda status, headers: None)
        assert len(next(iter(body))) == 1024 * 1024
        body.close()
        assert body._file.closed


class TestRanges:
    @pytest.mark.parametrize(
        ("header", "first", "last"),
        [
            ("bytes=0-0", 0, 0),
            ("bytes=0-9", 0, 9),
            ("bytes=5-", 5, 1023),
            ("bytes=-5", 1019, 1023),
            ("bytes=-9999", 0, 1023),
            ("bytes=1023-", 1023, 1023),
            ("bytes=0-99999", 0, 1023),
            ("Bytes=3-4", 3, 4),
            (" bytes=3-4 ", 3, 4),
        ],
    )
    def test_a_part(self, oci: OciCaller, blob: str, header: str, first: int, last: int) -> None:
        response = oci.expect(206, "GET", blob, headers={"Range": header})
        assert response.data == DATA[first : last + 1]
        assert response.headers["Content-Range"] == f"bytes {first}-{last}/1024"
        assert response.headers["Content-Length"] == str(last - first + 1)
        assert response.headers["Docker-Content-Digest"] == sha256(DATA)

    @pytest.mark.parametrize("header", ["bytes=1024-", "bytes=9999-99999", "bytes=-0", "bytes=5-3"])
    def test_behind_the_end(self, oci: OciCaller, blob: str, header: str) -> None:
        response = oci.expect(416, "GET", blob, headers={"Range": header})
        assert response.headers["Content-Range"] == "bytes */1024"

    @pytest.mark.parametrize(
        "header",
        [
            "bytes=-",
            "bytes=",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "items=0-1",
            "0-1",
            "bytes=" + "9" * 50 + "-",
            "bytes=\xb2-",
        ],
    )
    def test_what_is_no_range_gets_the_whole(self, oci: OciCaller, blob: str, header: str) -> None:
        assert oci.expect(200, "GET", blob, environ={"HTTP_RANGE": header}).data == DATA

    def test_of_a_large_blob(self, oci: OciCaller, repository: str) -> None:
        data = os.urandom(3_000_000)
        digest = oci.push_blob(repository, data)
        path = f"/v2/{repository}/blobs/{digest}"
        response = oci.expect(206, "GET", path, headers={"Range": "bytes=500000-2500000"})
        assert response.data == data[500_000:2_500_001]

    def test_of_an_empty_blob(self, oci: OciCaller, repository: str) -> None:
        path = f"/v2/{repository}/blobs/{oci.push_blob(repository, b'')}"
        for header in ("bytes=0-", "bytes=-1", "bytes=0-0"):
            oci.expect(416, "GET", path, headers={"Range": header})

    @given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
    def test_any_range(self, size: int, first: int, last: int) -> None:
        """Held against slices, which say the same in another way."""
        whole = bytes(range(size))
        for header, expected in [
            (f"bytes={first}-{last}", whole[first : last + 1]),
            (f"bytes={first}-", whole[first:]),
            (f"bytes=-{last}", whole[-last:] if last else b""),
        ]:
            try:
                found = parse_range(header, size)
            except UnsatisfiableRange:
                assert expected == b""
                continue
            assert found is not None
            assert whole[found[0] : found[0] + found[1]] == expected

    @given(st.text(max_size=30))
    def test_any_text(self, header: str) -> None:
        parse_content_range(header)
        try:
            found = parse_range(header, 100)
        except UnsatisfiableRange:
            return
        if found is not None:
            first, length = found
            assert 0 <= first < first + length <= 100


class TestConditions:
    @pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"a", "{}" ', "*"])
    def test_not_modified(self, oci: OciCaller, blob: str, form: str) -> None:
        condition = {"If-None-Match": form.format(sha256(DATA))}
        response = oci.expect(304, "GET", blob, headers=condition)
        assert response.data == b""
        assert response.headers["ETag"] == f'"{sha256(DATA)}"'
        assert "Content-Length" not in response.headers

    def test_modified(self, oci: OciCaller, blob: str) -> None:
        oci.expect(200, "GET", blob, headers={"If-None-Match": f'"{ABSENT}"'})

    def test_by_a_link_too(self, app: App, oci: OciCaller, ecr: Any, repository: str) -> None:
        image = make_image(1)
        oci.push(repository, image)
        answer = ecr.get_download_url_for_layer(
            repositoryName=repository, layerDigest=image.config.digest
        )
        path = answer["downloadUrl"].partition("4566")[2]
        condition = {"If-None-Match": f'"{image.config.digest}"'}
        for method in ("GET", "HEAD"):
            response = OciCaller(app, None).expect(304, method, path, headers=condition)
            assert "Content-Length" not in response.headers


class TestDelete:
    def test_a_blob_that_no_image_names(
        self, oci: OciCaller, blob: str, stored: StoredFiles
    ) -> None:
        oci.expect(202, "DELETE", blob)
        oci.refused(404, "BLOB_UNKNOWN", "GET", blob)
        oci.refused(404, "BLOB_UNKNOWN", "DELETE", blob)

    def test_it_stays_in_other_repositories(self, oci: OciCaller, ecr: Any, blob: str) -> None:
        ecr.create_repository(repositoryName="other")
        oci.push_blob("other", DATA)
        oci.expect(202, "DELETE", blob)
        other = f"/v2/other/blobs/{sha256(DATA)}"
        assert oci.expect(200, "GET", other).data == DATA

    def test_a_blob_of_an_image(self, oci: OciCaller, repository: str) -> None:
        image = make_image(1)
        oci.push(repository, image, "v1")
        for one in image.blobs:
            path = f"/v2/{repository}/blobs/{one.digest}"
            message = oci.refused(405, "UNSUPPORTED", "DELETE", path)
            assert message == f"The layer with digest '{one.digest}' is referenced by an image"
        oci.expect(202, "DELETE", f"/v2/{repository}/manifests/{image.manifest.digest}")
        oci.expect(202, "DELETE", f"/v2/{repository}/blobs/{image.config.digest}")

    def test_in_no_repository(self, oci: OciCaller) -> None:
        oci.refused(404, "NAME_UNKNOWN", "DELETE", f"/v2/missing/blobs/{ABSENT}")

    def test_a_push_after_it_uploads_again(self, oci: OciCaller, repository: str) -> None:
        image = make_image(1)
        oci.push(repository, image)
        oci.expect(202, "DELETE", f"/v2/{repository}/manifests/{image.manifest.digest}")
        oci.expect(202, "DELETE", f"/v2/{repository}/blobs/{image.config.digest}")
        headers = {"Content-Type": image.manifest.media_type}
        path = f"/v2/{repository}/manifests/{image.manifest.digest}"
        oci.refused(400, "MANIFEST_BLOB_UNKNOWN", "PUT", path, image.manifest.data, headers)
        oci.push(repository, image)
