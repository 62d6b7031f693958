"""BatchDeleteImage.

Sources: API reference; forms of the answer from moto's tests; the refusal for an image of an
index from public issue threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.app import ACCOUNT, App, OciCaller
from tests.support.images import Image, make_image, make_index
from tests.support.refusals import refusal

NAME = "team/app"
ABSENT = "sha256:" + "0" * 64
NOT_FOUND = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}


@pytest.fixture(autouse=True)
def repository(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)


@pytest.fixture
def image(oci: OciCaller) -> Image:
    """An image with the tags "a" and "b"."""
    made = make_image(1)
    oci.push(NAME, made, "a")
    oci.push(NAME, made, "b")
    return made


def delete(ecr: Any, *image_ids: dict[str, str]) -> tuple[list[Any], list[Any]]:
    """Delete images; return the deleted ids and the failures."""
    answer = ecr.batch_delete_image(repositoryName=NAME, imageIds=list(image_ids))
    assert answer.keys() == {"imageIds", "failures", "ResponseMetadata"}
    return answer["imageIds"], answer["failures"]


def left(ecr: Any) -> list[tuple[str, str | None]]:
    answer = ecr.list_images(repositoryName=NAME)
    return [(found["imageDigest"], found.get("imageTag")) for found in answer["imageIds"]]


def by_list(*parents: str) -> dict[str, str]:
    return {
        "failureCode": "ImageReferencedByManifestList",
        "failureReason": f"Requested image referenced by manifest list: [{', '.join(parents)}]",
    }


def test_by_tag(ecr: Any, image: Image) -> None:
    digest = image.manifest.digest
    expected = [{"imageDigest": digest, "imageTag": "a"}]
    assert delete(ecr, {"imageTag": "a"}) == (expected, [])
    assert left(ecr) == [(digest, "b")]


def test_the_last_tag_takes_the_image(ecr: Any, oci: OciCaller, image: Image) -> None:
    digest = image.manifest.digest
    ids = [{"imageTag": "b"}, {"imageTag": "a"}]
    assert delete(ecr, *ids) == ([{"imageDigest": digest, **tag} for tag in ids], [])
    assert left(ecr) == []
    oci.refused(404, "MANIFEST_UNKNOWN", "GET", f"/v2/{NAME}/manifests/{digest}")


def test_by_digest(ecr: Any, image: Image) -> None:
    digest = image.manifest.digest
    deleted, failures = delete(ecr, {"imageDigest": digest})
    assert deleted == [
        {"imageDigest": digest, "imageTag": "a"},
        {"imageDigest": digest, "imageTag": "b"},
    ]
    assert failures == []
    assert left(ecr) == []


def test_an_untagged_one_by_digest(ecr: Any, oci: OciCaller, image: Image) -> None:
    other = make_image(0)
    digest = oci.push(NAME, other)
    assert delete(ecr, {"imageDigest": digest}) == ([{"imageDigest": digest}], [])
    assert len(left(ecr)) == 2


def test_by_digest_and_tag(ecr: Any, image: Image) -> None:
    digest = image.manifest.digest
    both = {"imageDigest": digest, "imageTag": "a"}
    assert delete(ecr, both) == ([both], [])
    assert left(ecr) == [(digest, "b")]
    assert delete(ecr, both) == ([], [{"imageId": both, **NOT_FOUND}])


def test_a_digest_and_a_tag_that_do_not_belong_together(
    ecr: Any, oci: OciCaller, image: Image
) -> None:
    other = oci.push(NAME, make_image(0))
    both = {"imageDigest": other, "imageTag": "a"}
    assert delete(ecr, both) == ([], [{"imageId": both, **NOT_FOUND}])
    assert len(left(ecr)) == 3


def test_failures(ecr: Any, image: Image) -> None:
    ids = [
        {"imageTag": "missing"},
        {"imageDigest": ABSENT},
        {"imageDigest": "abc"},
        {},
        {"imageTag": "b"},
    ]
    deleted, failures = delete(ecr, *ids)
    assert deleted == [{"imageDigest": image.manifest.digest, "imageTag": "b"}]
    assert failures == [
        {"imageId": ids[0], **NOT_FOUND},
        {"imageId": ids[1], **NOT_FOUND},
        {
            "imageId": ids[2],
            "failureCode": "InvalidImageDigest",
            "failureReason": "Invalid request parameters: image digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        },
        {
            "imageId": {},
            "failureCode": "MissingDigestAndTag",
            "failureReason": "Invalid request parameters: both tag and digest cannot be null",
        },
    ]


def test_the_same_twice(ecr: Any, image: Image) -> None:
    deleted, failures = delete(ecr, *[{"imageDigest": image.manifest.digest}] * 2)
    assert len(deleted) == 2
    assert failures == []


def test_by_digest_and_then_by_tag(ecr: Any, image: Image) -> None:
    deleted, failures = delete(ecr, {"imageDigest": image.manifest.digest}, {"imageTag": "a"})
    assert len(deleted) == 2
    assert failures == [{"imageId": {"imageTag": "a"}, **NOT_FOUND}]


def test_a_missing_repository(ecr: Any) -> None:
    ids = [{"imageTag": "a"}]
    assert refusal(ecr.batch_delete_image, repositoryName="missing", imageIds=ids) == (
        "RepositoryNotFoundException",
        f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'",
    )


class TestIndexes:
    """An image that an index lists stays, until no index of the repository does."""

    def test_children_stay(self, ecr: Any, oci: OciCaller) -> None:
        child, other = make_image(1), make_image(1)
        index, second = make_index([child, other]), make_index([child])
        oci.push(NAME, index, "index")
        oci.push(NAME, second)
        digest = child.manifest.digest
        parents = (index.manifest.digest, second.manifest.digest)
        failure = {"imageId": {"imageDigest": digest}, **by_list(*parents)}
        assert delete(ecr, {"imageDigest": digest}) == ([], [failure])
        delete(ecr, {"imageDigest": index.manifest.digest})
        failure = {"imageId": {"imageDigest": digest}, **by_list(second.manifest.digest)}
        assert delete(ecr, {"imageDigest": digest}) == ([], [failure])
        # In the order asked for: the index first, and then what it listed.
        ids = [{"imageDigest": second.manifest.digest}, {"imageDigest": digest}]
        assert delete(ecr, *ids) == (ids, [])
        assert left(ecr) == [(other.manifest.digest, None)]

    def test_the_last_tag_of_a_child(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        index = make_index([image])
        oci.push(NAME, index)
        assert delete(ecr, {"imageTag": "a"})[1] == []
        failure = {"imageId": {"imageTag": "b"}, **by_list(index.manifest.digest)}
        assert delete(ecr, {"imageTag": "b"}) == ([], [failure])
        assert (image.manifest.digest, "b") in left(ecr)

    def test_an_index_of_another_repository_does_not_count(
        self, ecr: Any, oci: OciCaller, image: Image
    ) -> None:
        ecr.create_repository(repositoryName="other")
        oci.push("other", make_index([image]))
        assert delete(ecr, {"imageDigest": image.manifest.digest})[1] == []

    def test_an_index_goes_alone(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        oci.push(NAME, make_index([image]), "index")
        delete(ecr, {"imageTag": "index"})
        assert left(ecr) == [(image.manifest.digest, "a"), (image.manifest.digest, "b")]


def test_the_layers_stay(ecr: Any, oci: OciCaller, image: Image) -> None:
    """Until they are collected: another push of the image needs to upload nothing."""
    delete(ecr, {"imageDigest": image.manifest.digest})
    for blob in image.blobs:
        oci.expect(200, "HEAD", f"/v2/{NAME}/blobs/{blob.digest}")
    oci.push(NAME, image.manifest, "a")


def test_deletes_race_pushes(app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
    """Each push and each delete is whole: the image is there with its tag, or not at all."""
    callers = [oci, app.another_process().oci()] * 2
    clients = [app.ecr(), app.another_process().ecr()] * 2
    path, headers = f"/v2/{NAME}/manifests/a", {"Content-Type": image.manifest.media_type}

    def push(number: int) -> None:
        for _ in range(15):
            callers[number].expect(201, "PUT", path, image.manifest.data, headers)

    def remove(number: int) -> None:
        for _ in range(15):
            _, failures = delete(clients[number], {"imageDigest": image.manifest.digest})
            assert [failure["failureCode"] for failure in failures] in ([], ["ImageNotFound"])

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(push, number) for number in range(4)]
        work += [pool.submit(remove, number) for number in range(4)]
        for one in work:
            one.result()
    oci.expect(201, "PUT", path, image.manifest.data, headers)
    assert left(ecr) == [(image.manifest.digest, "a")]
    assert oci.expect(200, "GET", path).data == image.manifest.data


def test_an_index_races_the_delete_of_its_child(
    app: App, ecr: Any, oci: OciCaller, image: Image
) -> None:
    """Either the index comes first and the child stays, or the child goes and the index with it."""
    index = make_index([image])
    path = f"/v2/{NAME}/manifests/{index.manifest.digest}"
    headers = {"Content-Type": index.manifest.media_type}
    other = app.another_process().ecr()
    for _ in range(10):
        oci.push(NAME, image)
        with ThreadPoolExecutor(2) as pool:
            put = pool.submit(oci.request, "PUT", path, index.manifest.data, headers)
            gone = pool.submit(delete, other, {"imageDigest": image.manifest.digest})
        digests = {digest for digest, _ in left(ecr)}
        if put.result().status_code == 201:
            assert gone.result()[1][0]["failureCode"] == "ImageReferencedByManifestList"
            assert digests == {image.manifest.digest, index.manifest.digest}
            delete(ecr, {"imageDigest": index.manifest.digest})
        else:
            assert put.result().status_code == 400
            assert gone.result()[1] == []
            assert digests == set()
