"""boto3: the operations one after another, as a program would use them."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients.caller import Caller
from tests.support.images import OCI_INDEX, OCI_MANIFEST, Blob, make_image, make_index, sha256
from tests.support.server import ServerProcess

POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "read",
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::210987654321:root"},
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        }
    ],
}


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    """Return the code and the message of a refused call."""
    details = error.value.response["Error"]
    return details["Code"], details["Message"]


def test_repositories(caller: Caller) -> None:
    ecr = caller.ecr
    made = ecr.create_repository(
        repositoryName="team/app",
        tags=[{"Key": "owner", "Value": "me"}],
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        encryptionConfiguration={"encryptionType": "AES256"},
    )["repository"]
    arn = f"arn:aws:ecr:us-east-1:{caller.account}:repository/team/app"
    assert made["repositoryArn"] == arn
    assert made["registryId"] == caller.account
    assert made["repositoryUri"] == f"{caller.registry}/team/app"
    assert made["imageTagMutability"] == "IMMUTABLE"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["encryptionConfiguration"] == {"encryptionType": "AES256"}
    assert made["createdAt"].tzinfo is not None

    with pytest.raises(ecr.exceptions.RepositoryAlreadyExistsException) as refused:
        ecr.create_repository(repositoryName="team/app")
    assert refusal(refused)[1] == (
        f"The repository with name 'team/app' already exists in the registry with id"
        f" '{caller.account}'"
    )
    assert ecr.describe_repositories()["repositories"] == [made]

    filters = [{"filterType": "WILDCARD", "filter": "dev*"}]
    for mode, extra in [
        ("MUTABLE", {}),
        ("IMMUTABLE_WITH_EXCLUSION", {"imageTagMutabilityExclusionFilters": filters}),
        ("MUTABLE_WITH_EXCLUSION", {"imageTagMutabilityExclusionFilters": filters}),
        ("IMMUTABLE", {}),
    ]:
        answer = ecr.put_image_tag_mutability(
            repositoryName="team/app", imageTagMutability=mode, **extra
        )
        assert answer["imageTagMutability"] == mode
        (found,) = ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
        assert found["imageTagMutability"] == mode
        assert found.get("imageTagMutabilityExclusionFilters") == (filters if extra else None)

    answer = ecr.put_image_scanning_configuration(
        repositoryName="team/app", imageScanningConfiguration={"scanOnPush": False}
    )
    assert answer["imageScanningConfiguration"] == {"scanOnPush": False}

    caller.put_image("team/app", make_image(), "1")
    with pytest.raises(ecr.exceptions.RepositoryNotEmptyException):
        ecr.delete_repository(repositoryName="team/app")
    gone = ecr.delete_repository(repositoryName="team/app", force=True)["repository"]
    assert gone["repositoryArn"] == arn
    with pytest.raises(ecr.exceptions.RepositoryNotFoundException):
        ecr.describe_repositories(repositoryNames=["team/app"])
    assert ecr.describe_repositories()["repositories"] == []


def test_resource_tags_and_policy(caller: Caller) -> None:
    ecr = caller.ecr
    caller.create_repository("tagged", tags=[{"Key": "a", "Value": "1"}])
    arn = f"arn:aws:ecr:us-east-1:{caller.account}:repository/tagged"
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "2"}, {"Key": "b", "Value": ""}])
    tags = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"a": "2", "b": ""}
    ecr.untag_resource(resourceArn=arn, tagKeys=["a", "unknown"])
    assert ecr.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "b", "Value": ""}]

    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException):
        ecr.get_repository_policy(repositoryName="tagged")
    ecr.set_repository_policy(repositoryName="tagged", policyText=json.dumps(POLICY))
    answer = ecr.get_repository_policy(repositoryName="tagged")
    assert json.loads(answer["policyText"]) == POLICY
    with pytest.raises(ecr.exceptions.InvalidParameterException) as refused:
        ecr.set_repository_policy(repositoryName="tagged", policyText="{}")
    assert "Invalid repository policy provided" in refusal(refused)[1]
    answer = ecr.delete_repository_policy(repositoryName="tagged")
    assert json.loads(answer["policyText"]) == POLICY
    with pytest.raises(ecr.exceptions.RepositoryPolicyNotFoundException):
        ecr.delete_repository_policy(repositoryName="tagged")


def test_layers(caller: Caller) -> None:
    ecr = caller.ecr
    caller.create_repository("layers")
    data = os.urandom(12 * 1024**2)
    digest = sha256(data)
    assert caller.upload_layer("layers", data) == digest

    absent = sha256(b"absent " + os.urandom(8))
    answer = ecr.batch_check_layer_availability(
        repositoryName="layers", layerDigests=[digest, absent, "nonsense"]
    )
    known = {layer["layerDigest"]: layer for layer in answer["layers"]}
    assert known[digest]["layerAvailability"] == "AVAILABLE"
    assert known[digest]["layerSize"] == len(data)
    assert known[absent]["layerAvailability"] == "UNAVAILABLE"
    (failure,) = answer["failures"]
    assert (failure["layerDigest"], failure["failureCode"]) == ("nonsense", "InvalidLayerDigest")

    with pytest.raises(ecr.exceptions.LayerInaccessibleException):
        ecr.get_download_url_for_layer(repositoryName="layers", layerDigest=digest)
    image = make_image(layers=1)
    manifest = json.loads(image.manifest.data)
    manifest["layers"][0] |= {"digest": digest, "size": len(data)}
    caller.upload_layer("layers", image.config.data)
    ecr.put_image(repositoryName="layers", imageManifest=json.dumps(manifest), imageTag="1")
    url = ecr.get_download_url_for_layer(repositoryName="layers", layerDigest=digest)
    # As a program does it: no header, no credentials; the address alone.
    with urllib.request.urlopen(url["downloadUrl"]) as response:
        assert response.read() == data


def test_layer_uploads_that_are_refused(caller: Caller) -> None:
    ecr = caller.ecr
    caller.create_repository("parts")

    def start() -> str:
        return str(ecr.initiate_layer_upload(repositoryName="parts")["uploadId"])

    def part(upload: str, first: int, data: bytes) -> None:
        ecr.upload_layer_part(
            repositoryName="parts",
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(data) - 1,
            layerPartBlob=data,
        )

    def complete(upload: str, digest: str) -> None:
        ecr.complete_layer_upload(repositoryName="parts", uploadId=upload, layerDigests=[digest])

    with pytest.raises(ecr.exceptions.EmptyUploadException):
        complete(start(), sha256(b""))
    upload = start()
    part(upload, 0, b"0123456789")
    with pytest.raises(ecr.exceptions.InvalidLayerPartException) as refused:
        part(upload, 11, b"gap")
    assert refused.value.response["lastValidByteReceived"] == 9
    with pytest.raises(ecr.exceptions.InvalidLayerException):
        complete(upload, sha256(b"something else"))
    complete(upload, sha256(b"0123456789"))
    with pytest.raises(ecr.exceptions.UploadNotFoundException):
        complete(upload, sha256(b"0123456789"))
    upload = start()
    part(upload, 0, b"0123456789")
    with pytest.raises(ecr.exceptions.LayerAlreadyExistsException):
        complete(upload, sha256(b"0123456789"))
    upload = start()
    part(upload, 0, b"small")
    part(upload, 5, b" parts")
    with pytest.raises(ecr.exceptions.LayerPartTooSmallException):
        complete(upload, sha256(b"small parts"))


def test_images(caller: Caller) -> None:
    ecr = caller.ecr
    caller.create_repository("images")
    image = make_image(layers=2)
    digest = caller.put_image("images", image, "one")
    text = image.manifest.data.decode()

    def put(**more: Any) -> Any:
        arguments = {"imageManifest": text, "imageManifestMediaType": OCI_MANIFEST}
        return ecr.put_image(repositoryName="images", **{**arguments, **more})["image"]

    assert put(imageTag="two")["imageId"] == {"imageDigest": digest, "imageTag": "two"}
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        put(imageTag="two")
    with pytest.raises(ecr.exceptions.ImageDigestDoesNotMatchException):
        put(imageTag="three", imageDigest=sha256(b"other"))
    with pytest.raises(ecr.exceptions.LayersNotFoundException):
        put(imageManifest=make_image().manifest.data.decode())
    index = make_index([make_image()])
    with pytest.raises(ecr.exceptions.ReferencedImagesNotFoundException):
        put(imageManifest=index.manifest.data.decode(), imageManifestMediaType=OCI_INDEX)

    details = caller.describe_image("images", imageTag="one")
    assert sorted(details["imageTags"]) == ["one", "two"]
    assert details["imageSizeInBytes"] == image.size
    assert details["imageManifestMediaType"] == OCI_MANIFEST
    assert details["artifactMediaType"] == image.config.media_type

    answer = ecr.batch_get_image(
        repositoryName="images",
        imageIds=[{"imageTag": "one"}, {"imageTag": "absent"}, {"imageDigest": digest}],
        acceptedMediaTypes=[OCI_MANIFEST],
    )
    assert {found["imageManifest"] for found in answer["images"]} == {text}
    (failure,) = answer["failures"]
    assert failure == {
        "imageId": {"imageTag": "absent"},
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }

    # A tag that moves leaves the image that had it untagged.
    other = make_image()
    moved = caller.put_image("images", other, "one")
    ecr.batch_delete_image(repositoryName="images", imageIds=[{"imageTag": "two"}])
    with pytest.raises(ecr.exceptions.ImageNotFoundException):
        caller.describe_image("images", imageDigest=digest)
    assert ecr.list_images(repositoryName="images")["imageIds"] == [
        {"imageDigest": moved, "imageTag": "one"}
    ]

    caller.put_image("images", make_image(), "one")
    untagged = ecr.list_images(repositoryName="images", filter={"tagStatus": "UNTAGGED"})
    assert untagged["imageIds"] == [{"imageDigest": moved}]
    tagged = ecr.describe_images(repositoryName="images", filter={"tagStatus": "TAGGED"})
    assert [found["imageTags"] for found in tagged["imageDetails"]] == [["one"]]
    answer = ecr.batch_delete_image(
        repositoryName="images", imageIds=[{"imageDigest": moved}, {"imageTag": "absent"}]
    )
    assert answer["imageIds"] == [{"imageDigest": moved}]
    assert [failure["failureCode"] for failure in answer["failures"]] == ["ImageNotFound"]


def test_image_of_an_index_cannot_be_deleted(caller: Caller) -> None:
    caller.create_repository("index")
    image = make_image()
    index = make_index([image])
    caller.oci().push("index", index, "all")
    child = {"imageDigest": image.manifest.digest}
    answer = caller.ecr.batch_delete_image(repositoryName="index", imageIds=[child])
    assert answer["failures"] == [
        {
            "imageId": child,
            "failureCode": "ImageReferencedByManifestList",
            "failureReason": "Requested image referenced by manifest list: "
            f"[{index.manifest.digest}]",
        }
    ]
    caller.ecr.batch_delete_image(repositoryName="index", imageIds=[{"imageTag": "all"}])
    answer = caller.ecr.batch_delete_image(repositoryName="index", imageIds=[child])
    assert answer["imageIds"] == [child]


def test_paginators(caller: Caller) -> None:
    ecr = caller.ecr
    names = [f"paged/{number:02}" for number in range(7)]
    for name in names:
        caller.create_repository(name)
    pages = list(
        ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
    )
    assert [len(page["repositories"]) for page in pages] == [3, 3, 1]
    found = [item["repositoryName"] for page in pages for item in page["repositories"]]
    assert sorted(found) == names

    oci = caller.oci()
    base = make_image(layers=1)
    pushed = {}
    for number in range(5):
        body = json.loads(base.manifest.data) | {"annotations": {"number": str(number)}}
        if number == 0:
            for blob in base.blobs:
                oci.push_blob(names[0], blob.data)
        manifest = Blob(OCI_MANIFEST, json.dumps(body).encode())
        oci.put_manifest(names[0], f"t{number}", manifest)
        pushed[f"t{number}"] = manifest.digest
    for operation, key in [("list_images", "imageIds"), ("describe_images", "imageDetails")]:
        paginator = ecr.get_paginator(operation)
        pages = list(paginator.paginate(repositoryName=names[0], PaginationConfig={"PageSize": 2}))
        assert [len(page[key]) for page in pages] == [2, 2, 1]
        digests = [item["imageDigest"] for page in pages for item in page[key]]
        assert sorted(digests) == sorted(pushed.values())


def test_account_settings(caller: Caller) -> None:
    answer = caller.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    assert (answer["name"], answer["value"]) == ("BLOB_MOUNTING", "ENABLED")
    assert caller.ecr.get_account_setting(name="BLOB_MOUNTING")["value"] == "ENABLED"


def test_identity(caller: Caller) -> None:
    identity = caller.client("sts").get_caller_identity()
    assert identity["Account"] == caller.account
    assert identity["Arn"].startswith(f"arn:aws:iam::{caller.account}:")


@pytest.mark.parametrize("service", ["ecr", "sts"])
def test_wrong_secret(server: ServerProcess, tmp_path: Path, service: str) -> None:
    stranger = Caller(server.url, tmp_path, secret="guessed").client(service)
    with pytest.raises(ClientError) as refused:
        stranger.describe_repositories() if service == "ecr" else stranger.get_caller_identity()
    code, message = refusal(refused)
    # JSON services and the Query protocol name the same refusal differently.
    assert code == {"ecr": "InvalidSignatureException", "sts": "SignatureDoesNotMatch"}[service]
    assert message.startswith(
        "The request signature we calculated does not match the signature you provided."
    )


def test_unknown_access_key(server: ServerProcess, tmp_path: Path) -> None:
    with pytest.raises(ClientError) as refused:
        Caller(server.url, tmp_path, account="AKIAUNKNOWNUNKNOWN00").ecr.describe_repositories()
    assert refusal(refused) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )
