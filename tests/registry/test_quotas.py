"""Service quotas: AWS's numbers, other ones by setting, and what is refused beyond them.

Sources: "Amazon ECR service quotas", "Amazon ECR Public service quotas"; the texts for images and
tags as docker showed them (theopensystemslab/planx-new#4074, namespacelabs/foundation#649), the
status over the registry protocol from aws/containers-roadmap#2159; the other texts are likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.arns import RegistryKey, public_registry
from ecr_emulator.config import SettingError, Settings
from ecr_emulator.quotas import QUOTA_NAMES, Quotas, ServiceQuotas
from tests.support.app import ACCOUNT, REGION, App, OciCaller
from tests.support.images import make_image
from tests.support.refusals import refusal

LIMIT = "LimitExceededException"
TWO = dict.fromkeys(
    (
        "repositories-per-registry",
        "images-per-repository",
        "tags-per-image",
        "layer-parts",
        "layer-size",
        "pull-through-cache-rules",
        "repository-creation-templates",
    ),
    2,
)
PART = b"\0" * 5 * 1024**2
IMAGES = (
    LIMIT,
    f"The repository with name 'app' in registry with id '{ACCOUNT}' already has the maximum "
    "allowed number of images which is '2'",
)
TAGS = (
    LIMIT,
    f"Adding tag 'c' to an image in the repository with name 'app' in registry with id "
    f"'{ACCOUNT}' exceeds the maximum allowed number of tags per image which is '2'",
)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An application whose every quota is two."""
    made = App(tmp_path / "data", quotas=TWO)
    yield made
    made.close()


@pytest.fixture(params=["ecr", "ecr-public"])
def client(app: App, request: pytest.FixtureRequest) -> Any:
    """A client of either service, and a repository ``app``."""
    made = app.ecr(service=request.param)
    made.create_repository(repositoryName="app")
    return made


def test_the_numbers_are_those_of_aws() -> None:
    quotas = ServiceQuotas({})
    assert quotas.of(RegistryKey(ACCOUNT, REGION)) == Quotas(
        repositories_per_registry=100_000,
        images_per_repository=100_000,
        tags_per_image=1_000,
        layer_parts=4_200,
        layer_size=52_000,
        pull_through_cache_rules=50,
        repository_creation_templates=50,
    )
    public = quotas.of(public_registry(ACCOUNT))
    assert (public.repositories_per_registry, public.images_per_repository) == (10_000, 100_000)
    assert (public.layer_parts, public.layer_size) == (1_000, 10_000)


def test_a_setting_changes_some() -> None:
    settings = Settings(quotas="layer-parts=3, tags-per-image = 0")
    assert settings.quotas == {"layer-parts": 3, "tags-per-image": 0}
    quotas = ServiceQuotas(settings.quotas)
    for key in (RegistryKey(ACCOUNT, REGION), public_registry(ACCOUNT)):
        assert (quotas.of(key).layer_parts, quotas.of(key).tags_per_image) == (3, 0)
        assert quotas.of(key).images_per_repository == 100_000
    assert tuple(TWO) == QUOTA_NAMES


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("layer-parts", "is not NAME=NUMBER, or several of these with commas between"),
        ("parts=1", f"names a quota that is none of {', '.join(QUOTA_NAMES)}"),
        (
            {"layer-parts": "many"},
            "holds for layer-parts what is not a whole number from 0 to 1000000000",
        ),
        ([], "is not a table of numbers by quota"),
    ],
)
def test_a_setting_that_is_none(value: Any, fault: str) -> None:
    with pytest.raises(SettingError, match=f"setting quotas: .* {fault}$"):
        Settings(quotas=value)


def test_repositories(client: Any) -> None:
    client.create_repository(repositoryName="second")
    refused = refusal(client.create_repository, repositoryName="third")
    assert refused == (
        LIMIT,
        f"The registry with id '{ACCOUNT}' already has the maximum allowed number of "
        "repositories which is '2'",
    )
    code, _ = refusal(client.create_repository, repositoryName="second")
    assert code == "RepositoryAlreadyExistsException"
    client.delete_repository(repositoryName="second")
    client.create_repository(repositoryName="third")


class TestRepositoriesThatEcrCreates:
    """They count, and are not created beyond the quota."""

    FULL = (
        f"The registry with id '{ACCOUNT}' already has the maximum allowed number of "
        "repositories which is '2'"
    )

    @pytest.fixture(autouse=True)
    def full(self, app: App) -> Any:
        """Two repositories, and a template for those that are created on push."""
        ecr = app.ecr()
        for name in ("app", "second"):
            ecr.create_repository(repositoryName=name)
        ecr.create_repository_creation_template(prefix="ROOT", appliedFor=["CREATE_ON_PUSH"])
        return ecr

    def test_on_push(self, app: App, full: Any) -> None:
        # The operation does not model LimitExceededException.
        assert refusal(full.initiate_layer_upload, repositoryName="third") == (
            "InvalidParameterException",
            self.FULL,
        )
        manifest = make_image(1, 100).manifest.data.decode()
        put = {"repositoryName": "third", "imageManifest": manifest}
        assert refusal(full.put_image, **put) == (LIMIT, self.FULL)
        oci = app.oci()
        assert oci.refused(403, "DENIED", "POST", "/v2/third/blobs/uploads/") == self.FULL
        full.delete_repository(repositoryName="second")
        oci.start_upload("third")
        assert [
            item["repositoryName"] for item in full.describe_repositories()["repositories"]
        ] == [
            "app",
            "third",
        ]

    def test_by_replication(self, app: App, full: Any) -> None:
        there = app.ecr(region="eu-west-1")
        for name in ("one", "two"):
            there.create_repository(repositoryName=name)
        destination = {"region": "eu-west-1", "registryId": ACCOUNT}
        full.put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": [destination]}]}
        )
        app.oci().push("app", make_image(1, 100), "v1")
        app.run_jobs()
        (status,) = full.describe_image_replication_status(
            repositoryName="app", imageId={"imageTag": "v1"}
        )["replicationStatuses"]
        assert (status["status"], status["failureCode"]) == ("FAILED", "LimitExceeded")
        assert len(there.describe_repositories()["repositories"]) == 2


def put(client: Any, app: App, tag: str, image: Any) -> Any:
    """Put an image by the API, with its layers."""
    for blob in image.blobs:
        upload = client.initiate_layer_upload(repositoryName="app")["uploadId"]
        given = {"repositoryName": "app", "uploadId": upload}
        client.upload_layer_part(
            **given, partFirstByte=0, partLastByte=len(blob.data) - 1, layerPartBlob=blob.data
        )
        client.complete_layer_upload(**given, layerDigests=[blob.digest])
    return lambda: client.put_image(
        repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag=tag
    )


def test_images(app: App, client: Any) -> None:
    for tag in ("1", "2"):
        put(client, app, tag, make_image(1, 10))()
    assert refusal(put(client, app, "3", make_image(1, 10))) == IMAGES
    client.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "1"}])
    put(client, app, "3", make_image(1, 10))()


def test_tags(app: App, client: Any) -> None:
    image = make_image(1, 10)
    put(client, app, "a", image)()

    def tag(name: str) -> Any:
        return client.put_image(
            repositoryName="app", imageManifest=image.manifest.data.decode(), imageTag=name
        )

    tag("b")
    assert refusal(lambda: tag("c")) == TAGS
    # Nor can a tag of another image be moved to it.
    put(client, app, "c", make_image(1, 10))()
    assert refusal(lambda: tag("c")) == TAGS


def test_images_and_tags_by_docker(app: App) -> None:
    app.ecr().create_repository(repositoryName="app")
    oci: OciCaller = app.oci()
    first = make_image(1, 10)
    oci.push("app", first, "a")
    oci.push("app", first, "b")
    headers = {"Content-Type": first.manifest.media_type}
    put = ("PUT", "/v2/app/manifests/c", first.manifest.data, headers)
    assert oci.refused(403, "DENIED", *put) == TAGS[1]
    oci.push("app", make_image(1, 10), "c")
    third = make_image(1, 10)
    for blob in third.blobs:
        oci.push_blob("app", blob.data)
    put = ("PUT", "/v2/app/manifests/d", third.manifest.data, headers)
    assert oci.refused(403, "DENIED", *put) == IMAGES[1]


def test_parts_of_a_layer(client: Any) -> None:
    upload = client.initiate_layer_upload(repositoryName="app")["uploadId"]
    given = {"repositoryName": "app", "uploadId": upload, "layerPartBlob": b"x"}
    for first in range(2):
        client.upload_layer_part(**given, partFirstByte=first, partLastByte=first)
    refused = refusal(client.upload_layer_part, **given, partFirstByte=2, partLastByte=2)
    assert refused == (LIMIT, "The maximum number of layer parts (2) has been reached")


def test_the_size_of_a_layer(app: App, client: Any) -> None:
    upload = client.initiate_layer_upload(repositoryName="app")["uploadId"]
    given = {"repositoryName": "app", "uploadId": upload}
    too_large = (LIMIT, "The maximum layer size (2 MiB) has been reached")
    first = {**given, "partFirstByte": 0, "partLastByte": len(PART) - 1, "layerPartBlob": PART}
    assert refusal(client.upload_layer_part, **first) == too_large
    part = PART[: 2 * 1024**2]
    client.upload_layer_part(
        **given, partFirstByte=0, partLastByte=len(part) - 1, layerPartBlob=part
    )
    one_more = {"partFirstByte": len(part), "partLastByte": len(part), "layerPartBlob": b"x"}
    assert refusal(client.upload_layer_part, **given, **one_more) == too_large


def test_the_size_of_a_layer_by_docker(app: App) -> None:
    app.ecr().create_repository(repositoryName="app")
    oci: OciCaller = app.oci()
    text = "The maximum layer size (2 MiB) has been reached"
    location = oci.start_upload("app")
    path = location[location.index("/v2/") :]
    # However many pieces it comes in: parts are the API's.
    for _ in range(3):
        oci.expect(202, "PATCH", path, b"x")
    assert oci.refused(403, "DENIED", "PATCH", path, PART) == text
    digest = "sha256:" + "0" * 64
    assert oci.refused(403, "DENIED", "PUT", f"{path}?digest={digest}", PART) == text


def test_rules_and_templates(app: App) -> None:
    ecr = app.ecr()
    for prefix in ("aa", "bb"):
        ecr.create_pull_through_cache_rule(
            ecrRepositoryPrefix=prefix, upstreamRegistryUrl="public.ecr.aws"
        )
        ecr.create_repository_creation_template(prefix=prefix, appliedFor=["REPLICATION"])
    code, message = refusal(
        ecr.create_pull_through_cache_rule,
        ecrRepositoryPrefix="cc",
        upstreamRegistryUrl="public.ecr.aws",
    )
    assert (code, "(2)" in message) == (LIMIT, True)
    code, message = refusal(
        ecr.create_repository_creation_template, prefix="cc", appliedFor=["REPLICATION"]
    )
    assert (code, "(2)" in message) == (LIMIT, True)
