"""Referrers (OCI distribution specification 1.1, "Listing Referrers")."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ecr_emulator.oci import referrers
from tests.support.app import ACCOUNT, App, OciCaller, json_blob
from tests.support.images import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, Blob, Image, make_image

ABSENT = "sha256:" + "0" * 64
SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.example.signature"


@pytest.fixture
def image(oci: OciCaller, repository: str) -> Image:
    made = make_image(1)
    oci.push(repository, made)
    return made


def artifact(image: Image, number: int, subject: str = "", **members: Any) -> Blob:
    """Return an artifact's manifest; *number* makes it different from the others."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SBOM,
        "config": image.config.descriptor(),
        "layers": [],
        "subject": {
            "mediaType": OCI_MANIFEST,
            "digest": subject or image.manifest.digest,
            "size": 1,
        },
        "annotations": {"number": str(number)},
        **members,
    }
    return json_blob(
        document["mediaType"], {name: value for name, value in document.items() if value is not ...}
    )


def listing(oci: OciCaller, repository: str, subject: str, query: str = "") -> Any:
    response = oci.expect(200, "GET", f"/v2/{repository}/referrers/{subject}{query}")
    assert response.content_type == OCI_INDEX
    document = response.get_json(force=True)
    assert document["schemaVersion"] == 2
    assert document["mediaType"] == OCI_INDEX
    assert document.keys() == {"schemaVersion", "mediaType", "manifests"}
    return response, document["manifests"]


def test_none(oci: OciCaller, repository: str, image: Image) -> None:
    """Also of a subject that is not there."""
    for subject in (image.manifest.digest, ABSENT, "sha512:" + "0" * 128):
        response, manifests = listing(oci, repository, subject)
        assert manifests == []
        assert "Link" not in response.headers
        assert "OCI-Filters-Applied" not in response.headers


def test_descriptors(oci: OciCaller, repository: str, image: Image) -> None:
    sbom = artifact(image, 1)
    by_config = artifact(image, 2, artifactType=..., annotations=...)
    index = artifact(image, 3, mediaType=OCI_INDEX, manifests=[], config=..., layers=...)
    plain_index = artifact(
        image, 4, mediaType=OCI_INDEX, manifests=[], config=..., layers=..., artifactType=...
    )
    for manifest in (sbom, by_config, index, plain_index):
        oci.push(repository, manifest)
    _, manifests = listing(oci, repository, image.manifest.digest)
    assert manifests == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": sbom.digest,
            "size": len(sbom.data),
            "artifactType": SBOM,
            "annotations": {"number": "1"},
        },
        {
            "mediaType": OCI_MANIFEST,
            "digest": by_config.digest,
            "size": len(by_config.data),
            "artifactType": OCI_CONFIG,
        },
        {
            "mediaType": OCI_INDEX,
            "digest": index.digest,
            "size": len(index.data),
            "artifactType": SBOM,
            "annotations": {"number": "3"},
        },
        {
            "mediaType": OCI_INDEX,
            "digest": plain_index.digest,
            "size": len(plain_index.data),
            "annotations": {"number": "4"},
        },
    ]


def test_before_their_subject_comes(oci: OciCaller, repository: str, image: Image) -> None:
    subject = make_image(1)
    early = artifact(image, 1, subject.manifest.digest)
    oci.push(repository, early)
    oci.push(repository, subject)
    _, manifests = listing(oci, repository, subject.manifest.digest)
    assert [found["digest"] for found in manifests] == [early.digest]


def test_of_a_type(oci: OciCaller, repository: str, image: Image) -> None:
    sbom, signature = artifact(image, 1), artifact(image, 2, artifactType=SIGNATURE)
    for manifest in (sbom, signature):
        oci.push(repository, manifest)
    for artifact_type, expected in [
        ("application/spdx%2Bjson", [sbom.digest]),
        (SIGNATURE, [signature.digest]),
        ("application/other", []),
    ]:
        query = f"?artifactType={artifact_type}"
        response, manifests = listing(oci, repository, image.manifest.digest, query)
        assert [found["digest"] for found in manifests] == expected
        assert response.headers["OCI-Filters-Applied"] == "artifactType"
    response, manifests = listing(oci, repository, image.manifest.digest, "?artifactType=")
    assert len(manifests) == 2
    assert "OCI-Filters-Applied" not in response.headers


def test_of_one_repository(oci: OciCaller, ecr: Any, repository: str, image: Image) -> None:
    ecr.create_repository(repositoryName="other")
    oci.push(repository, artifact(image, 1))
    oci.push("other", image)
    assert listing(oci, "other", image.manifest.digest)[1] == []


def test_a_deleted_one_is_gone(oci: OciCaller, repository: str, image: Image) -> None:
    sbom = artifact(image, 1)
    oci.push(repository, sbom)
    oci.expect(202, "DELETE", f"/v2/{repository}/manifests/{sbom.digest}")
    assert listing(oci, repository, image.manifest.digest)[1] == []


def walk(oci: OciCaller, target: str | None) -> list[list[str]]:
    """Return the digests on each page of a listing."""
    pages = []
    while target is not None:
        response = oci.expect(200, "GET", target)
        manifests = response.get_json(force=True)["manifests"]
        pages.append([found["digest"] for found in manifests])
        match = re.fullmatch(r'<([^<>]+)>; rel="next"', response.headers.get("Link", ""))
        target = match.group(1) if match else None
    return pages


@pytest.mark.parametrize("query", ["", "?artifactType=application/spdx%2Bjson"])
def test_by_pages(
    oci: OciCaller,
    repository: str,
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
    query: str,
) -> None:
    monkeypatch.setattr(referrers, "_PAGE", 2)
    manifests = [artifact(image, number) for number in range(5)]
    for manifest in manifests:
        oci.push(repository, manifest)
        oci.push(repository, artifact(image, -1, artifactType=SIGNATURE, annotations=...))
    pages = walk(oci, f"/v2/{repository}/referrers/{image.manifest.digest}{query}")
    found = [digest for page in pages for digest in page]
    assert [len(page) for page in pages] == ([2, 2, 1] if query else [2, 2, 2])
    assert [digest for digest in found if digest in {one.digest for one in manifests}] == [
        one.digest for one in manifests
    ]
    assert len(set(found)) == len(found)


def test_pages_of_large_manifests(oci: OciCaller, repository: str, image: Image) -> None:
    """However many there are, an answer holds no more than about a manifest's largest size."""
    large = {"large": "x" * 3_000_000}
    manifests = [
        artifact(image, number, annotations={**large, "number": "x" * number})
        for number in range(3)
    ]
    small = artifact(image, 9)
    for manifest in (*manifests, small):
        oci.push(repository, manifest)
    path = f"/v2/{repository}/referrers/{image.manifest.digest}"
    digests = [one.digest for one in manifests]
    assert walk(oci, path) == [digests[:1], digests[1:2], [digests[2], small.digest]]


def test_a_position_is_for_its_listing(
    app: App,
    elsewhere: App,
    oci: OciCaller,
    repository: str,
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(referrers, "_PAGE", 1)
    for number in range(2):
        oci.push(repository, artifact(image, number))
    path = f"/v2/{repository}/referrers/{image.manifest.digest}"
    link = oci.expect(200, "GET", path).headers["Link"]
    target = link.partition("<")[2].partition(">")[0]
    oci.expect(200, "GET", target)
    for changed in (
        target + "&artifactType=a",
        target.replace(image.manifest.digest, ABSENT),
        target[:-5] + "AAAAA",
        path + "?last=x",
        path + "?last=5",
    ):
        oci.refused(400, "UNSUPPORTED", "GET", changed)


@pytest.mark.parametrize("subject", ["v1", "sha256:abc", "md5:" + "0" * 32, "%C3%A9"])
def test_what_is_no_digest(oci: OciCaller, repository: str, subject: str) -> None:
    oci.refused(400, "DIGEST_INVALID", "GET", f"/v2/{repository}/referrers/{subject}")


def test_no_such_repository(oci: OciCaller) -> None:
    message = oci.refused(404, "NAME_UNKNOWN", "GET", f"/v2/missing/referrers/{ABSENT}")
    assert message == (
        f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'"
    )
