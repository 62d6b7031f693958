"""UpdateImageStorageClass: archive and restore, and what an archived image is refused.

Sources: API reference; user guide "Archiving an image", "Restoring an image"; that archiving
is done at once, is not idempotent and is refused while a restoration goes on, and that a pull
is answered as for an image that is not there, was observed and published.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.app import ACCOUNT, App, OciCaller
from tests.support.images import Image, make_image, make_index
from tests.support.refusals import refusal

NAME = "team/app"
A_MOMENT = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NOT_SUPPORTED = "ImageStorageClassUpdateNotSupportedException"


def move(ecr: Any, target: str, **image_id: str) -> dict[str, Any]:
    answer = ecr.update_image_storage_class(
        repositoryName=NAME, imageId=image_id, targetStorageClass=target
    )
    answer.pop("ResponseMetadata")
    return dict(answer)


def detail(ecr: Any, **image_id: str) -> dict[str, Any]:
    (found,) = ecr.describe_images(repositoryName=NAME, imageIds=[image_id])["imageDetails"]
    return dict(found)


@pytest.fixture
def image(ecr: Any, oci: OciCaller) -> Image:
    """An image, pushed as v1."""
    ecr.create_repository(repositoryName=NAME)
    made = make_image()
    oci.push(NAME, made, "v1")
    return made


class TestArchive:
    def test_at_once(self, app: App, ecr: Any, image: Image) -> None:
        digest = image.manifest.digest
        assert move(ecr, "ARCHIVE", imageTag="v1") == {
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "imageId": {"imageDigest": digest, "imageTag": "v1"},
            "imageStatus": "ARCHIVED",
        }
        found = detail(ecr, imageDigest=digest)
        assert (found["imageStatus"], found["imageTags"]) == ("ARCHIVED", ["v1"])
        assert abs(found["lastArchivedAt"] - app.clock.now()) < A_MOMENT
        assert "lastActivatedAt" not in found

    def test_it_cannot_be_pulled(self, ecr: Any, image: Image, oci: OciCaller) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        for reference in ("v1", image.manifest.digest):
            path = f"/v2/{NAME}/manifests/{reference}"
            message = oci.refused(404, "MANIFEST_UNKNOWN", "GET", path)
            assert message == "Requested image not found"
            oci.expect(404, "HEAD", path)
        answer = ecr.batch_get_image(repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        assert answer["images"] == []
        (failure,) = answer["failures"]
        assert failure["imageId"] == {"imageTag": "v1"}
        assert failure["failureCode"] == "ImageInaccessible"

    def test_listings_leave_it_out_unless_asked(self, ecr: Any, image: Image) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        for status, count in (
            (None, 0),
            ("ACTIVE", 0),
            ("ARCHIVED", 1),
            ("ACTIVATING", 0),
            ("ANY", 1),
        ):
            given = {} if status is None else {"filter": {"imageStatus": status}}
            assert len(ecr.list_images(repositoryName=NAME, **given)["imageIds"]) == count
            assert len(ecr.describe_images(repositoryName=NAME, **given)["imageDetails"]) == count

    def test_its_layers(self, ecr: Any, image: Image, oci: OciCaller) -> None:
        layer = image.layers[0].digest

        def availability() -> str:
            (found,) = ecr.batch_check_layer_availability(
                repositoryName=NAME, layerDigests=[layer]
            )["layers"]
            assert found["mediaType"] == image.layers[0].media_type
            return str(found["layerAvailability"])

        move(ecr, "ARCHIVE", imageTag="v1")
        assert availability() == "ARCHIVED"
        code, _ = refusal(ecr.get_download_url_for_layer, repositoryName=NAME, layerDigest=layer)
        assert code == "LayerInaccessibleException"
        # A layer that another image names is there.
        sharing = make_index([image]).images[0]
        other = sharing.manifest.data.replace(b'"schemaVersion":2', b'"schemaVersion": 2')
        ecr.put_image(repositoryName=NAME, imageManifest=other.decode())
        assert availability() == "AVAILABLE"
        assert ecr.get_download_url_for_layer(repositoryName=NAME, layerDigest=layer)

    def test_not_twice(self, ecr: Any, image: Image) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        assert refusal(
            ecr.update_image_storage_class,
            repositoryName=NAME,
            imageId={"imageTag": "v1"},
            targetStorageClass="ARCHIVE",
        ) == (
            NOT_SUPPORTED,
            "The requested image storage class update is not supported. The image is ARCHIVED.",
        )

    def test_not_what_a_list_lists(self, ecr: Any, image: Image, oci: OciCaller) -> None:
        index = make_index([image])
        oci.push(NAME, index, "all")
        call = {
            "repositoryName": NAME,
            "imageId": {"imageTag": "v1"},
            "targetStorageClass": "ARCHIVE",
        }
        code, message = refusal(ecr.update_image_storage_class, **call)
        assert code == NOT_SUPPORTED
        assert f"referenced by manifest list: [{index.manifest.digest}]" in message
        # "... without the manifest list being deleted or archived first" (user guide).
        move(ecr, "ARCHIVE", imageTag="all")
        assert move(ecr, "ARCHIVE", imageTag="v1")["imageStatus"] == "ARCHIVED"

    def test_it_can_be_deleted(self, ecr: Any, image: Image) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        answer = ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        assert answer["failures"] == []
        listed = ecr.list_images(repositoryName=NAME, filter={"imageStatus": "ANY"})
        assert listed["imageIds"] == []


class TestRestore:
    def test_takes_a_while(self, app: App, ecr: Any, image: Image, oci: OciCaller) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        app.clock.advance(HOUR)
        assert move(ecr, "STANDARD", imageTag="v1")["imageStatus"] == "ACTIVATING"
        oci.expect(404, "GET", f"/v2/{NAME}/manifests/v1")
        found = detail(ecr, imageTag="v1")
        assert found["imageStatus"] == "ACTIVATING"
        assert "lastActivatedAt" not in found
        (listed,) = ecr.list_images(repositoryName=NAME, filter={"imageStatus": "ACTIVATING"})[
            "imageIds"
        ]
        assert listed["imageTag"] == "v1"
        app.run_jobs()
        found = detail(ecr, imageTag="v1")
        assert found["imageStatus"] == "ACTIVE"
        assert abs(found["lastActivatedAt"] - app.clock.now()) < A_MOMENT
        assert found["lastActivatedAt"] - found["lastArchivedAt"] > HOUR - A_MOMENT
        assert oci.expect(200, "GET", f"/v2/{NAME}/manifests/v1").data == image.manifest.data

    @pytest.mark.parametrize("target", ["ARCHIVE", "STANDARD"])
    def test_nothing_else_meanwhile(self, ecr: Any, image: Image, target: str) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        move(ecr, "STANDARD", imageTag="v1")
        assert refusal(
            ecr.update_image_storage_class,
            repositoryName=NAME,
            imageId={"imageTag": "v1"},
            targetStorageClass=target,
        ) == (
            NOT_SUPPORTED,
            "The requested image storage class update is not supported. The image is ACTIVATING.",
        )

    def test_not_what_is_active(self, ecr: Any, image: Image) -> None:
        code, message = refusal(
            ecr.update_image_storage_class,
            repositoryName=NAME,
            imageId={"imageTag": "v1"},
            targetStorageClass="STANDARD",
        )
        assert (code, message.rpartition(" ")[2]) == (NOT_SUPPORTED, "ACTIVE.")

    def test_by_a_push_it_is_immediate(
        self, app: App, ecr: Any, image: Image, oci: OciCaller
    ) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        app.clock.advance(HOUR)
        # The very image with the very tag, which would have been there already.
        answer = ecr.put_image(
            repositoryName=NAME, imageManifest=image.manifest.data.decode(), imageTag="v1"
        )
        assert answer["image"]["imageId"]["imageDigest"] == image.manifest.digest
        found = detail(ecr, imageTag="v1")
        assert found["imageStatus"] == "ACTIVE"
        assert abs(found["lastActivatedAt"] - app.clock.now()) < A_MOMENT

    def test_by_a_push_at_the_other_door(self, ecr: Any, image: Image, oci: OciCaller) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        move(ecr, "STANDARD", imageTag="v1")
        oci.push(NAME, image.manifest)
        assert detail(ecr, imageTag="v1")["imageStatus"] == "ACTIVE"

    def test_by_a_push_although_the_tag_is_immutable(
        self, ecr: Any, image: Image, oci: OciCaller
    ) -> None:
        """The tag does not move; to another image it must not."""
        move(ecr, "ARCHIVE", imageTag="v1")
        ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        other = make_image()
        for blob in other.blobs:
            oci.push_blob(NAME, blob.data)
        code, _ = refusal(
            ecr.put_image,
            repositoryName=NAME,
            imageManifest=other.manifest.data.decode(),
            imageTag="v1",
        )
        assert code == "ImageTagAlreadyExistsException"
        oci.push(NAME, image.manifest, "v1")
        assert detail(ecr, imageTag="v1")["imageStatus"] == "ACTIVE"

    def test_a_job_that_comes_late_changes_nothing(
        self, app: App, ecr: Any, image: Image, oci: OciCaller
    ) -> None:
        move(ecr, "ARCHIVE", imageTag="v1")
        move(ecr, "STANDARD", imageTag="v1")
        oci.push(NAME, image.manifest, "v1")
        before = detail(ecr, imageTag="v1")
        app.clock.advance(HOUR)
        app.run_jobs()
        assert detail(ecr, imageTag="v1") == before

    def test_it_is_replicated_then(self, app: App, ecr: Any, image: Image) -> None:
        """User guide: if replication was enabled at the time of restore."""
        move(ecr, "ARCHIVE", imageTag="v1")
        rule = {"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}
        ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
        move(ecr, "STANDARD", imageTag="v1")
        app.run_jobs()
        there = app.ecr(region="eu-west-1")
        assert there.list_images(repositoryName=NAME)["imageIds"] == [
            {"imageDigest": image.manifest.digest, "imageTag": "v1"}
        ]

    def test_it_is_scanned_then(self, app: App, ecr: Any, image: Image) -> None:
        """User guide: if scan on push is enabled for the repository."""
        move(ecr, "ARCHIVE", imageTag="v1")
        ecr.put_image_scanning_configuration(
            repositoryName=NAME, imageScanningConfiguration={"scanOnPush": True}
        )
        move(ecr, "STANDARD", imageTag="v1")
        app.run_jobs()
        assert detail(ecr, imageTag="v1")["imageScanStatus"]["status"]


@pytest.mark.parametrize(
    ("repository", "image_id", "answer"),
    [
        (
            "missing",
            {"imageTag": "v1"},
            (
                "RepositoryNotFoundException",
                "The repository with name 'missing' does not exist in the registry with id "
                f"'{ACCOUNT}'",
            ),
        ),
        *(
            (
                NAME,
                image_id,
                (
                    "ImageNotFoundException",
                    f"The image with imageId {{imageDigest:'null', imageTag:'{tag}'}} does not "
                    f"exist within the repository with name '{NAME}' in the registry with id "
                    f"'{ACCOUNT}'",
                ),
            )
            for image_id, tag in (({"imageTag": "v2"}, "v2"), ({}, "null"))
        ),
    ],
)
def test_what_is_not_there(
    ecr: Any, image: Image, repository: str, image_id: dict[str, str], answer: tuple[str, str]
) -> None:
    call = {"repositoryName": repository, "imageId": image_id, "targetStorageClass": "ARCHIVE"}
    assert refusal(ecr.update_image_storage_class, **call) == answer
