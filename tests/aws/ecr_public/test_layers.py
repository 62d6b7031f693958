"""The layer operations: a whole push by them, and what is particular to public registries.

They are the functions of the private service; its own tests try them case by case. Sources: the
service model (``RegistryIdOrAlias``, RegistryNotFoundException); texts as in private registries.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.aws.ecr_public.answers import constraint, members, not_found
from tests.support.app import ACCOUNT, App
from tests.support.images import Image, make_image, sha256
from tests.support.refusals import refusal

MIB = 1024 * 1024
UPLOAD = "11111111-2222-3333-4444-555555555555"


def start(public: Any, repository: str) -> str:
    return str(public.initiate_layer_upload(repositoryName=repository)["uploadId"])


def upload(public: Any, repository: str, data: bytes, **registry: str) -> str:
    """Upload a layer in one part and return its digest."""
    upload_id = public.initiate_layer_upload(repositoryName=repository, **registry)["uploadId"]
    public.upload_layer_part(
        repositoryName=repository,
        uploadId=upload_id,
        partFirstByte=0,
        partLastByte=len(data) - 1,
        layerPartBlob=data,
        **registry,
    )
    answer = public.complete_layer_upload(
        repositoryName=repository, uploadId=upload_id, layerDigests=[sha256(data)], **registry
    )
    return str(answer["layerDigest"])


def put(public: Any, repository: str, image: Image, **registry: str) -> dict[str, Any]:
    """Push an image by the API alone and return PutImage's answer."""
    for blob in image.blobs:
        upload(public, repository, blob.data, **registry)
    answer = public.put_image(
        repositoryName=repository,
        imageManifest=image.manifest.data.decode(),
        imageTag="1",
        **registry,
    )
    return dict(answer)


def test_an_upload(public: Any, repository: str) -> None:
    parts = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"c"]
    whole = b"".join(parts)
    answer = members(public.initiate_layer_upload(repositoryName=repository))
    upload_id = answer.pop("uploadId")
    assert answer == {"partSize": 10 * MIB}
    first = 0
    for part in parts:
        last = first + len(part) - 1
        answer = public.upload_layer_part(
            repositoryName=repository,
            uploadId=upload_id,
            partFirstByte=first,
            partLastByte=last,
            layerPartBlob=part,
        )
        assert members(answer) == {
            "registryId": ACCOUNT,
            "repositoryName": repository,
            "uploadId": upload_id,
            "lastByteReceived": last,
        }
        first = last + 1
    answer = public.complete_layer_upload(
        repositoryName=repository, uploadId=upload_id, layerDigests=[sha256(whole)]
    )
    assert members(answer) == {
        "registryId": ACCOUNT,
        "repositoryName": repository,
        "uploadId": upload_id,
        "layerDigest": sha256(whole),
    }
    answer = public.batch_check_layer_availability(
        repositoryName=repository, layerDigests=[sha256(whole), sha256(b""), "x"]
    )
    assert members(answer) == {
        "layers": [
            {
                "layerDigest": sha256(whole),
                "layerAvailability": "AVAILABLE",
                "layerSize": len(whole),
            },
            {"layerDigest": sha256(b""), "layerAvailability": "UNAVAILABLE"},
        ],
        "failures": [
            {
                "layerDigest": "x",
                "failureCode": "InvalidLayerDigest",
                "failureReason": "Invalid request parameters: layer digest should satisfy the "
                "regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            }
        ],
    }


def test_the_registry_by_its_id_and_by_its_alias(public: Any, alias: str, repository: str) -> None:
    for registry in (ACCOUNT, alias):
        image = make_image()
        answer = put(public, repository, image, registryId=registry)
        assert answer["image"]["registryId"] == ACCOUNT
        found = public.batch_check_layer_availability(
            registryId=registry,
            repositoryName=repository,
            layerDigests=[blob.digest for blob in image.blobs],
        )["layers"]
        assert [layer["layerAvailability"] for layer in found] == ["AVAILABLE"] * len(found)
        deleted = public.batch_delete_image(
            registryId=registry, repositoryName=repository, imageIds=[{"imageTag": "1"}]
        )
        assert deleted["failures"] == []


@pytest.mark.parametrize(
    ("operation", "given"),
    [
        ("batch_check_layer_availability", {"layerDigests": [sha256(b"")]}),
        ("initiate_layer_upload", {}),
        (
            "upload_layer_part",
            {
                "uploadId": UPLOAD,
                "partFirstByte": 0,
                "partLastByte": 0,
                "layerPartBlob": b"x",
            },
        ),
        ("complete_layer_upload", {"uploadId": UPLOAD, "layerDigests": [sha256(b"")]}),
        ("put_image", {"imageManifest": "{}"}),
    ],
)
@pytest.mark.parametrize("registry", ["nobody", "Nobody", "12345678901", "1234567890123", "a b"])
def test_an_alias_that_names_no_registry(
    public: Any, repository: str, operation: str, given: dict[str, Any], registry: str
) -> None:
    call = getattr(public, operation)
    assert refusal(call, registryId=registry, repositoryName=repository, **given) == (
        "RegistryNotFoundException",
        f"The registry with id '{registry}' does not exist",
    )


def test_an_alias_is_good_for_layers_and_images_alone(
    public: Any, alias: str, repository: str
) -> None:
    assert refusal(
        public.describe_images, registryId=alias, repositoryName=repository
    ) == constraint("registryId", "must satisfy regular expression '[0-9]{12}'")


def test_no_such_upload(public: Any, repository: str) -> None:
    missing = (
        "UploadNotFoundException",
        f"The upload with id '{UPLOAD}' does not exist within the repository with name "
        f"'{repository}' in the registry with id '{ACCOUNT}'",
    )
    assert missing == refusal(
        public.upload_layer_part,
        repositoryName=repository,
        uploadId=UPLOAD,
        partFirstByte=0,
        partLastByte=0,
        layerPartBlob=b"x",
    )
    assert missing == refusal(
        public.complete_layer_upload,
        repositoryName=repository,
        uploadId=UPLOAD,
        layerDigests=[sha256(b"x")],
    )


def test_an_upload_is_its_registrys_own(app: App, public: Any, repository: str) -> None:
    ecr = app.ecr()
    ecr.create_repository(repositoryName=repository)
    code, _ = refusal(
        ecr.complete_layer_upload,
        repositoryName=repository,
        uploadId=start(public, repository),
        layerDigests=[sha256(b"x")],
    )
    assert code == "UploadNotFoundException"


def test_a_part_out_of_place(public: Any, repository: str) -> None:
    upload_id = start(public, repository)
    given = {"repositoryName": repository, "uploadId": upload_id, "layerPartBlob": b"xy"}
    public.upload_layer_part(**given, partFirstByte=0, partLastByte=1)
    exception = public.exceptions.InvalidLayerPartException
    for bounds in ((0, 1), (3, 4), (2, 4)):
        with pytest.raises(exception) as refused:
            public.upload_layer_part(**given, partFirstByte=bounds[0], partLastByte=bounds[1])
        assert {
            name: refused.value.response[name]
            for name in ("registryId", "repositoryName", "uploadId", "lastValidByteReceived")
        } == {
            "registryId": ACCOUNT,
            "repositoryName": repository,
            "uploadId": upload_id,
            "lastValidByteReceived": 1,
        }
    public.upload_layer_part(**given, partFirstByte=2, partLastByte=3)


def test_ends_that_are_none(public: Any, repository: str) -> None:
    def complete(upload_id: str, data: bytes) -> tuple[str, str]:
        return refusal(
            public.complete_layer_upload,
            repositoryName=repository,
            uploadId=upload_id,
            layerDigests=[sha256(data)],
        )

    def uploaded(*parts: bytes) -> str:
        upload_id = start(public, repository)
        first = 0
        for part in parts:
            public.upload_layer_part(
                repositoryName=repository,
                uploadId=upload_id,
                partFirstByte=first,
                partLastByte=first + len(part) - 1,
                layerPartBlob=part,
            )
            first += len(part)
        return upload_id

    assert complete(uploaded(), b"") == (
        "EmptyUploadException",
        "The specified layer upload does not contain any layer parts.",
    )
    assert complete(uploaded(b"x"), b"y") == (
        "InvalidLayerException",
        "None of the provided layer digests match the calculated layer digest",
    )
    assert complete(uploaded(b"x", b"y"), b"xy") == (
        "LayerPartTooSmallException",
        "Layer parts must be at least 5 MiB in size.",
    )
    digest = upload(public, repository, b"z")
    assert complete(uploaded(b"z"), b"z") == (
        "LayerAlreadyExistsException",
        f"The layer with digest '{digest}' already exists within the repository with name "
        f"'{repository}' in the registry with id '{ACCOUNT}'",
    )


def test_limits(public: Any, repository: str) -> None:
    digests = [sha256(b"%d" % number) for number in range(101)]
    assert refusal(
        public.batch_check_layer_availability, repositoryName=repository, layerDigests=digests
    ) == constraint("layerDigests", "Member must have length less than or equal to 100")
    refused = refusal(
        public.upload_layer_part,
        repositoryName=repository,
        uploadId=start(public, repository),
        partFirstByte=0,
        partLastByte=20 * MIB,
        layerPartBlob=b"x" * (20 * MIB + 1),
    )
    assert refused == constraint(
        "layerPartBlob", f"Member must have length less than or equal to {20 * MIB}"
    )


def test_another_repository_of_the_registry(public: Any, repository: str) -> None:
    digest = upload(public, repository, b"x")
    public.create_repository(repositoryName="other")
    (layer,) = public.batch_check_layer_availability(repositoryName="other", layerDigests=[digest])[
        "layers"
    ]
    assert layer["layerAvailability"] == "UNAVAILABLE"
    assert refusal(
        public.batch_check_layer_availability, repositoryName="third", layerDigests=[digest]
    ) == not_found("third", ACCOUNT)
