"""ListImageReferrers.

Sources: API reference (defaults, limits, filters); that the members are those of the OCI
referrers list (OCI distribution specification 1.1) is read from their names.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app import ACCOUNT, OciCaller, json_blob
from tests.support.images import OCI_MANIFEST, Blob, Image, make_image
from tests.support.refusals import refusal

NAME = "team/app"
SIGNATURE = "application/vnd.example.signature"
SBOM = "application/vnd.example.sbom"


def attach(
    oci: OciCaller, subject: Blob, artifact_type: str, number: int = 0, **members: Any
) -> Blob:
    """Push an artifact that refers to *subject*."""
    config = Blob("application/vnd.oci.empty.v1+json", b"{}")
    oci.push_blob(NAME, config.data)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": config.descriptor(),
        "layers": [config.descriptor()],
        "subject": subject.descriptor(),
        "annotations": {"number": str(number)},
        **members,
    }
    artifact = json_blob(OCI_MANIFEST, manifest)
    oci.push(NAME, artifact)
    return artifact


def listed(ecr: Any, subject: Blob, **params: Any) -> list[str]:
    answer = ecr.list_image_referrers(
        repositoryName=NAME, subjectId={"imageDigest": subject.digest}, **params
    )
    return [referrer["digest"] for referrer in answer["referrers"]]


@pytest.fixture
def image(ecr: Any, oci: OciCaller) -> Image:
    ecr.create_repository(repositoryName=NAME)
    made = make_image(layers=1)
    oci.push(NAME, made, "v1")
    return made


def test_each_member(ecr: Any, oci: OciCaller, image: Image) -> None:
    artifact = attach(oci, image.manifest, SIGNATURE, annotations={"by": "a test"})
    answer = ecr.list_image_referrers(
        registryId=ACCOUNT,
        repositoryName=NAME,
        subjectId={"imageDigest": image.manifest.digest},
        maxResults=50,
    )
    answer.pop("ResponseMetadata")
    assert answer == {
        "referrers": [
            {
                "digest": artifact.digest,
                "mediaType": OCI_MANIFEST,
                "artifactType": SIGNATURE,
                "size": len(artifact.data),
                "annotations": {"by": "a test"},
                "artifactStatus": "ACTIVE",
            }
        ]
    }


def test_no_annotations(ecr: Any, oci: OciCaller, image: Image) -> None:
    attach(oci, image.manifest, SIGNATURE, annotations={})
    (referrer,) = ecr.list_image_referrers(
        repositoryName=NAME, subjectId={"imageDigest": image.manifest.digest}
    )["referrers"]
    assert "annotations" not in referrer


def test_none(ecr: Any, oci: OciCaller, image: Image) -> None:
    assert listed(ecr, image.manifest) == []
    # The subject need not be there: the operation has no error for that.
    assert listed(ecr, make_image().manifest) == []


def test_filters(ecr: Any, oci: OciCaller, image: Image) -> None:
    signature = attach(oci, image.manifest, SIGNATURE).digest
    sbom = attach(oci, image.manifest, SBOM).digest
    archived = attach(oci, image.manifest, SBOM, number=2).digest
    ecr.update_image_storage_class(
        repositoryName=NAME, imageId={"imageDigest": archived}, targetStorageClass="ARCHIVE"
    )
    for given, expected in (
        ({}, [signature, sbom]),
        ({"artifactTypes": []}, [signature, sbom]),
        ({"artifactTypes": [SBOM]}, [sbom]),
        ({"artifactTypes": [SBOM, SIGNATURE]}, [signature, sbom]),
        ({"artifactTypes": ["text/other"]}, []),
        ({"artifactStatus": "ACTIVE"}, [signature, sbom]),
        ({"artifactStatus": "ARCHIVED"}, [archived]),
        ({"artifactStatus": "ACTIVATING"}, []),
        ({"artifactStatus": "ANY"}, [signature, sbom, archived]),
        ({"artifactTypes": [SBOM], "artifactStatus": "ANY"}, [sbom, archived]),
    ):
        assert listed(ecr, image.manifest, filter=given) == expected, given


def test_pages(ecr: Any, oci: OciCaller, image: Image) -> None:
    pushed = [attach(oci, image.manifest, SIGNATURE, number).digest for number in range(23)]
    call = {"repositoryName": NAME, "subjectId": {"imageDigest": image.manifest.digest}}
    first = ecr.list_image_referrers(**call)
    assert [item["digest"] for item in first["referrers"]] == pushed[:20]
    rest = ecr.list_image_referrers(**call, nextToken=first["nextToken"], maxResults=3)
    assert [item["digest"] for item in rest["referrers"]] == pushed[20:]
    assert "nextToken" not in rest
    # A token is good for no other listing.
    assert refusal(
        ecr.list_image_referrers,
        **call,
        nextToken=first["nextToken"],
        filter={"artifactStatus": "ANY"},
    ) == (
        "InvalidParameterException",
        "Invalid parameter at 'NextToken' failed to satisfy constraint: "
        "'Invalid next token provided'",
    )


def test_a_repository_lists_its_own(ecr: Any, oci: OciCaller, image: Image) -> None:
    attach(oci, image.manifest, SIGNATURE)
    ecr.create_repository(repositoryName="another")
    answer = ecr.list_image_referrers(
        repositoryName="another", subjectId={"imageDigest": image.manifest.digest}
    )
    assert answer["referrers"] == []


@pytest.mark.parametrize(
    ("repository", "digest", "answer"),
    [
        (
            "missing",
            "sha256:" + 64 * "0",
            (
                "RepositoryNotFoundException",
                "The repository with name 'missing' does not exist in the registry with id "
                f"'{ACCOUNT}'",
            ),
        ),
        (
            NAME,
            "latest",
            (
                "InvalidParameterException",
                "Invalid parameter at 'imageDigest' failed to satisfy constraint: 'must satisfy "
                "regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''",
            ),
        ),
    ],
)
def test_refusals(
    ecr: Any, image: Image, repository: str, digest: str, answer: tuple[str, str]
) -> None:
    call = {"repositoryName": repository, "subjectId": {"imageDigest": digest}}
    assert refusal(ecr.list_image_referrers, **call) == answer


def test_no_more_than_fifty_on_a_page(ecr: Any, image: Image) -> None:
    call = {"repositoryName": NAME, "subjectId": {"imageDigest": image.manifest.digest}}
    code, message = refusal(ecr.list_image_referrers, **call, maxResults=51)
    assert code == "ValidationException"
    assert "less than or equal to 50" in message
