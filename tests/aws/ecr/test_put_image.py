"""PutImage.

Sources: API reference; texts from public issue threads and moto's tests; what no source shows is
the likeliest, as ``errors.py`` says.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from ecr_emulator import media_types
from tests.support.app import ACCOUNT, App, OciCaller, json_blob
from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Blob,
    Image,
    make_image,
    make_index,
)
from tests.support.refusals import refusal

NAME = "team/app"
ABSENT = "sha256:" + "0" * 64
ABSENT_TOO = "sha256:" + "1" * 64


@pytest.fixture(autouse=True)
def repository(ecr: Any) -> None:
    ecr.create_repository(repositoryName=NAME)


@pytest.fixture
def image(oci: OciCaller) -> Image:
    """An image whose blobs are uploaded, and whose manifest is not put yet."""
    return upload(oci, make_image(2))


def upload(oci: OciCaller, image: Image) -> Image:
    for blob in image.blobs:
        oci.push_blob(NAME, blob.data)
    return image


def params(manifest: Blob, tag: str | None = None, **others: Any) -> dict[str, Any]:
    """Return PutImage's parameters."""
    return {
        "repositoryName": NAME,
        "imageManifest": manifest.data.decode(),
        **({} if tag is None else {"imageTag": tag}),
        **others,
    }


def put(ecr: Any, manifest: Blob, tag: str | None = None, **others: Any) -> str:
    """Put an image and return its digest."""
    answer = ecr.put_image(**params(manifest, tag, **others))
    return str(answer["image"]["imageId"]["imageDigest"])


def tags(ecr: Any) -> dict[str, list[str]]:
    """Return the tags of every image by its digest."""
    details = ecr.describe_images(repositoryName=NAME)["imageDetails"]
    return {detail["imageDigest"]: detail.get("imageTags", []) for detail in details}


def exists(digest: str, tag: str = "null") -> tuple[str, str]:
    return (
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}' and tag '{tag}' already exists in the repository with name "
        f"'{NAME}' in registry with id '{ACCOUNT}'",
    )


def immutable(tag: str) -> tuple[str, str]:
    return (
        "ImageTagAlreadyExistsException",
        f"The image tag '{tag}' already exists in the '{NAME}' repository and cannot be "
        "overwritten because the tag is immutable.",
    )


def bad_manifest(text: str) -> tuple[str, str]:
    return (
        "InvalidParameterException",
        f"Invalid parameter at 'ImageManifest' failed to satisfy constraint: '{text}'",
    )


class TestPut:
    def test_minimal(self, ecr: Any, image: Image) -> None:
        answer = ecr.put_image(**params(image.manifest))
        del answer["ResponseMetadata"]
        assert answer == {
            "image": {
                "registryId": ACCOUNT,
                "repositoryName": NAME,
                "imageId": {"imageDigest": image.manifest.digest},
                "imageManifest": image.manifest.data.decode(),
                "imageManifestMediaType": OCI_MANIFEST,
            }
        }
        assert tags(ecr) == {image.manifest.digest: []}

    def test_full(self, ecr: Any, image: Image) -> None:
        answer = ecr.put_image(
            **params(
                image.manifest,
                "v1",
                registryId=ACCOUNT,
                imageManifestMediaType=OCI_MANIFEST,
                imageDigest=image.manifest.digest,
            )
        )
        del answer["ResponseMetadata"]
        assert answer == {
            "image": {
                "registryId": ACCOUNT,
                "repositoryName": NAME,
                "imageId": {"imageDigest": image.manifest.digest, "imageTag": "v1"},
                "imageManifest": image.manifest.data.decode(),
                "imageManifestMediaType": OCI_MANIFEST,
            }
        }

    def test_docker_pulls_it(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        put(ecr, image.manifest, "v1")
        response = oci.expect(200, "GET", f"/v2/{NAME}/manifests/v1")
        assert response.data == image.manifest.data
        assert response.content_type == OCI_MANIFEST
        assert response.headers["Docker-Content-Digest"] == image.manifest.digest

    def test_the_digest_is_that_of_the_very_text(self, ecr: Any, image: Image) -> None:
        document = {**json.loads(image.manifest.data), "annotations": {"a": "gr\u00fcn \u4e2d"}}
        text = json.dumps(document, indent=3, ensure_ascii=False) + "\n"
        manifest = Blob(OCI_MANIFEST, text.encode())
        assert put(ecr, manifest) == manifest.digest
        (found,) = ecr.batch_get_image(
            repositoryName=NAME, imageIds=[{"imageDigest": manifest.digest}]
        )["images"]
        assert found["imageManifest"] == text

    def test_by_a_sha512_digest(self, ecr: Any, image: Image) -> None:
        digest = "sha512:" + hashlib.sha512(image.manifest.data).hexdigest()
        assert put(ecr, image.manifest, "v1", imageDigest=digest) == digest
        assert tags(ecr) == {digest: ["v1"]}

    def test_kinds_of_manifests(self, ecr: Any, oci: OciCaller) -> None:
        docker, other = upload(oci, make_image(docker=True)), upload(oci, make_image())
        put(ecr, docker.manifest)
        put(ecr, other.manifest)
        index, docker_list = make_index([other]), make_index([docker], docker=True)
        put(ecr, index.manifest)
        put(ecr, docker_list.manifest)
        schema1 = json_blob(
            media_types.DOCKER_SCHEMA1,
            {"schemaVersion": 1, "fsLayers": [{"blobSum": docker.layers[0].digest}]},
        )
        put(ecr, schema1)
        artifact = json_blob(
            OCI_MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": "application/spdx+json",
                "config": other.config.descriptor(),
                "layers": [],
                "subject": {"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 1},
            },
        )
        put(ecr, artifact)
        details = {
            detail["imageDigest"]: detail
            for detail in ecr.describe_images(repositoryName=NAME)["imageDetails"]
        }
        shown = {
            digest: (
                detail["imageManifestMediaType"],
                detail.get("artifactMediaType"),
                detail["imageSizeInBytes"],
                detail.get("subjectManifestDigest"),
            )
            for digest, detail in details.items()
        }
        assert shown == {
            docker.manifest.digest: (
                DOCKER_MANIFEST,
                docker.config.media_type,
                docker.size,
                None,
            ),
            other.manifest.digest: (OCI_MANIFEST, OCI_CONFIG, other.size, None),
            index.manifest.digest: (OCI_INDEX, None, other.size, None),
            docker_list.manifest.digest: (DOCKER_LIST, None, docker.size, None),
            schema1.digest: (media_types.DOCKER_SCHEMA1, None, len(docker.layers[0].data), None),
            artifact.digest: (
                OCI_MANIFEST,
                "application/spdx+json",
                len(other.config.data),
                ABSENT,
            ),
        }

    def test_sizes(self, ecr: Any, oci: OciCaller) -> None:
        """Of an image configuration and layers, each once; of an index its largest child."""
        small, large = upload(oci, make_image(1, 100)), upload(oci, make_image(3, 9000))
        layer = small.layers[0].descriptor()
        twice = json_blob(
            OCI_MANIFEST, {**json.loads(small.manifest.data), "layers": [layer, layer]}
        )
        index = make_index([small, large])
        nested = json_blob(
            OCI_INDEX,
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [index.manifest.descriptor(), small.manifest.descriptor()],
            },
        )
        empty = json_blob(OCI_INDEX, {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        for manifest in (
            small.manifest,
            large.manifest,
            twice,
            index.manifest,
            nested,
            empty,
        ):
            put(ecr, manifest)
        sizes = {
            detail["imageDigest"]: detail["imageSizeInBytes"]
            for detail in ecr.describe_images(repositoryName=NAME)["imageDetails"]
        }
        assert sizes == {
            small.manifest.digest: small.size,
            large.manifest.digest: large.size,
            twice.digest: small.size,
            index.manifest.digest: large.size,
            nested.digest: large.size,
            empty.digest: 0,
        }

    def test_the_media_type_is_given_with_the_call(self, ecr: Any, image: Image) -> None:
        document = json.loads(image.manifest.data)
        del document["mediaType"]
        bare = json_blob(OCI_MANIFEST, document)
        assert refusal(ecr.put_image, **params(bare)) == (
            "InvalidParameterException",
            "image manifest mediatype not provided in manifest or parameter",
        )
        answer = ecr.put_image(**params(bare, imageManifestMediaType=OCI_MANIFEST))
        assert answer["image"]["imageManifestMediaType"] == OCI_MANIFEST


class TestTags:
    def test_a_second_tag(self, app: App, ecr: Any, image: Image) -> None:
        put(ecr, image.manifest, "v1")
        pushed = app.clock.now()
        app.clock.advance(timedelta(hours=1))
        put(ecr, image.manifest, "v2")
        (detail,) = ecr.describe_images(repositoryName=NAME)["imageDetails"]
        assert detail["imageTags"] == ["v1", "v2"]
        assert abs(detail["imagePushedAt"] - pushed) < timedelta(milliseconds=1)

    def test_a_tag_moves(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        other = upload(oci, make_image(1))
        put(ecr, image.manifest, "v1")
        put(ecr, image.manifest, "v2")
        put(ecr, other.manifest, "v1")
        assert tags(ecr) == {image.manifest.digest: ["v2"], other.manifest.digest: ["v1"]}
        put(ecr, other.manifest, "v2")
        assert tags(ecr) == {image.manifest.digest: [], other.manifest.digest: ["v1", "v2"]}

    def test_the_same_again(self, ecr: Any, image: Image) -> None:
        digest = put(ecr, image.manifest, "v1")
        assert refusal(ecr.put_image, **params(image.manifest, "v1")) == exists(digest, "v1")
        assert refusal(ecr.put_image, **params(image.manifest)) == exists(digest)

    @pytest.mark.parametrize(
        "tag", ["v1", "_", "A.b-c_d", "0", "latest", "a" * 128, "sha256-abc.sig"]
    )
    def test_what_a_tag_may_be(self, ecr: Any, image: Image, tag: str) -> None:
        assert tags(ecr) == {}
        put(ecr, image.manifest, tag)
        assert tags(ecr) == {image.manifest.digest: [tag]}

    @pytest.mark.parametrize(
        "tag", [".a", "-a", "a b", "a/b", "a:b", "a\n", "\u00e9", "a" * 129, "a\0", "../a"]
    )
    def test_what_it_may_not(self, ecr: Any, image: Image, tag: str) -> None:
        assert refusal(ecr.put_image, **params(image.manifest, tag)) == (
            "InvalidParameterException",
            "Invalid parameter at 'imageTag' failed to satisfy constraint: "
            "'must satisfy regular expression '[a-zA-Z0-9-_.]+''",
        )
        assert tags(ecr) == {}

    @pytest.mark.parametrize("tag", ["", "a" * 301])
    def test_what_the_model_refuses(self, app: App, image: Image, tag: str) -> None:
        status, answer = app.call("PutImage", params(image.manifest, tag))
        assert (status, answer["__type"]) == (400, "InvalidParameterException")
        assert answer["message"].startswith("Invalid parameter at 'imageTag'")


MODES: list[tuple[str, list[str], dict[str, bool]]] = [
    ("MUTABLE", [], {"v1": False, "dev-1": False}),
    ("IMMUTABLE", [], {"v1": True, "dev-1": True}),
    (
        "IMMUTABLE_WITH_EXCLUSION",
        ["dev-*", "*-tmp", "exact"],
        {
            "dev-1": False,
            "dev-": False,
            "dev": True,
            "a-tmp": False,
            "-tmpx": True,
            "exact": False,
            "exactly": True,
            "v1": True,
        },
    ),
    (
        "MUTABLE_WITH_EXCLUSION",
        ["v*.*", "a.c"],
        {"v1.0": True, "v.": True, "v1": False, "a.c": True, "abc": False, "xv1.0": False},
    ),
]


class TestMutability:
    @pytest.mark.parametrize(
        ("mode", "filters", "tag", "stays"),
        [
            (mode, filters, tag, stays)
            for mode, filters, expected in MODES
            for tag, stays in expected.items()
            if not tag.startswith("-")
        ],
    )
    @pytest.mark.parametrize("door", ["aws", "oci"])
    def test_a_tag_stays_or_moves(
        self,
        ecr: Any,
        oci: OciCaller,
        image: Image,
        mode: str,
        filters: list[str],
        tag: str,
        stays: bool,
        door: str,
    ) -> None:
        others = {
            "imageTagMutabilityExclusionFilters": [
                {"filterType": "WILDCARD", "filter": pattern} for pattern in filters
            ]
        }
        ecr.put_image_tag_mutability(
            repositoryName=NAME, imageTagMutability=mode, **(others if filters else {})
        )
        other = upload(oci, make_image(1))
        put(ecr, image.manifest, tag)
        path = f"/v2/{NAME}/manifests/{tag}"
        headers = {"Content-Type": OCI_MANIFEST}
        if stays and door == "aws":
            assert refusal(ecr.put_image, **params(other.manifest, tag)) == immutable(tag)
        elif stays:
            message = oci.refused(400, "TAG_INVALID", "PUT", path, other.manifest.data, headers)
            assert message == immutable(tag)[1]
        elif door == "aws":
            put(ecr, other.manifest, tag)
        else:
            oci.expect(201, "PUT", path, other.manifest.data, headers)
        digest = image.manifest.digest if stays else other.manifest.digest
        found = oci.expect(200, "HEAD", path).headers["Docker-Content-Digest"]
        assert found == digest

    def test_the_same_again_where_tags_are_immutable(
        self, ecr: Any, oci: OciCaller, image: Image
    ) -> None:
        """By the API it is there already; a push is refused as any other to the tag."""
        ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        digest = put(ecr, image.manifest, "v1")
        assert refusal(ecr.put_image, **params(image.manifest, "v1")) == exists(digest, "v1")
        path, headers = f"/v2/{NAME}/manifests/v1", {"Content-Type": OCI_MANIFEST}
        message = oci.refused(400, "TAG_INVALID", "PUT", path, image.manifest.data, headers)
        assert message == immutable("v1")[1]
        # By its digest, and under another tag, it may come again.
        oci.push(NAME, image)
        put(ecr, image.manifest, "v2")

    def test_a_tag_that_was_deleted_is_free(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        put(ecr, image.manifest, "v1")
        ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageTag": "v1"}])
        other = upload(oci, make_image(1))
        put(ecr, other.manifest, "v1")

    def test_what_an_index_stays_with(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        """A refused push leaves nothing: neither the image nor its layers' claims."""
        ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        put(ecr, image.manifest, "v1")
        other = upload(oci, make_image(1))
        refusal(ecr.put_image, **params(other.manifest, "v1"))
        assert tags(ecr) == {image.manifest.digest: ["v1"]}


class TestRefused:
    def test_a_missing_repository(self, ecr: Any, image: Image) -> None:
        expected = (
            "RepositoryNotFoundException",
            "The repository with name 'missing' does not exist in the registry with id "
            f"'{ACCOUNT}'",
        )
        for others in ({}, {"imageManifest": "{"}, {"imageDigest": ABSENT}):
            call = {**params(image.manifest), "repositoryName": "missing", **others}
            assert refusal(ecr.put_image, **call) == expected

    def test_another_digest(self, ecr: Any, image: Image) -> None:
        call = refusal(ecr.put_image, **params(image.manifest, imageDigest=ABSENT))
        assert call == (
            "ImageDigestDoesNotMatchException",
            f"The provided image digest '{ABSENT}' does not match the calculated image digest "
            f"'{image.manifest.digest}'",
        )
        assert tags(ecr) == {}

    @pytest.mark.parametrize("digest", ["", "abc", "sha256:00", "md5:00", "sha256:" + "A" * 64])
    def test_what_is_no_digest(self, ecr: Any, image: Image, digest: str) -> None:
        call = refusal(ecr.put_image, **params(image.manifest, imageDigest=digest))
        assert call == (
            "InvalidParameterException",
            "Invalid parameter at 'imageDigest' failed to satisfy constraint: "
            "'must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+''",
        )

    def test_missing_layers(self, ecr: Any, oci: OciCaller) -> None:
        image = make_image(2)
        oci.push_blob(NAME, image.layers[0].data)
        ecr.create_repository(repositoryName="other")
        oci.push_blob("other", image.layers[1].data)
        missing = f"[{image.config.digest}, {image.layers[1].digest}]"
        assert refusal(ecr.put_image, **params(image.manifest, "v1")) == (
            "LayersNotFoundException",
            f"Layers with digests '{missing}' required for pushing image into repository with "
            f"name '{NAME}' in the registry with id '{ACCOUNT}' do not exist",
        )
        assert tags(ecr) == {}

    def test_missing_images_of_an_index(self, ecr: Any, oci: OciCaller, image: Image) -> None:
        put(ecr, image.manifest)
        others = [make_image(1), make_image(1)]
        index = make_index([others[0], image, others[1]])
        missing = f"[{others[0].manifest.digest}, {others[1].manifest.digest}]"
        assert refusal(ecr.put_image, **params(index.manifest, "v1")) == (
            "ReferencedImagesNotFoundException",
            f"Images with digests '{missing}' required for pushing image into repository with "
            f"name '{NAME}' in the registry with id '{ACCOUNT}' do not exist",
        )

    def test_an_index_may_not_list_layers(self, ecr: Any, oci: OciCaller) -> None:
        digest = oci.push_blob(NAME, b"abc")
        index = json_blob(
            OCI_INDEX,
            {
                "schemaVersion": 2,
                "mediaType": OCI_INDEX,
                "manifests": [{"mediaType": OCI_LAYER, "digest": digest, "size": 3}],
            },
        )
        code, _ = refusal(ecr.put_image, **params(index))
        assert code == "ReferencedImagesNotFoundException"

    @pytest.mark.parametrize(
        ("manifest", "text"),
        [
            ("{", "Invalid JSON syntax"),
            ("[]", "Invalid JSON syntax"),
            ('{"schemaVersion": 2, "mediaType": "a/b"}', "Unsupported manifest media type 'a/b'"),
            (json.dumps({"schemaVersion": 3, "mediaType": OCI_INDEX}), "schemaVersion must be 2"),
            ("[" * 100_000, "Invalid JSON syntax"),
        ],
    )
    def test_what_is_no_manifest(self, ecr: Any, manifest: str, text: str) -> None:
        call = refusal(ecr.put_image, repositoryName=NAME, imageManifest=manifest)
        assert call == bad_manifest(text)

    def test_another_media_type(self, ecr: Any, image: Image) -> None:
        call = refusal(ecr.put_image, **params(image.manifest, imageManifestMediaType=OCI_INDEX))
        text = f"mediaType in manifest should be '{OCI_INDEX}' not '{OCI_MANIFEST}'"
        assert call == bad_manifest(text)

    @pytest.mark.parametrize("manifest", ["", "x" * 4_194_305])
    def test_how_long(self, app: App, manifest: str) -> None:
        body = {"repositoryName": NAME, "imageManifest": manifest}
        status, answer = app.call("PutImage", body)
        assert (status, answer["__type"]) == (400, "InvalidParameterException")
        assert answer["message"].startswith("Invalid parameter at 'imageManifest'")

    def test_the_longest(self, ecr: Any, image: Image) -> None:
        text = image.manifest.data.decode()
        longest = text + " " * (4_194_304 - len(text))
        ecr.put_image(repositoryName=NAME, imageManifest=longest)


class TestTogether:
    def test_one_tag_for_many(self, app: App, ecr: Any, oci: OciCaller) -> None:
        """Many threads of two processes put images under the same tag: it names one of them."""
        images = [upload(oci, make_image(1, 50)) for _ in range(8)]
        clients = [app.ecr() for _ in range(4)] + [app.another_process().ecr() for _ in range(4)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: put(clients[i], images[i].manifest, "v1"), range(8)))
        found = tags(ecr)
        assert found.keys() == {image.manifest.digest for image in images}
        assert sorted(found.values()) == [[]] * 7 + [["v1"]]

    def test_one_image_for_many(self, app: App, ecr: Any, image: Image) -> None:
        """Many put the same image: it is stored once, and all but one are told so."""
        clients = [app.ecr() for _ in range(4)] + [app.another_process().ecr() for _ in range(4)]

        def work(client: Any) -> str:
            try:
                return put(client, image.manifest, "v1")
            except ecr.exceptions.ClientError as error:
                return str(error.response["Error"]["Code"])

        with ThreadPoolExecutor(8) as pool:
            answers = sorted(pool.map(work, clients))
        assert answers == ["ImageAlreadyExistsException"] * 7 + [image.manifest.digest]
        assert tags(ecr) == {image.manifest.digest: ["v1"]}

    def test_an_immutable_tag_for_many(self, app: App, ecr: Any, oci: OciCaller) -> None:
        ecr.put_image_tag_mutability(repositoryName=NAME, imageTagMutability="IMMUTABLE")
        images = [upload(oci, make_image(1, 50)) for _ in range(8)]
        clients = [app.ecr() for _ in range(4)] + [app.another_process().ecr() for _ in range(4)]

        def work(number: int) -> bool:
            try:
                put(clients[number], images[number].manifest, "v1")
            except clients[number].exceptions.ImageTagAlreadyExistsException:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(work, range(8))) == 1
        assert len(tags(ecr)) == 1
