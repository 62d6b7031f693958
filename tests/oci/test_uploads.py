"""Blob uploads (OCI distribution specification, "Pushing blobs"), and where ECR departs."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest

from tests.oci.conftest import StoredFiles
from tests.support.app import ACCOUNT, App, OciCaller
from tests.support.images import sha256

UNKNOWN_UPLOAD = "/v2/team/app/blobs/uploads/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
NO_REPOSITORY = (
    f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'"
)


def finish(oci: OciCaller, location: str, data: bytes, body: bytes = b"", **options: Any) -> Any:
    """Send the PUT that ends an upload of *data*, with *body* as its last bytes."""
    return oci.request("PUT", f"{location}?digest={sha256(data)}", body, **options)


def content_range(first: int, data: bytes) -> dict[str, str]:
    return {"Content-Range": f"{first}-{first + len(data) - 1}"}


class TestMonolithic:
    def test_post_then_put(self, oci: OciCaller, repository: str, stored: StoredFiles) -> None:
        response = oci.expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        location = response.headers["Location"]
        upload_id = response.headers["Docker-Upload-Uuid"]
        assert str(uuid.UUID(upload_id)) == upload_id
        assert location == f"/v2/{repository}/blobs/uploads/{upload_id}"
        assert response.headers["Range"] == "0-0"
        assert "OCI-Chunk-Min-Length" not in response.headers
        assert response.data == b""

        response = finish(oci, location, b"abc", b"abc")
        assert response.status_code == 201
        assert response.headers["Location"] == f"/v2/{repository}/blobs/{sha256(b'abc')}"
        assert response.headers["Docker-Content-Digest"] == sha256(b"abc")
        assert oci.expect(200, "GET", response.headers["Location"]).data == b"abc"
        assert stored.blobs() == [sha256(b"abc")]
        assert stored.uploads() == []

    def test_the_upload_is_over(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        finish(oci, location, b"abc", b"abc")
        for method, path in [
            ("GET", location),
            ("PATCH", location),
            ("PUT", f"{location}?digest={sha256(b'abc')}"),
            ("DELETE", location),
        ]:
            oci.refused(404, "BLOB_UPLOAD_UNKNOWN", method, path, b"")

    def test_without_the_last_slash(self, oci: OciCaller, repository: str) -> None:
        oci.expect(202, "POST", f"/v2/{repository}/blobs/uploads")

    def test_of_no_bytes(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        assert finish(oci, location, b"").status_code == 201
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(b'')}").data == b""

    def test_chunked_body(self, oci: OciCaller, repository: str) -> None:
        data = os.urandom(700_000)
        location = oci.start_upload(repository)
        assert finish(oci, location, data, data, chunked=True).status_code == 201
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(data)}").data == data

    def test_sha512(self, oci: OciCaller, repository: str, stored: StoredFiles) -> None:
        digest = "sha512:" + hashlib.sha512(b"abc").hexdigest()
        location = oci.start_upload(repository)
        response = oci.expect(201, "PUT", f"{location}?digest={digest}", b"abc")
        assert response.headers["Docker-Content-Digest"] == digest
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{digest}").data == b"abc"
        assert stored.blobs() == [digest]

    def test_what_is_there_already_may_come_again(self, oci: OciCaller, repository: str) -> None:
        for _ in range(2):
            location = oci.start_upload(repository)
            response = finish(oci, location, b"abc", b"abc")
            assert response.status_code == 201
            assert response.headers["Docker-Content-Digest"] == sha256(b"abc")

    def test_the_same_blob_in_two_repositories_is_stored_once(
        self, oci: OciCaller, ecr: Any, repository: str, stored: StoredFiles
    ) -> None:
        ecr.create_repository(repositoryName="other")
        digest = oci.push_blob(repository, b"abc")
        oci.expect(404, "HEAD", f"/v2/other/blobs/{digest}")
        oci.push_blob("other", b"abc")
        oci.expect(200, "HEAD", f"/v2/other/blobs/{digest}")
        assert stored.blobs() == [digest]


class TestSinglePost:
    def test_a_blob_in_one_request(
        self, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        digest = sha256(b"abc")
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        for _ in range(2):
            response = oci.expect(201, "POST", path, b"abc")
            assert response.headers["Location"] == f"/v2/{repository}/blobs/{digest}"
            assert response.headers["Docker-Content-Digest"] == digest
        assert stored.blobs() == [digest]
        assert stored.uploads() == []

    def test_another_digest_leaves_nothing(
        self, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        path = f"/v2/{repository}/blobs/uploads/?digest={sha256(b'abc')}"
        message = oci.refused(400, "DIGEST_INVALID", "POST", path, b"abd")
        assert message == "None of the provided layer digests match the calculated layer digest"
        assert stored.blobs() == []
        assert stored.uploads() == []

    def test_a_truncated_body_leaves_nothing(
        self, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        path = f"/v2/{repository}/blobs/uploads/?digest={sha256(b'abc')}"
        oci.refused(400, "SIZE_INVALID", "POST", path, b"abc", length=4)
        assert stored.blobs() == []
        assert stored.uploads() == []

    def test_into_no_repository(self, oci: OciCaller) -> None:
        path = f"/v2/missing/blobs/uploads/?digest={sha256(b'abc')}"
        assert oci.refused(404, "NAME_UNKNOWN", "POST", path, b"abc") == NO_REPOSITORY


class TestStreamed:
    """PATCH: with and without ``Content-Range``."""

    @pytest.mark.parametrize("chunked", [False, True])
    def test_one_stream(self, oci: OciCaller, repository: str, chunked: bool) -> None:
        """As docker does it: one PATCH, then an empty PUT."""
        data = os.urandom(600_000)
        location = oci.start_upload(repository)
        response = oci.expect(202, "PATCH", location, data, chunked=chunked)
        assert response.headers["Location"] == location
        assert response.headers["Docker-Upload-Uuid"] == location.rpartition("/")[2]
        assert response.headers["Range"] == "0-599999"
        assert finish(oci, location, data).status_code == 201
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(data)}").data == data

    @pytest.mark.parametrize("last_in_put", [False, True])
    def test_chunks_with_a_range(self, oci: OciCaller, repository: str, last_in_put: bool) -> None:
        chunks = [b"first,", b"second,", b"third"]
        data = b"".join(chunks)
        location = oci.start_upload(repository)
        sent = 0
        for chunk in chunks[:-1] if last_in_put else chunks:
            response = oci.expect(202, "PATCH", location, chunk, content_range(sent, chunk))
            sent += len(chunk)
            assert response.headers["Range"] == f"0-{sent - 1}"
        if last_in_put:
            headers = content_range(sent, chunks[-1])
            response = finish(oci, location, data, chunks[-1], headers=headers)
        else:
            response = finish(oci, location, data)
        assert response.status_code == 201
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(data)}").data == data

    @pytest.mark.parametrize("form", ["0-2", "bytes 0-2/3", "bytes 0-2/*", "bytes=0-2", " 0-2 "])
    def test_forms_of_a_range(self, oci: OciCaller, repository: str, form: str) -> None:
        location = oci.start_upload(repository)
        response = oci.expect(202, "PATCH", location, b"abc", {"Content-Range": form})
        assert response.headers["Range"] == "0-2"

    @pytest.mark.parametrize("first", [0, 2, 4, 99, 2**63])
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_out_of_order(self, oci: OciCaller, repository: str, method: str, first: int) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc", content_range(0, b"abc"))
        path = f"{location}?digest={sha256(b'abcde')}" if method == "PUT" else location
        response = oci.expect(416, method, path, b"de", content_range(first, b"de"))
        assert response.get_json()["errors"][0]["code"] == "BLOB_UPLOAD_INVALID"
        assert response.headers["Range"] == "0-2"
        assert response.headers["Location"] == location
        assert response.headers["Docker-Upload-Uuid"]
        # Nothing was lost: the upload goes on from there.
        oci.expect(202, "PATCH", location, b"de", content_range(3, b"de"))
        assert finish(oci, location, b"abcde").status_code == 201

    def test_the_first_chunk_out_of_order(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        response = oci.expect(416, "PATCH", location, b"abc", content_range(3, b"abc"))
        assert response.headers["Range"] == "0-0"

    @pytest.mark.parametrize(
        "header",
        ["-", "a-b", "0-", "-2", "2-0", "0-2-4", "bytes", "0-" + "9" * 20, "-1-2", "\u0660-2"],
    )
    def test_what_is_no_range(self, oci: OciCaller, repository: str, header: str) -> None:
        location = oci.start_upload(repository)
        headers = {"Content-Range": header.encode().decode("latin-1")}
        oci.refused(416, "BLOB_UPLOAD_INVALID", "PATCH", location, b"abc", headers)
        assert oci.expect(204, "GET", location).headers["Range"] == "0-0"

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("claimed", ["0-1", "0-3", "0-0"])
    def test_a_body_that_is_not_its_range(
        self, oci: OciCaller, repository: str, claimed: str, chunked: bool, stored: StoredFiles
    ) -> None:
        """A chunked body that breaks off looks whole to some servers: its range tells."""
        location = oci.start_upload(repository)
        headers = {"Content-Range": claimed}
        oci.refused(400, "SIZE_INVALID", "PATCH", location, b"abc", headers, chunked=chunked)
        path = f"{location}?digest={sha256(b'abc')}"
        oci.refused(400, "SIZE_INVALID", "PUT", path, b"abc", headers, chunked=chunked)
        assert oci.expect(204, "GET", location).headers["Range"] == "0-0"
        assert stored.blobs() == []

    def test_an_empty_chunk(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        for _ in range(2):
            response = oci.expect(202, "PATCH", location, b"")
            assert response.headers["Range"] == "0-0"
        oci.expect(202, "PATCH", location, b"abc")
        assert oci.expect(202, "PATCH", location, b"").headers["Range"] == "0-2"
        assert finish(oci, location, b"abc").status_code == 201


class TestInterrupted:
    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_truncated_body_leaves_nothing(
        self, oci: OciCaller, repository: str, method: str, stored: StoredFiles
    ) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"kept")
        path = f"{location}?digest={sha256(b'kept lost')}" if method == "PUT" else location
        oci.refused(400, "SIZE_INVALID", method, path, b" lost", length=99)
        assert oci.expect(204, "GET", location).headers["Range"] == "0-3"
        oci.expect(202, "PATCH", location, b" on", content_range(4, b" on"))
        assert finish(oci, location, b"kept on").status_code == 201
        assert stored.blobs() == [sha256(b"kept on")]

    @pytest.mark.parametrize("method", ["PATCH", "PUT"])
    def test_a_connection_that_breaks(
        self, oci: OciCaller, repository: str, method: str, stored: StoredFiles
    ) -> None:
        class Broken(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() >= 300_000:
                    raise ConnectionResetError
                return super().read(size)

        location = oci.start_upload(repository)
        path = f"{location}?digest={sha256(b'abc')}" if method == "PUT" else location
        for options in ({"chunked": True}, {"length": 1_000_000}):
            body = Broken(b"x" * 1_000_000)
            oci.refused(400, "SIZE_INVALID", method, path, body, **options)
        assert oci.expect(204, "GET", location).headers["Range"] == "0-0"
        assert stored.blobs() == []

    def test_a_wrong_digest_leaves_the_upload(
        self, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc")
        path = f"{location}?digest={sha256(b'abcd')}"
        for body in (b"", b"e"):
            message = oci.refused(400, "DIGEST_INVALID", "PUT", path, body)
            assert message == (
                "None of the provided layer digests match the calculated layer digest"
            )
        assert stored.blobs() == []
        assert oci.expect(204, "GET", location).headers["Range"] == "0-2"
        assert finish(oci, location, b"abcd", b"d").status_code == 201

    def test_another_process_goes_on(self, app: App, oci: OciCaller, repository: str) -> None:
        callers = itertools.cycle([oci, app.another_process().oci()])
        location = oci.start_upload(repository)
        data = b""
        for number in range(6):
            chunk = bytes([number]) * 1000
            caller = next(callers)
            caller.expect(202, "PATCH", location, chunk, content_range(len(data), chunk))
            data += chunk
            assert next(callers).expect(204, "GET", location).headers["Range"] == (
                f"0-{len(data) - 1}"
            )
        assert finish(next(callers), location, data).status_code == 201
        assert next(callers).expect(200, "GET", f"/v2/{repository}/blobs/{sha256(data)}").data == (
            data
        )

    def test_a_digest_is_that_of_the_bytes_whoever_took_them(
        self, app: App, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        """What one process hashed and refused does not count when another took other bytes."""
        location = oci.start_upload(repository)
        assert finish(oci, location, b"?", b"xyz").status_code == 400
        app.another_process().oci().expect(202, "PATCH", location, b"abc")
        oci.expect(202, "PATCH", location, b"tail")
        oci.refused(400, "DIGEST_INVALID", "PUT", f"{location}?digest={sha256(b'xyztail')}")
        assert finish(oci, location, b"abctail").status_code == 201
        assert stored.blobs() == [sha256(b"abctail")]

    def test_an_upload_outlives_a_restart(self, app: App, repository: str, tmp_path: Any) -> None:
        first = app.another_process()
        location = first.oci().start_upload(repository)
        first.oci().expect(202, "PATCH", location, b"before,")
        first.close()
        second = app.another_process().oci()
        second.expect(202, "PATCH", location, b"after", content_range(7, b"after"))
        assert finish(second, location, b"before,after").status_code == 201

    def test_the_bytes_vanished(self, app: App, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc")
        (app.folder / "uploads" / location.rpartition("/")[2]).unlink()
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", location, b"def")
        assert finish(oci, location, b"abc").status_code == 404


class TestStatusAndCancel:
    def test_status(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        response = oci.expect(204, "GET", location)
        assert response.headers["Range"] == "0-0"
        assert response.headers["Location"] == location
        assert response.headers["Docker-Upload-Uuid"] == location.rpartition("/")[2]
        oci.expect(202, "PATCH", location, b"abc")
        assert oci.expect(204, "GET", location).headers["Range"] == "0-2"

    def test_cancel(self, oci: OciCaller, repository: str, stored: StoredFiles) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc")
        response = oci.expect(204, "DELETE", location)
        assert response.data == b""
        assert stored.uploads() == []
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "DELETE", location)
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", location, b"def")

    @pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
    def test_no_such_upload(self, oci: OciCaller, repository: str, method: str) -> None:
        query = f"?digest={sha256(b'')}" if method == "PUT" else ""
        for name in ("6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11", "x", "..", "%2e%2e", "\u0663"):
            path = f"/v2/{repository}/blobs/uploads/{name}{query}"
            oci.refused(404, "BLOB_UPLOAD_UNKNOWN", method, path)

    def test_the_text_for_no_such_upload(self, oci: OciCaller, repository: str) -> None:
        message = oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "GET", UNKNOWN_UPLOAD)
        assert message == (
            "The upload with id '6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11' does not exist within the "
            f"repository with name 'team/app' in the registry with id '{ACCOUNT}'"
        )

    @pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
    def test_an_upload_is_its_repositorys(
        self, oci: OciCaller, ecr: Any, repository: str, method: str
    ) -> None:
        ecr.create_repository(repositoryName="other")
        location = oci.start_upload(repository).replace(repository, "other")
        query = f"?digest={sha256(b'')}" if method == "PUT" else ""
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", method, location + query)
        gone = location.replace("other", "missing")
        assert oci.refused(404, "NAME_UNKNOWN", method, gone + query) == NO_REPOSITORY

    def test_no_such_repository(self, oci: OciCaller) -> None:
        path = "/v2/missing/blobs/uploads/"
        assert oci.refused(404, "NAME_UNKNOWN", "POST", path) == NO_REPOSITORY

    @pytest.mark.parametrize(
        "digest",
        ["", "abc", "sha256:abc", "md5:" + "0" * 32, "sha256:" + "G" * 64, "sha256:" + "0" * 65],
    )
    def test_what_is_no_digest(self, oci: OciCaller, repository: str, digest: str) -> None:
        location = oci.start_upload(repository)
        oci.refused(400, "DIGEST_INVALID", "PUT", f"{location}?digest={digest}", b"abc")
        path = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        oci.refused(400, "DIGEST_INVALID", "POST", path, b"abc")
        oci.refused(400, "DIGEST_INVALID", "PUT", location, b"abc")
        assert oci.expect(204, "GET", location).headers["Range"] == "0-0"

    def test_a_bad_content_length(self, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        for length in ("abc", "-1", "1e3", "9" * 30, " 3"):
            environ = {"CONTENT_LENGTH": length}
            for headers in ({}, {"Content-Range": "0-2"}):
                oci.refused(
                    400, "SIZE_INVALID", "PATCH", location, b"abc", headers, environ=environ
                )


class TestTogether:
    """Several requests at once."""

    def test_an_upload_is_one_requests_at_a_time(self, oci: OciCaller, repository: str) -> None:
        class Slow(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                started.set()
                assert go_on.wait(10)
                return super().read(size)

        started, go_on = threading.Event(), threading.Event()
        location = oci.start_upload(repository)
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(oci.request, "PATCH", location, Slow(b"abc"), length=3)
            assert started.wait(10)
            path = f"{location}?digest={sha256(b'abc')}"
            for method, target in [("PATCH", location), ("PUT", path), ("DELETE", location)]:
                message = oci.refused(409, "BLOB_UPLOAD_INVALID", method, target)
                upload_id = location.rpartition("/")[2]
                assert message == (
                    f"Another request for the upload with id '{upload_id}' is in progress"
                )
            assert oci.expect(204, "GET", location).headers["Range"] == "0-0"
            go_on.set()
            assert first.result().status_code == 202
        assert finish(oci, location, b"abc").status_code == 201

    def test_the_repository_goes_during_an_upload(
        self, oci: OciCaller, ecr: Any, repository: str, stored: StoredFiles
    ) -> None:
        class Deleting(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() == 0:
                    ecr.delete_repository(repositoryName=repository, force=True)
                return super().read(size)

        for method in ("PATCH", "PUT", "POST"):
            location = oci.start_upload(repository)
            if method == "PUT":
                location = f"{location}?digest={sha256(b'abc')}"
            elif method == "POST":
                location = f"/v2/{repository}/blobs/uploads/?digest={sha256(b'abc')}"
            oci.refused(404, "NAME_UNKNOWN", method, location, Deleting(b"abc"), length=3)
            ecr.create_repository(repositoryName=repository)
            oci.expect(404, "HEAD", f"/v2/{repository}/blobs/{sha256(b'abc')}")

    def test_the_repository_is_made_anew_during_an_upload(
        self, oci: OciCaller, app: App, ecr: Any, repository: str
    ) -> None:
        """The new repository, or whichever takes its place, gets nothing."""

        class Renewing(BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                if self.tell() == 0:
                    ecr.delete_repository(repositoryName=repository, force=True)
                    app.ecr("000000000000").create_repository(repositoryName="theirs")
                    ecr.create_repository(repositoryName=repository)
                return super().read(size)

        location = oci.start_upload(repository)
        path = f"{location}?digest={sha256(b'abc')}"
        oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "PUT", path, Renewing(b"abc"), length=3)
        oci.expect(404, "HEAD", f"/v2/{repository}/blobs/{sha256(b'abc')}")
        theirs = app.oci("000000000000")
        theirs.expect(404, "HEAD", f"/v2/theirs/blobs/{sha256(b'abc')}")

    def test_many_push_the_same_blob(
        self, app: App, oci: OciCaller, repository: str, stored: StoredFiles
    ) -> None:
        data = os.urandom(100_000)
        callers = [oci, app.another_process().oci()] * 6

        def push(caller: OciCaller) -> str:
            location = caller.start_upload(repository)
            caller.expect(202, "PATCH", location, data[:50_000])
            response = finish(caller, location, data, data[50_000:])
            assert response.status_code == 201
            return str(response.headers["Docker-Content-Digest"])

        with ThreadPoolExecutor(len(callers)) as pool:
            assert set(pool.map(push, callers)) == {sha256(data)}
        assert stored.blobs() == [sha256(data)]
        assert stored.uploads() == []
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{sha256(data)}").data == data


class TestStrict:
    """Where ECR departs from the specification (public issue threads)."""

    def test_patch_is_answered_201(self, strict: OciCaller, repository: str) -> None:
        response = strict.expect(202, "POST", f"/v2/{repository}/blobs/uploads/")
        assert response.headers["OCI-Chunk-Min-Length"] == str(5 * 1024 * 1024)
        location = response.headers["Location"]
        strict.expect(201, "PATCH", location, b"abc")
        assert finish(strict, location, b"abc").status_code == 201

    def test_small_parts_before_the_last(self, strict: OciCaller, repository: str) -> None:
        location = strict.start_upload(repository)
        strict.expect(201, "PATCH", location, b"abc")
        strict.expect(201, "PATCH", location, b"def")
        path = f"{location}?digest={sha256(b'abcdef')}"
        message = strict.refused(400, "BLOB_UPLOAD_INVALID", "PUT", path)
        assert message == "Layer parts must be at least 5 MiB in size."

    def test_one_small_part_and_the_last_in_put(self, strict: OciCaller, repository: str) -> None:
        location = strict.start_upload(repository)
        strict.expect(201, "PATCH", location, b"abc")
        path = f"{location}?digest={sha256(b'abcdef')}"
        strict.refused(400, "BLOB_UPLOAD_INVALID", "PUT", path, b"def")

    def test_large_parts(self, strict: OciCaller, repository: str) -> None:
        part = bytes(5 * 1024 * 1024)
        location = strict.start_upload(repository)
        strict.expect(201, "PATCH", location, part)
        strict.expect(201, "PATCH", location, part)
        assert finish(strict, location, part * 2 + b"end", b"end").status_code == 201

    def test_a_wrong_digest(self, strict: OciCaller, repository: str) -> None:
        location = strict.start_upload(repository)
        path = f"{location}?digest={sha256(b'abd')}"
        message = strict.refused(400, "BLOB_UPLOAD_INVALID", "PUT", path, b"abc")
        assert message == "None of the provided layer digests match the calculated layer digest"


class TestMount:
    @pytest.fixture
    def enabled(self, ecr: Any) -> None:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")

    @pytest.fixture
    def digest(self, oci: OciCaller, ecr: Any, repository: str) -> str:
        """A blob in the repository "source"."""
        ecr.create_repository(repositoryName="source")
        return oci.push_blob("source", b"abc")

    def mount(self, oci: OciCaller, repository: str, digest: str, source: str = "source") -> Any:
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}"
        return oci.request("POST", path)

    def test_while_the_setting_is_not_enabled_an_upload_is_offered(
        self, oci: OciCaller, ecr: Any, repository: str, digest: str
    ) -> None:
        assert ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "DISABLED"
        response = self.mount(oci, repository, digest)
        assert response.status_code == 202
        oci.expect(404, "HEAD", f"/v2/{repository}/blobs/{digest}")
        assert finish(oci, response.headers["Location"], b"abc", b"abc").status_code == 201

    def test_enabled(self, oci: OciCaller, repository: str, digest: str, enabled: None) -> None:
        for _ in range(2):
            response = self.mount(oci, repository, digest)
            assert response.status_code == 201
            assert response.headers["Location"] == f"/v2/{repository}/blobs/{digest}"
            assert response.headers["Docker-Content-Digest"] == digest
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{digest}").data == b"abc"

    def test_disabled_again(
        self, oci: OciCaller, ecr: Any, repository: str, digest: str, enabled: None
    ) -> None:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="DISABLED")
        assert self.mount(oci, repository, digest).status_code == 202

    @pytest.mark.parametrize("source", ["missing", "", "..", "team/app", "%00"])
    def test_where_the_source_has_no_such_blob(
        self, oci: OciCaller, repository: str, digest: str, enabled: None, source: str
    ) -> None:
        assert self.mount(oci, repository, digest, source).status_code == 202
        oci.expect(404, "HEAD", f"/v2/{repository}/blobs/{digest}")

    @pytest.mark.parametrize("digest_asked", ["", "abc", "sha256:" + "0" * 64, "md5:00"])
    def test_what_is_no_digest_of_a_blob(
        self, oci: OciCaller, repository: str, digest: str, enabled: None, digest_asked: str
    ) -> None:
        assert self.mount(oci, repository, digest_asked).status_code == 202

    def test_without_a_source(
        self, oci: OciCaller, strict: OciCaller, repository: str, digest: str, enabled: None
    ) -> None:
        """The specification lets the registry look for one; of ECR that is not known."""
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}"
        strict.expect(202, "POST", path)
        response = oci.expect(201, "POST", path)
        assert response.headers["Location"] == f"/v2/{repository}/blobs/{digest}"
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{digest}").data == b"abc"
        oci.expect(202, "POST", f"/v2/{repository}/blobs/uploads/?mount={sha256(b'')}")

    def test_without_a_source_and_disabled(
        self, oci: OciCaller, repository: str, digest: str
    ) -> None:
        oci.expect(202, "POST", f"/v2/{repository}/blobs/uploads/?mount={digest}")

    def test_without_a_source_that_the_caller_may_read(
        self, app: App, oci: OciCaller, ecr: Any, repository: str, digest: str, enabled: None
    ) -> None:
        """Nobody gets at a blob, or learns of it, by its digest alone."""
        statement = {"Effect": "Deny", "Principal": "*", "Action": "ecr:GetDownloadUrlForLayer"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        ecr.set_repository_policy(repositoryName="source", policyText=policy)
        theirs = app.ecr("000000000000")
        theirs.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        theirs.create_repository(repositoryName="mine")
        path = f"/v2/{repository}/blobs/uploads/?mount={digest}"
        oci.expect(202, "POST", path)
        app.oci("000000000000").expect(202, "POST", f"/v2/mine/blobs/uploads/?mount={digest}")
        # A second one that has it, and that may be read, will do.
        ecr.create_repository(repositoryName="readable")
        oci.push_blob("readable", b"abc")
        oci.expect(201, "POST", path)

    def test_without_a_source_that_is_encrypted_alike(
        self, oci: OciCaller, ecr: Any, digest: str, enabled: None
    ) -> None:
        ecr.create_repository(
            repositoryName="kms", encryptionConfiguration={"encryptionType": "KMS"}
        )
        oci.expect(202, "POST", f"/v2/kms/blobs/uploads/?mount={digest}")

    def test_into_no_repository(self, oci: OciCaller, digest: str, enabled: None) -> None:
        path = f"/v2/missing/blobs/uploads/?mount={digest}&from=source"
        assert oci.refused(404, "NAME_UNKNOWN", "POST", path) == NO_REPOSITORY

    def test_only_between_repositories_encrypted_alike(
        self, oci: OciCaller, ecr: Any, digest: str, enabled: None
    ) -> None:
        for name, key, status in [("a", "alias/a", 202), ("b", "alias/b", 202)]:
            configuration = {"encryptionType": "KMS", "kmsKey": key}
            ecr.create_repository(
                repositoryName="kms/" + name, encryptionConfiguration=configuration
            )
            assert self.mount(oci, "kms/" + name, digest).status_code == status
        other = oci.push_blob("kms/a", b"abcd")
        assert self.mount(oci, "kms/b", other, "kms/a").status_code == 202
        configuration = {"encryptionType": "KMS", "kmsKey": "alias/a"}
        ecr.create_repository(repositoryName="kms/c", encryptionConfiguration=configuration)
        assert self.mount(oci, "kms/c", other, "kms/a").status_code == 201

    def test_not_from_another_registry(
        self, app: App, oci: OciCaller, repository: str, digest: str, enabled: None
    ) -> None:
        theirs = app.ecr("000000000000")
        theirs.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        theirs.create_repository(repositoryName="mine")
        response = self.mount(app.oci("000000000000"), "mine", digest)
        assert response.status_code == 202

    def test_the_setting_is_the_registrys(
        self, app: App, ecr: Any, repository: str, digest: str, enabled: None
    ) -> None:
        for client in (app.ecr("000000000000"), app.ecr(region="eu-west-1")):
            setting = client.get_account_setting(name="BLOB_MOUNTING")
            assert setting["value"] == "DISABLED"
