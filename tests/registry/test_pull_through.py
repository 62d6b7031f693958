"""Pulls through the cache, by both doors, from an upstream on a thread.

Sources: user guide "Sync an upstream registry with an Amazon ECR private registry" (the first
pull creates the repository, by a template if there is one; a cached tag is compared with the
upstream's after 24 hours); API reference ``BatchGetImage`` (``UpstreamAccessDenied`` and its
like among the failures), ``UnableToGetUpstreamImageException``. That the cache serves what it
has when the upstream cannot be asked, and answers a 404 of the upstream's as its own, is the
guide's too; which OCI code goes with which failure is likeliest.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.db.engine import Database
from ecr_emulator.registry.event_log import EventLog
from ecr_emulator.registry.event_queue import DeliveryQueue
from ecr_emulator.registry.fsck import StoreCheck
from ecr_emulator.registry.image_reads import ImageReads
from ecr_emulator.registry.repository_blobs import open_blobs
from tests.aws.ecr.test_creation_templates import create as create_template
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import DOCKER_MANIFEST, Image, make_image, make_index
from tests.support.refusals import refusal
from tests.support.rootfs import debian, image_of

HUB = "registry-1.docker.io"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"
DAY = timedelta(hours=24)


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.json"
    path.write_text("{}")
    return path


@pytest.fixture
def app(tmp_path: Path, upstream: FakeUpstream, secrets: Path) -> Iterator[App]:
    """An application that finds every upstream at the fake one, and its rule for quay.io."""
    addresses = {"quay.io": upstream.url, HUB: upstream.url}
    made = App(tmp_path / "data", upstreams=addresses, secrets=str(secrets))
    made.ecr().create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    yield made
    made.close()


@pytest.fixture
def image(upstream: FakeUpstream) -> Image:
    """An image that the upstream has as ``team/app:1``."""
    made = make_image(size=100_000)
    upstream.add("team/app", made, "1")
    return made


def pull(oci: OciCaller, name: str, reference: str, image: Image) -> None:
    """Pull an image with its layers and see that it is the one."""
    manifest = oci.expect(200, "GET", f"/v2/{name}/manifests/{reference}")
    assert manifest.data == image.manifest.data
    assert manifest.headers["Docker-Content-Digest"] == image.manifest.digest
    assert manifest.content_type == image.manifest.media_type
    for blob in image.blobs:
        answer = oci.expect(200, "GET", f"/v2/{name}/blobs/{blob.digest}")
        assert answer.data == blob.data
        assert answer.headers["Content-Length"] == str(len(blob.data))


def left_uploads(app: App) -> list[str]:
    return [path.name for path in (app.folder / "uploads").iterdir()]


def test_a_scan_reads_no_other_repositorys_layers(
    app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream
) -> None:
    """Of an image that is partly cached the store may have the rest, for somebody else."""
    image = image_of(debian([("libssl3", "3.0.11", "openssl")]))
    upstream.add("team/app", image, "1")
    other = app.oci(STRANGER)
    app.ecr(STRANGER).create_repository(repositoryName="theirs")
    other.push("theirs", image, "1")
    oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
    wanted = {"repositoryName": "quay/team/app", "imageId": {"imageTag": "1"}}
    ecr.start_image_scan(**wanted)
    app.run_jobs()
    assert ecr.describe_image_scan_findings(**wanted)["imageScanStatus"] == {
        "status": "FAILED",
        "description": "A layer of the image is missing from the registry.",
    }
    # Nor does the bill of materials.
    query = f"account={ACCOUNT}&region={REGION}&repositoryName=quay/team/app&imageTag=1"
    answer = app.request("GET", f"/_emulator/sbom?{query}")
    assert answer.status_code == 400
    assert answer.get_json() == {"message": "A layer of the image is missing from the registry."}
    pull(oci, "quay/team/app", "1", image)
    answer = app.request("GET", f"/_emulator/sbom?{query}")
    assert "libssl3" in answer.text


class TestFirstAndLaterPulls:
    def test_by_tag(
        self, app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        (details,) = ecr.describe_images(repositoryName="quay/team/app")["imageDetails"]
        assert details["imageDigest"] == image.manifest.digest
        assert details["imageTags"] == ["1"]
        assert details["imageSizeInBytes"] == sum(len(blob.data) for blob in image.blobs)
        assert left_uploads(app) == []

        upstream.close()
        asked = len(upstream.seen)
        pull(oci, "quay/team/app", "1", image)
        pull(oci, "quay/team/app", image.manifest.digest, image)
        assert len(upstream.seen) == asked

    def test_head_first(self, oci: OciCaller, upstream: FakeUpstream, image: Image) -> None:
        answer = oci.expect(200, "HEAD", "/v2/quay/team/app/manifests/1")
        assert answer.headers["Docker-Content-Digest"] == image.manifest.digest
        blob = image.blobs[0]
        answer = oci.expect(200, "HEAD", f"/v2/quay/team/app/blobs/{blob.digest}")
        assert answer.headers["Content-Length"] == str(len(blob.data))
        upstream.close()
        answer = oci.expect(200, "GET", f"/v2/quay/team/app/blobs/{blob.digest}")
        assert answer.data == blob.data

    def test_by_digest(self, oci: OciCaller, ecr: Any, image: Image) -> None:
        pull(oci, "quay/team/app", image.manifest.digest, image)
        (listed,) = ecr.list_images(repositoryName="quay/team/app")["imageIds"]
        assert listed == {"imageDigest": image.manifest.digest}

    def test_by_the_api(self, app: App, ecr: Any, upstream: FakeUpstream, image: Image) -> None:
        answer = ecr.batch_get_image(
            repositoryName="quay/team/app", imageIds=[{"imageTag": "1"}, {"imageTag": "2"}]
        )
        (found,) = answer["images"]
        assert found["imageManifest"].encode() == image.manifest.data
        (failure,) = answer["failures"]
        assert failure["failureCode"] == "ImageNotFound"
        assert failure["imageId"] == {"imageTag": "2"}

        blob = image.blobs[-1]
        link = ecr.get_download_url_for_layer(
            repositoryName="quay/team/app", layerDigest=blob.digest
        )
        path = link["downloadUrl"].partition("4566")[2]
        assert app.request("GET", path).data == blob.data
        upstream.close()
        assert app.request("GET", path).data == blob.data

    def test_strict_ecr_redirects(self, app: App, upstream: FakeUpstream, image: Image) -> None:
        strict = app.another_process(strict_ecr=True, upstreams={"quay.io": upstream.url}).oci()
        strict.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        blob = image.blobs[0]
        answer = strict.expect(307, "GET", f"/v2/quay/team/app/blobs/{blob.digest}")
        assert app.request("GET", answer.headers["Location"]).data == blob.data

    def test_an_index_and_its_children(
        self, oci: OciCaller, ecr: Any, upstream: FakeUpstream
    ) -> None:
        images = [make_image(), make_image(layers=3, architecture="arm64")]
        index = make_index(images)
        upstream.add("team/multi", index, "1")
        answer = oci.expect(200, "GET", "/v2/quay/team/multi/manifests/1")
        assert answer.data == index.manifest.data
        # Only what is pulled is fetched.
        assert upstream.count("GET /v2/team/multi/") == 1
        for image in images:
            pull(oci, "quay/team/multi", image.manifest.digest, image)
        described = ecr.describe_images(
            repositoryName="quay/team/multi", imageIds=[{"imageTag": "1"}]
        )["imageDetails"][0]
        sizes = [sum(len(blob.data) for blob in image.blobs) for image in images]
        assert described["imageSizeInBytes"] == max(sizes)

    def test_docker_manifests(self, oci: OciCaller, upstream: FakeUpstream) -> None:
        image = make_image(docker=True)
        upstream.add("library/app", image, "latest")
        pull(oci, "quay/library/app", "latest", image)
        assert image.manifest.media_type == DOCKER_MANIFEST


class TestWhichRule:
    @pytest.mark.parametrize(
        ("prefix", "upstream_prefix", "name", "at_upstream"),
        [
            ("qu", None, "qu/team/app", "team/app"),
            ("qu/", "ROOT", "qu/team/app", "team/app"),
            ("quay/team", None, "quay/team/app", "app"),
            ("quay/team", "their", "quay/team/app", "their/app"),
            ("ROOT", None, "team/app", "team/app"),
        ],
    )
    def test_names(
        self,
        oci: OciCaller,
        ecr: Any,
        upstream: FakeUpstream,
        prefix: str,
        upstream_prefix: str | None,
        name: str,
        at_upstream: str,
    ) -> None:
        more = {"upstreamRepositoryPrefix": upstream_prefix} if upstream_prefix else {}
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix=prefix, upstreamRegistryUrl="quay.io", **more
        )
        image = make_image()
        upstream.add(at_upstream, image, "1")
        pull(oci, name, "1", image)

    @pytest.mark.parametrize("name", ["other/app", "quay", "quayteam/app"])
    def test_what_no_rule_covers(self, oci: OciCaller, upstream: FakeUpstream, name: str) -> None:
        oci.refused(404, "NAME_UNKNOWN", "GET", f"/v2/{name}/manifests/1")
        assert upstream.seen == []

    @pytest.mark.parametrize("name", ["quay/../app", "quay/A", "quay//app", "quay/a%3fb=c"])
    def test_what_is_no_name_is_not_asked_for(
        self, oci: OciCaller, upstream: FakeUpstream, name: str
    ) -> None:
        assert oci.request("GET", f"/v2/{name}/manifests/1").status_code in (400, 404, 405)
        assert upstream.seen == []

    def test_another_region_of_the_account(self, app: App, oci: OciCaller, ecr: Any) -> None:
        elsewhere = app.ecr(region="eu-west-1")
        elsewhere.create_repository(repositoryName="team/app")
        image = make_image()
        app.oci(region="eu-west-1").push("team/app", image, "1")
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="eu",
            upstreamRegistryUrl=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
        )
        pull(oci, "eu/team/app", "1", image)
        oci.refused(404, "NAME_UNKNOWN", "GET", "/v2/eu/team/none/manifests/1")


class TestTheRepository:
    def test_default_settings(self, oci: OciCaller, ecr: Any, image: Image) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        (found,) = ecr.describe_repositories()["repositories"]
        assert found["repositoryName"] == "quay/team/app"
        assert found["imageTagMutability"] == "MUTABLE"
        assert found["encryptionConfiguration"] == {"encryptionType": "AES256"}

    def test_by_a_template(self, oci: OciCaller, ecr: Any, image: Image) -> None:
        create_template(
            ecr, "quay", appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability="IMMUTABLE"
        )
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        (found,) = ecr.describe_repositories()["repositories"]
        assert found["imageTagMutability"] == "IMMUTABLE"

    def test_one_that_exists(self, oci: OciCaller, ecr: Any, image: Image) -> None:
        ecr.create_repository(repositoryName="quay/team/app")
        pull(oci, "quay/team/app", "1", image)

    def test_a_404_creates_none(self, oci: OciCaller, ecr: Any, upstream: FakeUpstream) -> None:
        oci.refused(404, "NAME_UNKNOWN", "GET", "/v2/quay/team/none/manifests/1")
        code, _ = refusal(
            ecr.batch_get_image, repositoryName="quay/none", imageIds=[{"imageTag": "1"}]
        )
        assert code == "RepositoryNotFoundException"
        assert ecr.describe_repositories()["repositories"] == []
        assert upstream.count("GET") == 2

    def test_a_404_of_an_image(self, oci: OciCaller, image: Image) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        oci.refused(404, "MANIFEST_UNKNOWN", "GET", "/v2/quay/team/app/manifests/2")

    def test_a_layer_that_no_image_names_is_not_asked_for(
        self, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        asked = len(upstream.seen)
        path = f"/v2/quay/team/app/blobs/sha256:{'0' * 64}"
        oci.refused(404, "BLOB_UNKNOWN", "GET", path)
        oci.expect(404, "HEAD", path)
        assert len(upstream.seen) == asked

    def test_an_archived_image_is_not_fetched_again(
        self, oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        ecr.update_image_storage_class(
            repositoryName="quay/team/app",
            imageId={"imageTag": "1"},
            targetStorageClass="ARCHIVE",
        )
        asked = len(upstream.seen)
        oci.refused(404, "MANIFEST_UNKNOWN", "GET", "/v2/quay/team/app/manifests/1")
        assert len(upstream.seen) == asked


class TestWhatWaitsForTheWhole:
    def test_replication(self, app: App, oci: OciCaller, ecr: Any, image: Image) -> None:
        ecr.put_replication_configuration(
            replicationConfiguration={
                "rules": [{"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}]
            }
        )
        elsewhere = app.ecr(region="eu-west-1")
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        app.run_jobs()
        assert elsewhere.describe_repositories()["repositories"] == []
        pull(oci, "quay/team/app", "1", image)
        app.run_jobs()
        (copied,) = elsewhere.describe_images(repositoryName="quay/team/app")["imageDetails"]
        assert copied["imageTags"] == ["1"]

    def test_what_is_pushed_on_before_is_not_replicated(
        self, app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        ecr.put_replication_configuration(
            replicationConfiguration={
                "rules": [{"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}]
            }
        )
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        # A layer that somebody else has, and this repository has not: no way to get it.
        ecr.create_repository(repositoryName="private")
        oci.push_blob("private", image.blobs[0].data)
        body = image.manifest.data.decode()
        ecr.put_image(repositoryName="quay/team/app", imageManifest=body, imageTag="mine")
        app.run_jobs()
        (status,) = ecr.describe_image_replication_status(
            repositoryName="quay/team/app", imageId={"imageTag": "mine"}
        )["replicationStatuses"]
        assert (status["status"], status["failureCode"]) == ("FAILED", "LayersNotFound")

    def test_it_is_no_damage(self, app: App, oci: OciCaller, image: Image) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        database = Database(app.settings.database_url, durability="relaxed")
        try:
            blobs = open_blobs(app.folder, database, app.clock)
            assert list(StoreCheck(database, blobs).run()) == []
        finally:
            database.close()

    def test_an_index_is_whole_with_its_children(
        self, app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream
    ) -> None:
        ecr.put_replication_configuration(
            replicationConfiguration={
                "rules": [{"destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}]}]
            }
        )
        images = [make_image(), make_image()]
        upstream.add("m", make_index(images), "1")
        oci.expect(200, "GET", "/v2/quay/m/manifests/1")
        elsewhere = app.ecr(region="eu-west-1")
        pull(oci, "quay/m", images[0].manifest.digest, images[0])
        app.run_jobs()
        assert len(elsewhere.list_images(repositoryName="quay/m")["imageIds"]) == 1
        pull(oci, "quay/m", images[1].manifest.digest, images[1])
        app.run_jobs()
        assert len(elsewhere.list_images(repositoryName="quay/m")["imageIds"]) == 3


class TestTagsAfterADay:
    def test_one_that_moved(
        self, app: App, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        moved = make_image()
        upstream.add("team/app", moved, "1")
        app.clock.advance(DAY - timedelta(seconds=1))
        app_token = app.oci()
        pull(app_token, "quay/team/app", "1", image)
        assert upstream.count("HEAD") == 0
        app.clock.advance(timedelta(seconds=1))
        pull(app.oci(), "quay/team/app", "1", moved)
        # The one before is still there by its digest.
        pull(app.oci(), "quay/team/app", image.manifest.digest, image)
        asked = len(upstream.seen)
        pull(app.oci(), "quay/team/app", "1", moved)
        assert len(upstream.seen) == asked

    def test_one_that_stayed(
        self, app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        for days in (1, 2):
            app.clock.advance(DAY)
            for _ in range(2):
                answer = ecr.batch_get_image(
                    repositoryName="quay/team/app", imageIds=[{"imageTag": "1"}]
                )
                assert answer["images"][0]["imageId"]["imageDigest"] == image.manifest.digest
            assert upstream.count("HEAD /v2/team/app/manifests/1") == days
        assert upstream.count("GET /v2/team/app/manifests/1") == 1

    @pytest.mark.parametrize("status", [401, 404, 429, 500])
    def test_an_upstream_that_does_not_say(
        self, app: App, oci: OciCaller, upstream: FakeUpstream, image: Image, status: int
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        upstream.failing = status
        app.clock.advance(DAY)
        for _ in range(3):
            pull(app.oci(), "quay/team/app", "1", image)
        # It is not asked on each pull.
        assert upstream.count("HEAD") == 1
        upstream.failing = 0
        moved = make_image()
        upstream.add("team/app", moved, "1")
        app.clock.advance(DAY if status == 404 else timedelta(seconds=60))
        pull(app.oci(), "quay/team/app", "1", moved)

    def test_an_unreachable_upstream(
        self, app: App, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        upstream.close()
        app.clock.advance(DAY)
        pull(app.oci(), "quay/team/app", "1", image)

    def test_an_immutable_tag_stays(
        self, app: App, oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        create_template(
            ecr, "quay", appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability="IMMUTABLE"
        )
        pull(oci, "quay/team/app", "1", image)
        upstream.add("team/app", make_image(), "1")
        app.clock.advance(DAY)
        pull(app.oci(), "quay/team/app", "1", image)

    def test_a_tag_that_was_pushed_is_its_pushers(
        self, app: App, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        pull(oci, "quay/team/app", "1", image)
        pushed = make_image()
        oci.push("quay/team/app", pushed, "1")
        asked = len(upstream.seen)
        app.clock.advance(DAY)
        pull(app.oci(), "quay/team/app", "1", pushed)
        assert len(upstream.seen) == asked


FAILURES = [
    (401, "UpstreamAccessDenied", 403, "DENIED"),
    (403, "UpstreamAccessDenied", 403, "DENIED"),
    (429, "UpstreamTooManyRequests", 429, "TOOMANYREQUESTS"),
    (500, "UpstreamUnavailable", 503, "UNAVAILABLE"),
    (302, "UpstreamUnavailable", 503, "UNAVAILABLE"),
]


class TestFailures:
    @pytest.mark.parametrize(("status", "failure", "oci_status", "code"), FAILURES)
    def test_of_images(
        self,
        oci: OciCaller,
        ecr: Any,
        upstream: FakeUpstream,
        status: int,
        failure: str,
        oci_status: int,
        code: str,
    ) -> None:
        upstream.failing = status
        message = oci.refused(oci_status, code, "GET", "/v2/quay/team/app/manifests/1")
        answer = ecr.batch_get_image(repositoryName="quay/team/app", imageIds=[{"imageTag": "1"}])
        assert answer["images"] == []
        assert answer["failures"] == [
            {"imageId": {"imageTag": "1"}, "failureCode": failure, "failureReason": message}
        ]
        assert ecr.describe_repositories()["repositories"] == []

    def test_no_repository_more_may_be_created(
        self, app: App, upstream: FakeUpstream, image: Image
    ) -> None:
        full = app.another_process(
            upstreams={"quay.io": upstream.url}, quotas={"repositories-per-registry": 0}
        )
        code, message = refusal(
            full.ecr().batch_get_image, repositoryName="quay/team/app", imageIds=[{"imageTag": "1"}]
        )
        assert code == "LimitExceededException"
        assert message.startswith(f"The registry with id '{ACCOUNT}' already has the maximum ")
        path = "/v2/quay/team/app/manifests/1"
        assert full.oci().refused(403, "DENIED", "GET", path) == message

    @pytest.mark.parametrize(("status", "_failure", "oci_status", "code"), FAILURES)
    def test_of_layers(
        self,
        app: App,
        oci: OciCaller,
        ecr: Any,
        upstream: FakeUpstream,
        image: Image,
        status: int,
        _failure: str,
        oci_status: int,
        code: str,
    ) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        upstream.blob_status = status
        digest = image.blobs[0].digest
        oci.refused(oci_status, code, "GET", f"/v2/quay/team/app/blobs/{digest}")
        error, _ = refusal(
            ecr.get_download_url_for_layer, repositoryName="quay/team/app", layerDigest=digest
        )
        assert error == "UnableToGetUpstreamLayerException"
        assert left_uploads(app) == []
        upstream.blob_status = 0
        pull(oci, "quay/team/app", "1", image)

    def test_a_manifest_without_its_digest(
        self, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        wrong = f"sha256:{'0' * 64}"
        upstream._manifests["team/app", wrong] = image.manifest
        oci.refused(503, "UNAVAILABLE", "GET", f"/v2/quay/team/app/manifests/{wrong}")

    def test_what_is_no_manifest(self, oci: OciCaller, upstream: FakeUpstream) -> None:
        upstream._manifests["team/app", "1"] = type(make_image().manifest)(
            DOCKER_MANIFEST, b'{"hello":1}'
        )
        oci.refused(503, "UNAVAILABLE", "GET", "/v2/quay/team/app/manifests/1")

    @pytest.mark.parametrize("fault", ["corrupt", "short"])
    def test_a_layer_that_is_not_what_it_should_be(
        self, app: App, oci: OciCaller, upstream: FakeUpstream, image: Image, fault: str
    ) -> None:
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        blob = image.blobs[-1]
        getattr(upstream, fault).add(blob.digest)
        path = f"/v2/quay/team/app/blobs/{blob.digest}"
        upstream.gate.clear()
        answer = oci.request("GET", path)
        assert answer.status_code == 200
        upstream.gate.set()
        # The server breaks the connection off at that.
        received = b"".join(answer.iter_encoded())
        assert len(received) < int(answer.headers["Content-Length"]) == len(blob.data)
        assert oci.request("HEAD", path).status_code == 503
        assert left_uploads(app) == []
        getattr(upstream, fault).clear()
        assert oci.expect(200, "GET", path).data == blob.data


class TestCredentials:
    @pytest.fixture
    def rule(self, ecr: Any) -> None:
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix="hub", upstreamRegistryUrl=HUB, credentialArn=SECRET
        )

    @pytest.fixture
    def private(self, upstream: FakeUpstream) -> None:
        upstream.wants_token = True
        upstream.login = ("someone", "s3cret")

    def known(self, app: App, secrets: Path, upstream: FakeUpstream, **document: Any) -> App:
        secrets.write_text(json.dumps(document or {}))
        return app.another_process(upstreams={HUB: upstream.url}, secrets=str(secrets))

    @pytest.mark.usefixtures("rule", "private")
    @pytest.mark.parametrize(
        "name", [SECRET, "ecr-pullthroughcache/hub", "ecr-pullthroughcache/hub-AbCdEf"]
    )
    def test_a_secret(
        self, app: App, secrets: Path, upstream: FakeUpstream, image: Image, name: str
    ) -> None:
        login = {"username": "someone", "accessToken": "s3cret"}
        process = self.known(app, secrets, upstream, **{name: login})
        pull(process.oci(), "hub/team/app", "1", image)
        # One token serves all requests for a repository.
        assert upstream.tokens_given == 1
        answer = process.ecr().validate_pull_through_cache_rule(ecrRepositoryPrefix="hub")
        assert answer["isValid"] is True

    @pytest.mark.usefixtures("rule", "private")
    def test_a_wrong_one(
        self, app: App, secrets: Path, upstream: FakeUpstream, image: Image
    ) -> None:
        login = {"username": "someone", "accessToken": "wr0ng"}
        process = self.known(app, secrets, upstream, **{SECRET: login})
        process.oci().refused(403, "DENIED", "GET", "/v2/hub/team/app/manifests/1")
        answer = process.ecr().validate_pull_through_cache_rule(ecrRepositoryPrefix="hub")
        assert answer["isValid"] is False
        assert answer["failure"].startswith("The authentication to the upstream registry failed.")

    @pytest.mark.usefixtures("rule", "private")
    def test_none(self, oci: OciCaller, ecr: Any, upstream: FakeUpstream) -> None:
        message = oci.refused(403, "DENIED", "GET", "/v2/hub/team/app/manifests/1")
        assert refusal(
            ecr.batch_get_image, repositoryName="hub/team/app", imageIds=[{"imageTag": "1"}]
        ) == ("UnableToGetUpstreamImageException", message)
        assert upstream.seen == []

    def test_a_token_for_anyone(self, oci: OciCaller, upstream: FakeUpstream, image: Image) -> None:
        upstream.wants_token = True
        pull(oci, "quay/team/app", "1", image)
        assert upstream.authorizations["/token"] is None

    def test_are_not_sent_to_where_a_layer_is_redirected(
        self, oci: OciCaller, upstream: FakeUpstream, image: Image
    ) -> None:
        storage = FakeUpstream()
        storage.add("any", image)
        upstream.wants_token = True
        upstream.blobs_at = storage.url
        try:
            pull(oci, "quay/team/app", "1", image)
        finally:
            storage.close()
        assert len(storage.authorizations) == len(image.blobs)
        assert set(storage.authorizations.values()) == {None}


class TestPermissions:
    @pytest.fixture
    def user(self, tmp_path: Path, upstream: FakeUpstream) -> Iterator[Any]:
        """Makes a caller at the OCI door whose user may do the given actions."""
        made: list[App] = []

        def make(*actions: str) -> OciCaller:
            statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
            policy = {"Version": "2012-10-17", "Statement": [statement]}
            user = {"access_keys": {"AKIAUSEREXAMPLE00001": "s"}, "policies": {"p": policy}}
            path = tmp_path / "identities.json"
            path.write_text(json.dumps({"accounts": {ACCOUNT: {"users": {"user": user}}}}))
            app = App(
                tmp_path / "permissions",
                upstreams={"quay.io": upstream.url},
                identities=str(path),
            )
            made.append(app)
            app.ecr().create_pull_through_cache_rule(
                ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
            )
            client = app.ecr("AKIAUSEREXAMPLE00001", secret="s")
            (data,) = client.get_authorization_token()["authorizationData"]
            return OciCaller(app, data["authorizationToken"])

        yield make
        for app in made:
            app.close()

    READ = ("ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")

    def test_all_that_it_takes(self, user: Any, image: Image) -> None:
        caller = user(*self.READ, "ecr:BatchImportUpstreamImage", "ecr:CreateRepository")
        pull(caller, "quay/team/app", "1", image)

    @pytest.mark.parametrize(
        ("given", "lacking"),
        [
            ("ecr:CreateRepository", "ecr:BatchImportUpstreamImage"),
            ("ecr:BatchImportUpstreamImage", "ecr:CreateRepository"),
        ],
    )
    def test_one_is_lacking(
        self, user: Any, upstream: FakeUpstream, image: Image, given: str, lacking: str
    ) -> None:
        caller = user(*self.READ, given)
        message = caller.refused(403, "DENIED", "GET", "/v2/quay/team/app/manifests/1")
        assert lacking in message
        assert upstream.seen == []

    def test_what_is_cached_takes_none(self, user: Any, image: Image) -> None:
        caller = user(*self.READ)
        pull(caller.app.oci(), "quay/team/app", "1", image)
        pull(caller, "quay/team/app", "1", image)


class TestEvents:
    """User guide, "Amazon ECR events and EventBridge", "Event for a pull through cache action"."""

    @pytest.fixture
    def told(self, app: App) -> Iterator[Any]:
        database = Database(app.settings.database_url, durability="relaxed")
        log = EventLog(database, app.clock, DeliveryQueue([]))

        def find() -> list[dict[str, Any]]:
            found = log.find(detail_type="ECR Pull Through Cache Action", limit=10)
            return [item.body["detail"] for item in found]

        yield find
        database.close()

    def test_of_images(
        self, oci: OciCaller, upstream: FakeUpstream, image: Image, told: Any
    ) -> None:
        rule = {
            "rule-version": "1",
            "ecr-repository-prefix": "quay",
            "repository-name": "quay/team/app",
            "upstream-registry-url": "quay.io",
            "image-tag": "1",
        }
        upstream.failing = 429
        message = oci.refused(429, "TOOMANYREQUESTS", "GET", "/v2/quay/team/app/manifests/1")
        failure = {"failure-code": "UpstreamTooManyRequests", "failure-reason": message}
        assert told() == [{**rule, "sync-status": "FAILURE", **failure}]
        upstream.failing = 0
        pull(oci, "quay/team/app", "1", image)
        digest = {"image-digest": image.manifest.digest}
        assert told()[1:] == [{**rule, "sync-status": "SUCCESS", **digest}]


class TestManyClients:
    def test_one_fetch_for_all(self, app: App, upstream: FakeUpstream, image: Image) -> None:
        """Four threads in each of two processes; the upstream is slow."""
        addresses = {"quay.io": upstream.url}
        processes = [app, app.another_process(upstreams=addresses)]
        callers = [process.oci() for process in processes for _ in range(4)]
        upstream.gate.clear()
        threading.Timer(0.5, upstream.gate.set).start()
        with ThreadPoolExecutor(len(callers)) as pool:
            for done in [
                pool.submit(pull, caller, "quay/team/app", "1", image) for caller in callers
            ]:
                done.result(30)
        for blob in image.blobs:
            assert upstream.count(f"GET /v2/team/app/blobs/{blob.digest}") == 1
        assert upstream.count("GET /v2/team/app/manifests/1") == 1
        assert left_uploads(app) == []

    def test_who_comes_second_gets_what_the_first_one_cached(
        self, app: App, upstream: FakeUpstream, image: Image, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between the look for the image and the import somebody else has imported it."""
        path = "/v2/quay/team/app/manifests/1"
        first = app.another_process(upstreams={"quay.io": upstream.url}).oci()
        find, looks = ImageReads.manifest, []

        def find_too_early(reads: ImageReads, *args: Any) -> Any:
            looks.append(args)
            is_second = len(looks) == 1
            try:
                return find(reads, *args)
            finally:
                if is_second:
                    first.expect(200, "GET", path)

        monkeypatch.setattr(ImageReads, "manifest", find_too_early)
        assert app.oci().expect(200, "GET", path).data == image.manifest.data
        assert upstream.count("GET /v2/team/app/manifests/1") == 1

    def test_bytes_come_while_they_are_stored(
        self, app: App, upstream: FakeUpstream, image: Image
    ) -> None:
        oci = app.oci()
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        blob = image.blobs[-1]
        upstream.gate.clear()
        answer = oci.expect(200, "GET", f"/v2/quay/team/app/blobs/{blob.digest}")
        chunks = answer.iter_encoded()
        first = b""
        while len(first) < len(blob.data) // 2:
            first += next(chunks)
        assert blob.data.startswith(first)
        upstream.gate.set()
        assert first + b"".join(chunks) == blob.data

    def test_a_client_that_goes_away_loses_nothing(
        self, app: App, ecr: Any, upstream: FakeUpstream, image: Image
    ) -> None:
        oci = app.oci()
        oci.expect(200, "GET", "/v2/quay/team/app/manifests/1")
        blob = image.blobs[-1]
        upstream.gate.clear()
        answer = oci.request("GET", f"/v2/quay/team/app/blobs/{blob.digest}")
        next(answer.iter_encoded())
        answer.close()
        upstream.gate.set()
        until = time.monotonic() + 10
        while time.monotonic() < until:
            (found,) = ecr.batch_check_layer_availability(
                repositoryName="quay/team/app", layerDigests=[blob.digest]
            )["layers"]
            if found["layerAvailability"] == "AVAILABLE":
                break
            time.sleep(0.01)
        upstream.close()
        path = f"/v2/quay/team/app/blobs/{blob.digest}"
        assert oci.expect(200, "GET", path).data == blob.data
