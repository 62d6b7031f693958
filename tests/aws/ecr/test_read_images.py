"""BatchGetImage, ListImages, DescribeImages.

Sources: API reference; failures' codes and texts from moto's tests; user guide "Container image
manifest format support" for conversions.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from sqlalchemy import event

from ecr_emulator.registry import image_listings
from tests.aws.ecr.test_repositories import milliseconds
from tests.support.app import ACCOUNT, STRANGER, App, OciCaller, json_blob
from tests.support.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Image,
    make_image,
    make_index,
    sha256,
)
from tests.support.refusals import refusal

NAME = "team/app"
ABSENT = "sha256:" + "0" * 64
NO_REPOSITORY = (
    "RepositoryNotFoundException",
    f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'",
)


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


@pytest.fixture
def untagged(oci: OciCaller, image: Image) -> Image:
    """An image without a tag, pushed behind the other one."""
    made = make_image(1)
    oci.push(NAME, made)
    return made


def not_found(digest: str | None, tag: str | None) -> tuple[str, str]:
    return (
        "ImageNotFoundException",
        f"The image with imageId {{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}} "
        f"does not exist within the repository with name '{NAME}' in the registry with id "
        f"'{ACCOUNT}'",
    )


class TestBatchGet:
    def get(self, ecr: Any, *image_ids: dict[str, str], **others: Any) -> dict[str, Any]:
        answer: dict[str, Any] = ecr.batch_get_image(
            repositoryName=NAME, imageIds=list(image_ids), **others
        )
        del answer["ResponseMetadata"]
        return answer

    def test_by_tag_by_digest_and_by_both(self, ecr: Any, image: Image) -> None:
        digest = image.manifest.digest
        ids = [
            {"imageTag": "a"},
            {"imageDigest": digest},
            {"imageDigest": digest, "imageTag": "b"},
        ]
        common = {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "imageManifest": image.manifest.data.decode(),
            "imageManifestMediaType": OCI_MANIFEST,
        }
        assert self.get(ecr, *ids) == {
            "images": [
                {**common, "imageId": {"imageDigest": digest, "imageTag": "a"}},
                {**common, "imageId": {"imageDigest": digest}},
                {**common, "imageId": {"imageDigest": digest, "imageTag": "b"}},
            ],
            "failures": [],
        }

    def test_each_once(self, ecr: Any, image: Image) -> None:
        assert len(self.get(ecr, *[{"imageTag": "a"}] * 100)["images"]) == 1

    def test_failures(self, ecr: Any, image: Image, untagged: Image) -> None:
        ids = [
            {"imageTag": "missing"},
            {"imageTag": "a"},
            {"imageDigest": ABSENT},
            {"imageDigest": untagged.manifest.digest, "imageTag": "a"},
            {"imageDigest": "abc"},
            {},
            {"imageDigest": "md5:00"},
            {"imageDigest": image.config.digest},
        ]
        answer = self.get(ecr, *ids)
        assert [found["imageId"]["imageTag"] for found in answer["images"]] == ["a"]
        no_image = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
        assert answer["failures"] == [
            {"imageId": ids[0], **no_image},
            {"imageId": ids[2], **no_image},
            {"imageId": ids[3], **no_image},
            {
                "imageId": {"imageDigest": "abc"},
                "failureCode": "InvalidImageDigest",
                "failureReason": "Invalid request parameters: image digest should satisfy the "
                "regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
            },
            {
                "imageId": {},
                "failureCode": "MissingDigestAndTag",
                "failureReason": "Invalid request parameters: both tag and digest cannot be null",
            },
            {"imageId": ids[6], **no_image},
            {"imageId": ids[7], **no_image},
        ]

    def test_a_missing_repository(self, ecr: Any) -> None:
        ids = [{"imageTag": "a"}]
        call = refusal(ecr.batch_get_image, repositoryName="missing", imageIds=ids)
        assert call == NO_REPOSITORY

    @pytest.mark.parametrize("ids", [[], [{"imageTag": "a"}] * 101])
    def test_how_many(self, app: App, ids: list[dict[str, str]]) -> None:
        for operation in ("BatchGetImage", "BatchDeleteImage", "DescribeImages"):
            status, answer = app.call(operation, {"repositoryName": NAME, "imageIds": ids})
            assert (status, answer["__type"]) == (400, "InvalidParameterException")
            assert answer["message"].startswith("Invalid parameter at 'imageIds'")


class TestConversion:
    """By tag, and only where the stored type is not accepted and another one is."""

    @pytest.fixture
    def docker(self, oci: OciCaller) -> Image:
        made = make_image(2, docker=True)
        oci.push(NAME, made, "docker")
        return made

    def get(self, ecr: Any, image_id: dict[str, str], *accepted: str) -> dict[str, Any]:
        others = {"acceptedMediaTypes": list(accepted)} if accepted else {}
        (found,) = ecr.batch_get_image(repositoryName=NAME, imageIds=[image_id], **others)["images"]
        return dict(found)

    def test_docker_to_oci(self, ecr: Any, docker: Image) -> None:
        found = self.get(ecr, {"imageTag": "docker"}, OCI_MANIFEST)
        assert found["imageManifestMediaType"] == OCI_MANIFEST
        assert found["imageId"] == {
            "imageDigest": sha256(found["imageManifest"].encode()),
            "imageTag": "docker",
        }
        document = json.loads(found["imageManifest"])
        before = json.loads(docker.manifest.data)
        assert document["mediaType"] == OCI_MANIFEST
        assert document["config"] == {**before["config"], "mediaType": OCI_CONFIG}
        assert document["layers"] == [
            {**layer, "mediaType": OCI_LAYER} for layer in before["layers"]
        ]

    def test_oci_to_docker(self, ecr: Any, image: Image) -> None:
        found = self.get(ecr, {"imageTag": "a"}, DOCKER_MANIFEST, "application/other")
        assert found["imageManifestMediaType"] == DOCKER_MANIFEST
        document = json.loads(found["imageManifest"])
        assert document["mediaType"] == DOCKER_MANIFEST
        assert document["config"]["mediaType"] == DOCKER_CONFIG
        assert [layer["mediaType"] for layer in document["layers"]] == [DOCKER_LAYER]

    @pytest.mark.parametrize(
        "accepted",
        [(), (DOCKER_MANIFEST,), (OCI_MANIFEST, DOCKER_MANIFEST), ("application/json",)],
    )
    def test_what_is_accepted_stays(
        self, ecr: Any, docker: Image, accepted: tuple[str, ...]
    ) -> None:
        found = self.get(ecr, {"imageTag": "docker"}, *accepted)
        assert found["imageManifest"] == docker.manifest.data.decode()
        assert found["imageManifestMediaType"] == DOCKER_MANIFEST
        assert found["imageId"]["imageDigest"] == docker.manifest.digest

    @pytest.mark.parametrize("tag", [{}, {"imageTag": "docker"}])
    def test_by_digest_it_is_what_was_pushed(
        self, ecr: Any, docker: Image, tag: dict[str, str]
    ) -> None:
        image_id = {"imageDigest": docker.manifest.digest, **tag}
        found = self.get(ecr, image_id, OCI_MANIFEST)
        assert found["imageManifest"] == docker.manifest.data.decode()
        assert found["imageId"] == image_id

    def test_what_there_is_no_other_form_of(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        zstd = {**image.layers[0].descriptor(), "mediaType": OCI_LAYER.replace("gzip", "zstd")}
        document = {**json.loads(image.manifest.data), "layers": [zstd]}
        oci.push(NAME, json_blob(OCI_MANIFEST, document), "zstd")
        oci.push(NAME, make_index([image]), "index")
        for tag in ("zstd", "index"):
            before = self.get(ecr, {"imageTag": tag})
            assert self.get(ecr, {"imageTag": tag}, DOCKER_MANIFEST) == before


class TestList:
    def list(self, ecr: Any, **others: Any) -> list[tuple[str, str | None]]:
        answer = ecr.list_images(repositoryName=NAME, **others)
        return [(found["imageDigest"], found.get("imageTag")) for found in answer["imageIds"]]

    def test_none(self, ecr: Any) -> None:
        answer = ecr.list_images(repositoryName=NAME)
        del answer["ResponseMetadata"]
        assert answer == {"imageIds": []}

    def test_pairs_in_the_order_of_pushes(self, ecr: Any, image: Image, untagged: Image) -> None:
        assert self.list(ecr, registryId=ACCOUNT) == [
            (image.manifest.digest, "a"),
            (image.manifest.digest, "b"),
            (untagged.manifest.digest, None),
        ]

    @pytest.mark.parametrize(
        ("image_filter", "tags"),
        [
            ({}, ["a", "b", None]),
            ({"tagStatus": "ANY"}, ["a", "b", None]),
            ({"tagStatus": "TAGGED"}, ["a", "b"]),
            ({"tagStatus": "UNTAGGED"}, [None]),
            ({"imageStatus": "ACTIVE"}, ["a", "b", None]),
            ({"imageStatus": "ANY"}, ["a", "b", None]),
            ({"imageStatus": "ARCHIVED"}, []),
            ({"imageStatus": "ACTIVATING"}, []),
            ({"imageStatus": "ANY", "tagStatus": "UNTAGGED"}, [None]),
        ],
    )
    def test_filters(
        self,
        ecr: Any,
        image: Image,
        untagged: Image,
        image_filter: dict[str, str],
        tags: list[str | None],
    ) -> None:
        assert [tag for _, tag in self.list(ecr, filter=image_filter)] == tags

    def test_a_filter_that_there_is_not(self, ecr: Any) -> None:
        call = refusal(ecr.list_images, repositoryName=NAME, filter={"tagStatus": "SOME"})
        assert call[0] == "InvalidParameterException"
        assert "'filter.tagStatus'" in call[1]

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    @pytest.mark.parametrize("status", ["ANY", "TAGGED", "UNTAGGED"])
    def test_by_pages(
        self, ecr: Any, oci: OciCaller, image: Image, untagged: Image, size: int, status: str
    ) -> None:
        for tag in ("Z", "c", "0"):
            oci.push(NAME, image.manifest, tag)
        oci.push(NAME, make_image(0), "a-third")
        whole = self.list(ecr, filter={"tagStatus": status})
        assert len(whole) == {"ANY": 7, "TAGGED": 6, "UNTAGGED": 1}[status]
        pages = list(
            ecr.get_paginator("list_images").paginate(
                repositoryName=NAME,
                filter={"tagStatus": status},
                PaginationConfig={"PageSize": size},
            )
        )
        assert all(0 < len(page["imageIds"]) <= size for page in pages)
        assert len(pages) == -(-len(whole) // size)
        paged = [
            (found["imageDigest"], found.get("imageTag"))
            for page in pages
            for found in page["imageIds"]
        ]
        assert paged == whole

    def test_a_hundred_to_a_page(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        for number in range(99):
            oci.push(NAME, image.manifest, f"tag-{number}")
        first = ecr.list_images(repositoryName=NAME)
        assert len(first["imageIds"]) == 100
        last = ecr.list_images(repositoryName=NAME, nextToken=first["nextToken"])
        assert len(last["imageIds"]) == 1
        assert "nextToken" not in last

    def test_pages_while_images_come_and_go(
        self, ecr: Any, oci: OciCaller, image: Image, untagged: Image
    ) -> None:
        first = ecr.list_images(repositoryName=NAME, maxResults=2)
        oci.expect(202, "DELETE", f"/v2/{NAME}/manifests/{untagged.manifest.digest}")
        new = make_image(0)
        oci.push(NAME, new, "new")
        rest = self.list(ecr, nextToken=first["nextToken"])
        assert rest == [(new.manifest.digest, "new")]

    def test_a_token_is_for_its_listing(self, app: App, ecr: Any, image: Image) -> None:
        ecr.create_repository(repositoryName="other")
        token = ecr.list_images(repositoryName=NAME, maxResults=1)["nextToken"]
        expected = (
            "InvalidParameterException",
            "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token "
            "provided'",
        )
        for call, others in [
            (ecr.list_images, {"repositoryName": "other"}),
            (ecr.list_images, {"filter": {"tagStatus": "TAGGED"}}),
            (ecr.list_images, {"filter": {"imageStatus": "ANY"}}),
            (ecr.describe_images, {}),
        ]:
            params = {"repositoryName": NAME, "nextToken": token, **others}
            assert refusal(call, **params) == expected

    def test_a_missing_repository(self, ecr: Any) -> None:
        assert refusal(ecr.list_images, repositoryName="missing") == NO_REPOSITORY


class TestDescribe:
    def describe(self, ecr: Any, *image_ids: dict[str, str], **others: Any) -> list[dict[str, Any]]:
        if image_ids:
            others["imageIds"] = list(image_ids)
        answer = ecr.describe_images(repositoryName=NAME, **others)
        return list(answer["imageDetails"])

    def test_none(self, ecr: Any) -> None:
        answer = ecr.describe_images(repositoryName=NAME)
        del answer["ResponseMetadata"]
        assert answer == {"imageDetails": []}

    def test_members(self, app: App, ecr: Any, image: Image, untagged: Image) -> None:
        """What an image has not (tags, a pull, a scan...) is not there."""
        pushed = milliseconds(app.clock.now())
        common = {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "imagePushedAt": pushed,
            "imageManifestMediaType": OCI_MANIFEST,
            "artifactMediaType": OCI_CONFIG,
            "imageStatus": "ACTIVE",
        }
        assert self.describe(ecr) == [
            {
                **common,
                "imageDigest": image.manifest.digest,
                "imageTags": ["a", "b"],
                "imageSizeInBytes": image.size,
            },
            {
                **common,
                "imageDigest": untagged.manifest.digest,
                "imageSizeInBytes": untagged.size,
            },
        ]

    def test_by_id(self, ecr: Any, image: Image, untagged: Image) -> None:
        digest = image.manifest.digest
        for image_id in (
            {"imageTag": "a"},
            {"imageDigest": digest},
            {"imageDigest": digest, "imageTag": "b"},
        ):
            (found,) = self.describe(ecr, image_id)
            assert found["imageDigest"] == digest
            assert found["imageTags"] == ["a", "b"]
        many = self.describe(
            ecr,
            {"imageDigest": untagged.manifest.digest},
            {"imageTag": "b"},
            {"imageTag": "a"},
        )
        assert [found["imageDigest"] for found in many] == [untagged.manifest.digest, digest]

    def test_all_or_nothing(self, ecr: Any, image: Image, untagged: Image) -> None:
        other = untagged.manifest.digest
        for digest, tag in [(ABSENT, None), (None, "missing"), (other, "a"), (None, None)]:
            image_id = {"imageDigest": digest, "imageTag": tag}
            params = {name: value for name, value in image_id.items() if value is not None}
            call = refusal(
                ecr.describe_images, repositoryName=NAME, imageIds=[{"imageTag": "a"}, params]
            )
            assert call == not_found(digest, tag)

    @pytest.mark.parametrize("paging", [{"maxResults": 1}, {"nextToken": "x"}])
    def test_ids_and_pages_together(self, ecr: Any, image: Image, paging: dict[str, Any]) -> None:
        (member,) = paging
        call = refusal(
            ecr.describe_images, repositoryName=NAME, imageIds=[{"imageTag": "a"}], **paging
        )
        assert call == (
            "InvalidParameterException",
            f"Invalid parameter at '{member}' failed to satisfy constraint: "
            f"'{member} cannot be used when imageIds is specified'",
        )

    @pytest.mark.parametrize(
        ("image_filter", "count"),
        [
            ({"tagStatus": "TAGGED"}, 1),
            ({"tagStatus": "UNTAGGED"}, 2),
            ({"tagStatus": "ANY"}, 3),
            ({"imageStatus": "ACTIVE"}, 3),
            ({"imageStatus": "ARCHIVED"}, 0),
            ({"imageStatus": "ANY", "tagStatus": "TAGGED"}, 1),
        ],
    )
    def test_filters(
        self,
        ecr: Any,
        oci: OciCaller,
        image: Image,
        untagged: Image,
        image_filter: dict[str, str],
        count: int,
    ) -> None:
        oci.push(NAME, make_image(0))
        assert len(self.describe(ecr, filter=image_filter)) == count
        pages = ecr.get_paginator("describe_images").paginate(
            repositoryName=NAME, filter=image_filter, PaginationConfig={"PageSize": 1}
        )
        assert sum(len(page["imageDetails"]) for page in pages) == count

    def test_by_pages(self, ecr: Any, oci: OciCaller) -> None:
        digests = [oci.push(NAME, make_image(0)) for _ in range(5)]
        pages = list(
            ecr.get_paginator("describe_images").paginate(
                repositoryName=NAME, PaginationConfig={"PageSize": 2}
            )
        )
        assert [len(page["imageDetails"]) for page in pages] == [2, 2, 1]
        found = [detail["imageDigest"] for page in pages for detail in page["imageDetails"]]
        assert found == digests

    def test_the_row_of_a_deleted_image_is_not_another(self, ecr: Any, oci: OciCaller) -> None:
        """A page goes on behind its last image, also when that one and its id are gone."""
        first, last = make_image(0), make_image(0)
        oci.push(NAME, first)
        oci.push(NAME, last)
        page = ecr.describe_images(repositoryName=NAME, maxResults=1)
        oci.expect(202, "DELETE", f"/v2/{NAME}/manifests/{last.manifest.digest}")
        oci.expect(202, "DELETE", f"/v2/{NAME}/manifests/{first.manifest.digest}")
        new = make_image(0)
        oci.push(NAME, new)
        rest = self.describe(ecr, nextToken=page["nextToken"])
        assert [found["imageDigest"] for found in rest] == [new.manifest.digest]

    def test_a_missing_repository(self, ecr: Any) -> None:
        assert refusal(ecr.describe_images, repositoryName="missing") == NO_REPOSITORY
        call = refusal(ecr.describe_images, repositoryName="missing", imageIds=[{"imageTag": "a"}])
        assert call == NO_REPOSITORY

    def test_each_registry_has_its_own(self, app: App, ecr: Any, image: Image) -> None:
        for client in (app.ecr(STRANGER), app.ecr(region="eu-west-1")):
            client.create_repository(repositoryName=NAME)
            assert client.describe_images(repositoryName=NAME)["imageDetails"] == []
            code, _ = refusal(
                client.describe_images, repositoryName=NAME, imageIds=[{"imageTag": "a"}]
            )
            assert code == "ImageNotFoundException"


class TestPullTimes:
    def pulled(self, ecr: Any) -> Any:
        (found,) = ecr.describe_images(repositoryName=NAME, imageIds=[{"imageTag": "a"}])[
            "imageDetails"
        ]
        return found.get("lastRecordedPullTime")

    def test_not_pulled_yet(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        """Neither a push, nor a look, nor a listing is a pull."""
        oci.expect(200, "HEAD", f"/v2/{NAME}/manifests/a")
        oci.expect(200, "GET", f"/v2/{NAME}/tags/list")
        ecr.list_images(repositoryName=NAME)
        assert self.pulled(ecr) is None

    @pytest.mark.parametrize("door", ["aws", "oci by tag", "oci by digest"])
    def test_pulls(self, app: App, ecr: Any, oci: OciCaller, image: Image, door: str) -> None:
        def pull() -> None:
            if door == "aws":
                ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "a"}])
            else:
                reference = "a" if door.endswith("tag") else image.manifest.digest
                oci.expect(200, "GET", f"/v2/{NAME}/manifests/{reference}")

        app.clock.advance(timedelta(hours=1))
        pull()
        first = milliseconds(app.clock.now())
        assert self.pulled(ecr) == first
        app.clock.advance(timedelta(seconds=59))
        pull()
        assert self.pulled(ecr) == first, "a write for every read would be dear"
        app.clock.advance(timedelta(seconds=1))
        pull()
        assert self.pulled(ecr) == milliseconds(app.clock.now())

    @pytest.mark.of_sqlite
    def test_a_pull_that_cannot_be_recorded(
        self, app: App, ecr: Any, oci: OciCaller, image: Image, caplog: pytest.LogCaptureFixture
    ) -> None:
        """With a full or read-only disk, what can be read is still given out."""
        reading = app.another_process()
        reader = reading.oci()
        database = reading.application._database
        # Its connections are opened anew, and can do nothing but read then.
        database.close()
        refuse = lambda raw, _: raw.execute("PRAGMA query_only = ON")  # noqa: E731
        event.listen(database.engine, "connect", refuse)
        assert reader.expect(200, "GET", f"/v2/{NAME}/manifests/a").data == image.manifest.data
        assert f"pulls by arn:aws:iam::{ACCOUNT}:root are not recorded" in caplog.text
        assert self.pulled(ecr) is None


class TestFiltersThatLeaveLittle:
    """Pages end after so many images seen, full or not; no image is left out or given twice."""

    FILTERS: ClassVar = [
        {"tagStatus": "UNTAGGED"},
        {"tagStatus": "TAGGED"},
        {"imageStatus": "ARCHIVED"},
        {"imageStatus": "ANY", "tagStatus": "UNTAGGED"},
    ]

    @pytest.fixture
    def digests(self, ecr: Any, oci: OciCaller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(image_listings, "MOST_SEEN", 3)
        for number in range(11):
            image = make_image(0)
            oci.push(NAME, image, "" if number in (0, 5, 6) else f"v{number}")
            if number in (3, 4):
                oci.push(NAME, image.manifest, f"w{number}")
            if number == 8:
                ecr.update_image_storage_class(
                    repositoryName=NAME,
                    imageId={"imageTag": f"v{number}"},
                    targetStorageClass="ARCHIVE",
                )

    @pytest.mark.parametrize("image_filter", FILTERS)
    @pytest.mark.parametrize("size", [1, 2, 100])
    def test_pages(self, ecr: Any, digests: None, image_filter: dict[str, str], size: int) -> None:
        for call, member, key in [
            ("list_images", "imageIds", "imageTag"),
            ("describe_images", "imageDetails", "imageTags"),
        ]:
            everything = self.entries(ecr, call, member, {"imageStatus": "ANY"}, 100)
            wanted = [entry for entry in everything if self.matches(ecr, entry, key, image_filter)]
            assert self.entries(ecr, call, member, image_filter, size) == wanted
            assert wanted

    def entries(
        self, ecr: Any, call: str, member: str, image_filter: dict[str, str], size: int
    ) -> list[dict[str, Any]]:
        pages = ecr.get_paginator(call).paginate(
            repositoryName=NAME, filter=image_filter, PaginationConfig={"PageSize": size}
        )
        return [entry for page in pages for entry in page[member]]

    def matches(
        self, ecr: Any, entry: dict[str, Any], key: str, image_filter: dict[str, str]
    ) -> bool:
        tag_status = image_filter.get("tagStatus", "ANY")
        status = image_filter.get("imageStatus", "ACTIVE")
        (found,) = ecr.describe_images(
            repositoryName=NAME, imageIds=[{"imageDigest": entry["imageDigest"]}]
        )["imageDetails"]
        return tag_status in ("ANY", "TAGGED" if key in entry else "UNTAGGED") and status in (
            "ANY",
            found["imageStatus"],
        )
