"""InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload, BatchCheckLayerAvailability,
GetDownloadUrlForLayer.

Sources: API reference and the service model's descriptions of the exceptions; texts that
public issue threads show. Where no source has a text, it is the likeliest, as ``errors.py`` says.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from datetime import timedelta
from typing import Any

import pytest

from tests.support.app import ACCOUNT, HOST, STRANGER, App, OciCaller
from tests.support.images import make_image, sha256
from tests.support.refusals import refusal

NAME = "team/app"
MIB = 1024 * 1024
SMALLEST = 5 * MIB
UNKNOWN_UPLOAD = "6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
NO_REPOSITORY = (
    "RepositoryNotFoundException",
    f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'",
)


@pytest.fixture(autouse=True)
def repository(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)


def no_upload(upload_id: str, name: str = NAME) -> tuple[str, str]:
    return (
        "UploadNotFoundException",
        f"The upload with id '{upload_id}' does not exist within the repository with name "
        f"'{name}' in the registry with id '{ACCOUNT}'",
    )


def no_layer(digest: str) -> tuple[str, str]:
    return (
        "LayersNotFoundException",
        f"The layer with digest '{digest}' does not exist within the repository with name "
        f"'{NAME}' in the registry with id '{ACCOUNT}'",
    )


def initiate(ecr: Any, name: str = NAME) -> str:
    return str(ecr.initiate_layer_upload(repositoryName=name)["uploadId"])


def part(upload_id: str, first: int, data: bytes, **others: Any) -> dict[str, Any]:
    """Return the parameters of UploadLayerPart."""
    return {
        "repositoryName": NAME,
        "uploadId": upload_id,
        "partFirstByte": first,
        "partLastByte": first + len(data) - 1,
        "layerPartBlob": data,
        **others,
    }


def upload(ecr: Any, *parts: bytes) -> str:
    """Upload parts and return the upload's id."""
    upload_id, first = initiate(ecr), 0
    for data in parts:
        answer = ecr.upload_layer_part(**part(upload_id, first, data))
        first += len(data)
        assert answer["lastByteReceived"] == first - 1
    return upload_id


def complete(upload_id: str, *digests: str, **others: Any) -> dict[str, Any]:
    """Return the parameters of CompleteLayerUpload."""
    return {
        "repositoryName": NAME,
        "uploadId": upload_id,
        "layerDigests": list(digests),
        **others,
    }


class TestUpload:
    def test_in_one_part(self, ecr: Any, oci: OciCaller) -> None:
        answer = ecr.initiate_layer_upload(repositoryName=NAME, registryId=ACCOUNT)
        upload_id = answer["uploadId"]
        assert str(uuid.UUID(upload_id)) == upload_id
        assert answer["partSize"] == 10 * MIB
        answer = ecr.upload_layer_part(**part(upload_id, 0, b"abc", registryId=ACCOUNT))
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "uploadId": upload_id,
            "lastByteReceived": 2,
        }
        digest = sha256(b"abc")
        answer = ecr.complete_layer_upload(**complete(upload_id, digest, registryId=ACCOUNT))
        del answer["ResponseMetadata"]
        assert answer == {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "uploadId": upload_id,
            "layerDigest": digest,
        }
        assert oci.expect(200, "GET", f"/v2/{NAME}/blobs/{digest}").data == b"abc"

    def test_in_many_parts(self, ecr: Any, oci: OciCaller) -> None:
        parts = [os.urandom(SMALLEST), os.urandom(10 * MIB), b"the end"]
        upload_id = upload(ecr, *parts)
        digest = sha256(b"".join(parts))
        ecr.complete_layer_upload(**complete(upload_id, digest))
        assert oci.expect(200, "GET", f"/v2/{NAME}/blobs/{digest}").data == b"".join(parts)

    def test_the_largest_part(self, ecr: Any) -> None:
        data = bytes(20 * MIB)
        ecr.complete_layer_upload(**complete(upload(ecr, data), sha256(data)))

    def test_a_part_that_is_too_large(self, ecr: Any) -> None:
        data = bytes(20 * MIB + 1)
        code, message = refusal(ecr.upload_layer_part, **part(initiate(ecr), 0, data))
        assert code == "InvalidParameterException"
        assert "'layerPartBlob'" in message

    @pytest.mark.parametrize(
        ("received", "first", "last", "size"),
        [
            (0, 1, 3, 3),
            (0, 0, 3, 3),
            (0, 0, 1, 3),
            (0, 2**63 - 1, 2**63 - 1, 1),
            (3, 0, 2, 3),
            (3, 2, 4, 3),
            (3, 4, 6, 3),
            (3, 3, 6, 3),
            (3, 3, 2, 0),
            (3, 3, 3, 0),
            (3, 5, 4, 0),
        ],
    )
    def test_a_part_that_does_not_fit(
        self, ecr: Any, received: int, first: int, last: int, size: int
    ) -> None:
        upload_id = upload(ecr, *[b"abc"] if received else [])
        with pytest.raises(ecr.exceptions.InvalidLayerPartException) as caught:
            ecr.upload_layer_part(**part(upload_id, first, b"x" * size, partLastByte=last))
        answer = caught.value.response
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
        assert answer["message"] == (
            "The layer part size is not valid, or the first byte specified is not consecutive to "
            "the last byte of a previous layer part upload."
        )
        assert answer["registryId"] == ACCOUNT
        assert answer["repositoryName"] == NAME
        assert answer["uploadId"] == upload_id
        assert answer["lastValidByteReceived"] == max(0, received - 1)
        # The upload is as it was.
        ecr.upload_layer_part(**part(upload_id, received, b"def"))

    @pytest.mark.parametrize("member", ["partFirstByte", "partLastByte"])
    def test_places_below_zero(self, app: App, ecr: Any, member: str) -> None:
        body = {**part(initiate(ecr), 0, b""), "layerPartBlob": "", "partLastByte": 0, member: -1}
        status, answer = app.call("UploadLayerPart", body)
        assert status == 400
        assert answer == {
            "__type": "InvalidParameterException",
            "message": f"Invalid parameter at '{member}' failed to satisfy constraint: "
            "'Member must have value greater than or equal to 0'",
        }

    @pytest.mark.parametrize("encoded", ["a", "abc", "ab==c", "\u00e9", "ab c", "YQ", "YR=="])
    def test_what_is_no_base64(self, app: App, ecr: Any, encoded: str) -> None:
        body = {**part(initiate(ecr), 0, b"x"), "layerPartBlob": encoded}
        status, answer = app.call("UploadLayerPart", body)
        assert status == 400
        assert answer["__type"] == "SerializationException"

    def test_parts_go_to_any_process(self, app: App, ecr: Any) -> None:
        other = app.another_process().ecr()
        parts = [os.urandom(SMALLEST) for _ in range(2)] + [b"end"]
        upload_id, first = initiate(ecr), 0
        for client, data in zip((ecr, other, ecr), parts, strict=True):
            client.upload_layer_part(**part(upload_id, first, data))
            first += len(data)
        digest = sha256(b"".join(parts))
        answer = other.complete_layer_upload(**complete(upload_id, digest))
        assert answer["layerDigest"] == digest

    def test_one_upload_by_both_doors(self, ecr: Any, oci: OciCaller) -> None:
        upload_id = upload(ecr, b"one door, ")
        location = f"/v2/{NAME}/blobs/uploads/{upload_id}"
        assert oci.expect(204, "GET", location).headers["Range"] == "0-9"
        oci.expect(202, "PATCH", location, b"the other")
        digest = sha256(b"one door, the other")
        assert refusal(ecr.complete_layer_upload, **complete(upload_id, digest))[0] == (
            "LayerPartTooSmallException"
        )
        oci.expect(201, "PUT", f"{location}?digest={digest}")


class TestComplete:
    def test_the_upload_is_over(self, ecr: Any) -> None:
        upload_id = upload(ecr, b"abc")
        ecr.complete_layer_upload(**complete(upload_id, sha256(b"abc")))
        call = refusal(ecr.complete_layer_upload, **complete(upload_id, sha256(b"abc")))
        assert call == no_upload(upload_id)
        assert refusal(ecr.upload_layer_part, **part(upload_id, 3, b"d")) == no_upload(upload_id)

    def test_one_digest_of_several(self, ecr: Any) -> None:
        digests = [
            "sha256:" + "0" * 64,
            "md5:900150983cd24fb0d6963f7d28e17f72",
            "sha512:" + "0" * 128,
            sha256(b"abc"),
        ]
        answer = ecr.complete_layer_upload(**complete(upload(ecr, b"abc"), *digests))
        assert answer["layerDigest"] == sha256(b"abc")

    def test_sha512(self, ecr: Any) -> None:
        digest = "sha512:" + hashlib.sha512(b"abc").hexdigest()
        answer = ecr.complete_layer_upload(**complete(upload(ecr, b"abc"), digest))
        assert answer["layerDigest"] == digest

    @pytest.mark.parametrize(
        "digest",
        [
            "sha256:" + "0" * 64,
            sha256(b"abc").upper().replace("SHA", "sha"),
            sha256(b"abc")[:-1],
            "sha256:ab",
            "md5:900150983cd24fb0d6963f7d28e17f72",
            "crc32:352441c2",
            "sha512:" + "0" * 128,
            "-_+.:00",
        ],
    )
    def test_no_digest_is_the_layers(self, ecr: Any, digest: str) -> None:
        upload_id = upload(ecr, b"abc")
        assert refusal(ecr.complete_layer_upload, **complete(upload_id, digest)) == (
            "InvalidLayerException",
            "None of the provided layer digests match the calculated layer digest",
        )
        ecr.complete_layer_upload(**complete(upload_id, sha256(b"abc")))

    @pytest.mark.parametrize(
        "digest", ["", "abc", ":00", "sha256:", "sha256:xyz", "a b:00", "a:00\n"]
    )
    def test_what_the_model_refuses(self, ecr: Any, digest: str) -> None:
        upload_id = upload(ecr, b"abc")
        code, message = refusal(ecr.complete_layer_upload, **complete(upload_id, digest))
        assert code == "InvalidParameterException"
        assert message.startswith("Invalid parameter at 'layerDigests")

    def test_the_layer_is_there_already(self, ecr: Any) -> None:
        digest = sha256(b"abc")
        ecr.complete_layer_upload(**complete(upload(ecr, b"abc"), digest))
        upload_id = upload(ecr, b"abc")
        assert refusal(ecr.complete_layer_upload, **complete(upload_id, digest)) == (
            "LayerAlreadyExistsException",
            f"The layer with digest '{digest}' already exists within the repository with name "
            f"'{NAME}' in the registry with id '{ACCOUNT}'",
        )
        # It is another repository's own affair.
        ecr.create_repository(repositoryName="other")
        upload_id = initiate(ecr, "other")
        ecr.upload_layer_part(**part(upload_id, 0, b"abc", repositoryName="other"))
        ecr.complete_layer_upload(**complete(upload_id, digest, repositoryName="other"))

    def test_no_parts(self, ecr: Any) -> None:
        call = refusal(ecr.complete_layer_upload, **complete(initiate(ecr), sha256(b"")))
        assert call == (
            "EmptyUploadException",
            "The specified layer upload does not contain any layer parts.",
        )

    @pytest.mark.parametrize(
        "sizes", [(1, 1), (SMALLEST - 1, 1), (SMALLEST, 1, 1), (1, SMALLEST, 1)]
    )
    def test_parts_that_are_too_small(self, ecr: Any, sizes: tuple[int, ...]) -> None:
        parts = [bytes(size) for size in sizes]
        digest = sha256(b"".join(parts))
        call = refusal(ecr.complete_layer_upload, **complete(upload(ecr, *parts), digest))
        assert call == (
            "LayerPartTooSmallException",
            "Layer parts must be at least 5 MiB in size.",
        )

    def test_the_last_part_may_be_small(self, ecr: Any) -> None:
        parts = [bytes(SMALLEST), b"x"]
        digest = sha256(b"".join(parts))
        ecr.complete_layer_upload(**complete(upload(ecr, *parts), digest))


UPLOADING = [
    ("upload_layer_part", {"partFirstByte": 0, "partLastByte": 0, "layerPartBlob": b"x"}),
    ("complete_layer_upload", {"layerDigests": [sha256(b"x")]}),
]


class TestWhatIsNotThere:
    def test_initiate(self, ecr: Any) -> None:
        assert refusal(ecr.initiate_layer_upload, repositoryName="missing") == NO_REPOSITORY

    @pytest.mark.parametrize(("operation", "params"), UPLOADING)
    def test_no_such_upload(self, ecr: Any, operation: str, params: dict[str, Any]) -> None:
        call = getattr(ecr, operation)
        params = {"uploadId": UNKNOWN_UPLOAD, **params}
        assert refusal(call, repositoryName=NAME, **params) == no_upload(UNKNOWN_UPLOAD)
        assert refusal(call, repositoryName="missing", **params) == NO_REPOSITORY

    @pytest.mark.parametrize(("operation", "params"), UPLOADING)
    def test_an_upload_to_another_repository(
        self, app: App, ecr: Any, operation: str, params: dict[str, Any]
    ) -> None:
        ecr.create_repository(repositoryName="other")
        upload_id = initiate(ecr)
        params = {"uploadId": upload_id, **params}
        call = refusal(getattr(ecr, operation), repositoryName="other", **params)
        assert call == no_upload(upload_id, "other")
        theirs = app.ecr(STRANGER)
        theirs.create_repository(repositoryName=NAME)
        code, _ = refusal(getattr(theirs, operation), repositoryName=NAME, **params)
        assert code == "UploadNotFoundException"

    @pytest.mark.parametrize(("operation", "params"), UPLOADING)
    @pytest.mark.parametrize(
        "upload_id", ["", "x", "../x", UNKNOWN_UPLOAD + "\n", "{" + UNKNOWN_UPLOAD + "}", "\0"]
    )
    def test_what_is_no_upload_id(
        self, ecr: Any, operation: str, params: dict[str, Any], upload_id: str
    ) -> None:
        code, message = refusal(
            getattr(ecr, operation), repositoryName=NAME, uploadId=upload_id, **params
        )
        assert code == "InvalidParameterException"
        assert message.startswith("Invalid parameter at 'uploadId'")

    def test_the_repository_was_deleted(self, ecr: Any) -> None:
        upload_id = upload(ecr, b"abc")
        ecr.delete_repository(repositoryName=NAME)
        ecr.create_repository(repositoryName=NAME)
        call = refusal(ecr.complete_layer_upload, **complete(upload_id, sha256(b"abc")))
        assert call == no_upload(upload_id)


class TestAvailability:
    def check(self, ecr: Any, *digests: str) -> dict[str, Any]:
        answer: dict[str, Any] = ecr.batch_check_layer_availability(
            repositoryName=NAME, layerDigests=list(digests)
        )
        del answer["ResponseMetadata"]
        return answer

    def test_of_an_image(self, ecr: Any, oci: OciCaller) -> None:
        image = make_image(1)
        oci.push(NAME, image)
        assert self.check(ecr, *(blob.digest for blob in image.blobs)) == {
            "layers": [
                {
                    "layerDigest": blob.digest,
                    "layerAvailability": "AVAILABLE",
                    "layerSize": len(blob.data),
                    "mediaType": blob.media_type,
                }
                for blob in image.blobs
            ],
            "failures": [],
        }

    def test_of_a_layer_that_no_image_names(self, ecr: Any, oci: OciCaller) -> None:
        digest = oci.push_blob(NAME, b"abc")
        assert self.check(ecr, digest)["layers"] == [
            {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": 3}
        ]

    def test_of_layers_that_are_not_there(self, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="other")
        elsewhere = oci.push_blob("other", b"abc")
        digests = ["sha256:" + "0" * 64, elsewhere, "md5:00"]
        assert self.check(ecr, *digests) == {
            "layers": [
                {"layerDigest": digest, "layerAvailability": "UNAVAILABLE"} for digest in digests
            ],
            "failures": [],
        }

    def test_failures(self, ecr: Any, oci: OciCaller) -> None:
        digest = oci.push_blob(NAME, b"abc")
        answer = self.check(ecr, "", "abc", digest, "sha256:", "a" * 1000)
        assert [layer["layerDigest"] for layer in answer["layers"]] == [digest]
        regex = (
            "Invalid request parameters: layer digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'"
        )
        assert answer["failures"] == [
            {
                "layerDigest": "",
                "failureCode": "MissingLayerDigest",
                "failureReason": "The layer digest is missing",
            },
            *(
                {
                    "layerDigest": wrong,
                    "failureCode": "InvalidLayerDigest",
                    "failureReason": regex,
                }
                for wrong in ("abc", "sha256:", "a" * 1000)
            ),
        ]

    def test_each_once(self, ecr: Any, oci: OciCaller) -> None:
        digest = oci.push_blob(NAME, b"abc")
        assert len(self.check(ecr, *[digest] * 100)["layers"]) == 1

    def test_a_missing_repository(self, ecr: Any) -> None:
        call = refusal(
            ecr.batch_check_layer_availability,
            repositoryName="missing",
            layerDigests=[sha256(b"")],
        )
        assert call == NO_REPOSITORY

    @pytest.mark.parametrize("digests", [[], ["sha256:00"] * 101, ["a" * 1001]])
    def test_how_many(self, app: App, digests: list[str]) -> None:
        body = {"repositoryName": NAME, "layerDigests": digests}
        status, answer = app.call("BatchCheckLayerAvailability", body)
        assert status == 400
        assert answer["__type"] == "InvalidParameterException"
        assert "'layerDigests" in answer["message"]


class TestDownload:
    def url(self, ecr: Any, digest: str) -> str:
        answer = ecr.get_download_url_for_layer(repositoryName=NAME, layerDigest=digest)
        assert answer.keys() == {"downloadUrl", "layerDigest", "ResponseMetadata"}
        assert answer["layerDigest"] == digest
        before = f"http://{HOST}/"
        assert answer["downloadUrl"].startswith(before)
        return str(answer["downloadUrl"].removeprefix(before[:-1]))

    def test_the_url_downloads_without_credentials(
        self, app: App, ecr: Any, oci: OciCaller
    ) -> None:
        image = make_image(1)
        oci.push(NAME, image)
        for blob in image.blobs:
            nobody = OciCaller(app, None)
            url = self.url(ecr, blob.digest)
            response = nobody.expect(200, "GET", url)
            assert response.data == blob.data
            assert response.headers["Content-Length"] == str(len(blob.data))
            head = nobody.expect(200, "HEAD", url)
            assert head.headers["Content-Length"] == str(len(blob.data))
            ranged = nobody.expect(206, "GET", url, headers={"Range": "bytes=2-5"})
            assert ranged.data == blob.data[2:6]
            nobody.refused(405, "UNSUPPORTED", "PUT", url, b"x")

    def test_it_lasts_an_hour(self, app: App, ecr: Any, oci: OciCaller) -> None:
        image = make_image(1)
        oci.push(NAME, image)
        url, nobody = self.url(ecr, image.config.digest), OciCaller(app, None)
        app.clock.advance(timedelta(minutes=59))
        nobody.expect(200, "GET", url)
        app.clock.advance(timedelta(minutes=1))
        assert nobody.refused(403, "DENIED", "GET", url) == "Request has expired"

    def test_it_is_good_for_that_layer_alone(self, app: App, ecr: Any, oci: OciCaller) -> None:
        image, other = make_image(1), make_image(1)
        oci.push(NAME, image)
        oci.push(NAME, other)
        url, nobody = self.url(ecr, image.config.digest), OciCaller(app, None)
        for changed in (
            url.replace(image.config.digest, other.config.digest),
            url.replace(ACCOUNT, STRANGER),
            url.replace(NAME, "team/apq"),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.replace("3600", "9999"),
            url.partition("?")[0],
            url + "&a=b",
            "/_layers/",
            "/_layers/x?a=b&c=d&e=f&g=h",
            "/_layers/" + "\u00e9" * 100,
            "/_layers/../../etc/passwd?a=b&c=d&e=f&g=h",
        ):
            message = nobody.refused(403, "DENIED", "GET", changed)
            assert message == "The link is not valid."

    def test_of_another_installation(self, elsewhere: App, ecr: Any, oci: OciCaller) -> None:
        image = make_image(1)
        oci.push(NAME, image)
        url = self.url(ecr, image.config.digest)
        OciCaller(elsewhere, None).refused(403, "DENIED", "GET", url)

    def test_when_the_layer_is_gone(self, app: App, ecr: Any, oci: OciCaller) -> None:
        image = make_image(1)
        oci.push(NAME, image)
        url, nobody = self.url(ecr, image.config.digest), OciCaller(app, None)
        ecr.delete_repository(repositoryName=NAME, force=True)
        nobody.refused(404, "NAME_UNKNOWN", "GET", url)
        ecr.create_repository(repositoryName=NAME)
        nobody.refused(404, "BLOB_UNKNOWN", "GET", url)

    def test_a_layer_that_is_not_there(self, ecr: Any, oci: OciCaller) -> None:
        ecr.create_repository(repositoryName="other")
        for digest in (oci.push_blob("other", b"abc"), "sha256:00", "md5:00"):
            call = refusal(ecr.get_download_url_for_layer, repositoryName=NAME, layerDigest=digest)
            assert call == no_layer(digest)

    def test_a_layer_that_no_image_names(self, ecr: Any, oci: OciCaller) -> None:
        digest = oci.push_blob(NAME, b"abc")
        call = refusal(ecr.get_download_url_for_layer, repositoryName=NAME, layerDigest=digest)
        assert call == (
            "LayerInaccessibleException",
            f"The layer with digest '{digest}' in the repository with name '{NAME}' in the "
            f"registry with id '{ACCOUNT}' is not associated with an image",
        )

    def test_a_missing_repository(self, ecr: Any) -> None:
        call = refusal(
            ecr.get_download_url_for_layer, repositoryName="missing", layerDigest="sha256:00"
        )
        assert call == NO_REPOSITORY

    def test_what_is_no_digest(self, ecr: Any) -> None:
        call = refusal(ecr.get_download_url_for_layer, repositoryName=NAME, layerDigest="abc")
        assert call == (
            "InvalidParameterException",
            "Invalid parameter at 'layerDigest' failed to satisfy constraint: 'must satisfy "
            "regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''",
        )
