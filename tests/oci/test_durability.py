"""What clients see of a store in trouble: cut short, vanished, corrupted, full, read-only."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from sqlalchemy import event

from ecr_emulator.blobs import filesystem
from ecr_emulator.registry import uploads
from tests.oci.conftest import StoredFiles
from tests.support.app import App, OciCaller
from tests.support.images import Blob, Image, make_image, sha256


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


@pytest.fixture
def image(oci: OciCaller, repository: str) -> Image:
    made = make_image()
    oci.push(repository, made, "v1")
    return made


def blob_file(app: App, digest: str) -> Path:
    algorithm, _, encoded = digest.partition(":")
    return app.folder / "blobs" / algorithm / encoded[:2] / encoded


@pytest.mark.parametrize("left", [None, 0, 10], ids=["vanished", "emptied", "cut off"])
class TestLostBytes:
    """A layer whose bytes are not all there any more."""

    @pytest.fixture
    def lost(self, app: App, image: Image, left: int | None) -> Blob:
        blob = image.layers[0]
        path = blob_file(app, blob.digest)
        if left is None:
            path.unlink()
        else:
            os.truncate(path, left)
        return blob

    def test_both_doors_say_so(
        self, ecr: Any, oci: OciCaller, repository: str, image: Image, lost: Blob
    ) -> None:
        text = (
            f"The bytes of the layer with digest '{lost.digest}' are missing from the"
            " registry's storage"
        )
        response = oci.app.request(
            "GET",
            f"/v2/{repository}/blobs/{lost.digest}",
            headers={"Authorization": f"Basic {oci.token}"},
        )
        assert response.status_code == 500
        assert response.get_json() == {"errors": [{"code": "UNKNOWN", "message": text}]}
        with pytest.raises(ClientError) as refused:
            ecr.get_download_url_for_layer(repositoryName=repository, layerDigest=lost.digest)
        answer = refused.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert answer["Error"] == {"Code": "ServerException", "Message": text}
        # The rest of the image is well.
        for blob in (image.config, image.layers[1]):
            path = f"/v2/{repository}/blobs/{blob.digest}"
            assert oci.expect(200, "GET", path).data == blob.data

    def test_a_client_uploads_it_again(
        self, ecr: Any, oci: OciCaller, repository: str, lost: Blob
    ) -> None:
        path = f"/v2/{repository}/blobs/{lost.digest}"
        oci.expect(404, "HEAD", path)
        (found,) = ecr.batch_check_layer_availability(
            repositoryName=repository, layerDigests=[lost.digest]
        )["layers"]
        assert found["layerAvailability"] == "UNAVAILABLE"
        oci.push_blob(repository, lost.data)
        assert oci.expect(200, "GET", path).data == lost.data
        oci.expect(200, "HEAD", path)

    def test_it_cannot_be_mounted(
        self, ecr: Any, oci: OciCaller, repository: str, lost: Blob
    ) -> None:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        ecr.create_repository(repositoryName="other")
        path = f"/v2/other/blobs/uploads/?mount={lost.digest}&from={repository}"
        oci.expect(202, "POST", path)


@pytest.mark.of_sqlite
class TestReadOnly:
    """Nothing can be written any more, while the server runs."""

    TEXT = "The registry's database failed: attempt to write a readonly database"

    @pytest.fixture
    def location(self, oci: OciCaller, repository: str) -> str:
        """An upload that began before."""
        return oci.start_upload(repository)

    @pytest.fixture
    def read_only(
        self, app: App, image: Image, location: str, monkeypatch: pytest.MonkeyPatch
    ) -> App:
        """A second process, which finds the store read-only."""

        def refuse(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            return opened(path, flags, *more, **named)

        opened = os.open
        process = app.another_process()
        database = process.application._database  # type: ignore[attr-defined]
        # Its connections are opened anew, and can do nothing but read then.
        database.close()

        @event.listens_for(database.engine, "connect")
        def connect(driver: Any, _: Any) -> None:
            driver.execute("PRAGMA query_only = ON")

        monkeypatch.setattr(filesystem.os, "open", refuse)
        return process

    def test_pulls_go_on(self, app: App, repository: str, image: Image, read_only: App) -> None:
        app.clock.advance(timedelta(hours=13))
        caller = read_only.oci()
        for _ in range(2):
            found = caller.expect(200, "GET", f"/v2/{repository}/manifests/v1")
            assert found.data == image.manifest.data
            for blob in image.blobs:
                path = f"/v2/{repository}/blobs/{blob.digest}"
                caller.expect(200, "HEAD", path)
                assert caller.expect(200, "GET", path).data == blob.data
        read_only.ecr().batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "v1"}])

    def test_pushes_are_refused_with_the_reason(
        self, repository: str, image: Image, location: str, read_only: App
    ) -> None:
        caller = read_only.oci()
        for method, path in [
            ("POST", f"/v2/{repository}/blobs/uploads/"),
            ("PUT", f"/v2/{repository}/manifests/v2"),
            ("DELETE", f"/v2/{repository}/manifests/v1"),
        ]:
            assert self.refused(read_only, caller, method, path, image) == self.TEXT
        text = "The registry's storage cannot take more data: Read-only file system"
        assert self.refused(read_only, caller, "PATCH", location, image) == text
        with pytest.raises(ClientError) as refused:
            read_only.ecr().create_repository(repositoryName="other")
        assert refused.value.response["Error"]["Code"] == "ServerException"
        assert refused.value.response["Error"]["Message"] == self.TEXT

    def refused(self, app: App, caller: OciCaller, method: str, path: str, image: Image) -> str:
        headers = {
            "Authorization": f"Basic {caller.token}",
            "Content-Type": image.manifest.media_type,
        }
        response = app.request(method, path, image.manifest.data, headers)
        assert response.status_code == 500
        (error,) = response.get_json()["errors"]
        assert error["code"] == "UNKNOWN"
        return str(error["message"])
