"""Manifests at the OCI door (OCI distribution specification, "Pulling", "Pushing", "Deleting").

What a manifest may be is tried in ``tests/registry/test_manifests.py``, immutable tags in
``tests/aws/ecr/test_put_image.py``, deletes of images of an index in
``tests/aws/ecr/test_delete_images.py``. Texts: public issue threads.
"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ecr_emulator import media_types
from tests.support.app import ACCOUNT, App, OciCaller, json_blob
from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Image,
    make_image,
    make_index,
    sha256,
)

ABSENT = "sha256:" + "0" * 64
NO_REPOSITORY = (
    f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'"
)


@pytest.fixture
def image(oci: OciCaller, repository: str) -> Image:
    """An image with the tag "v1"."""
    made = make_image(2)
    oci.push(repository, made, "v1")
    return made


def path(repository: str, reference: str) -> str:
    return f"/v2/{repository}/manifests/{reference}"


class TestGet:
    @pytest.mark.parametrize("by", ["tag", "digest"])
    def test_a_manifest(self, oci: OciCaller, repository: str, image: Image, by: str) -> None:
        reference = "v1" if by == "tag" else image.manifest.digest
        response = oci.expect(200, "GET", path(repository, reference))
        assert response.data == image.manifest.data
        headers = response.headers
        assert headers["Content-Type"] == OCI_MANIFEST
        assert headers["Content-Length"] == str(len(image.manifest.data))
        assert headers["Docker-Content-Digest"] == image.manifest.digest
        assert headers["ETag"] == f'"{image.manifest.digest}"'
        head = oci.expect(200, "HEAD", path(repository, reference))
        assert dict(head.headers) == dict(headers)

    @pytest.mark.parametrize(
        "accept",
        [
            *("application/json", OCI_INDEX, "*/*", "", "\xff", "a" * 9000, "," * 9000),
            f"{DOCKER_MANIFEST}, {OCI_MANIFEST}",
            f"{DOCKER_MANIFEST};q=1, {OCI_MANIFEST.upper()} ; q=0.1",
            f"{DOCKER_MANIFEST}, */*;q=0.1",
            f"{DOCKER_MANIFEST}, application/*",
        ],
    )
    def test_it_is_as_it_was_pushed(
        self, oci: OciCaller, repository: str, image: Image, accept: str
    ) -> None:
        response = oci.expect(200, "GET", path(repository, "v1"), headers={"Accept": accept})
        assert response.data == image.manifest.data

    @pytest.mark.parametrize(
        ("docker", "accept"),
        [(False, DOCKER_MANIFEST), (True, OCI_MANIFEST), (True, f"text/html,{OCI_MANIFEST};q=1")],
    )
    def test_by_tag_it_is_converted_for_who_accepts_only_that(
        self, oci: OciCaller, repository: str, docker: bool, accept: str
    ) -> None:
        """User guide, "Amazon ECR image manifest conversion"."""
        image = make_image(docker=docker)
        oci.push(repository, image, "v1")
        headers = {"Accept": accept}
        response = oci.expect(200, "GET", path(repository, "v1"), headers=headers)
        document, pushed = json.loads(response.data), json.loads(image.manifest.data)
        media_type = OCI_MANIFEST if docker else DOCKER_MANIFEST
        assert response.headers["Content-Type"] == document["mediaType"] == media_type
        assert response.headers["Docker-Content-Digest"] == sha256(response.data)
        assert document["config"]["digest"] == pushed["config"]["digest"]
        head = oci.expect(200, "HEAD", path(repository, "v1"), headers=headers)
        assert dict(head.headers) == dict(response.headers)
        condition = {**headers, "If-None-Match": response.headers["ETag"]}
        oci.expect(304, "GET", path(repository, "v1"), headers=condition)
        # A digest names its bytes, and no others.
        by_digest = path(repository, image.manifest.digest)
        assert oci.expect(200, "GET", by_digest, headers=headers).data == image.manifest.data

    @pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*", "{}"])
    def test_not_modified(self, oci: OciCaller, repository: str, image: Image, form: str) -> None:
        condition = {"If-None-Match": form.format(image.manifest.digest)}
        response = oci.expect(304, "GET", path(repository, "v1"), headers=condition)
        assert response.data == b""
        assert response.headers["ETag"] == f'"{image.manifest.digest}"'
        assert "Content-Length" not in response.headers

    def test_modified(self, oci: OciCaller, repository: str, image: Image) -> None:
        for condition in (f'"{ABSENT}"', "", ",", '"', "W/"):
            headers = {"If-None-Match": condition}
            oci.expect(200, "GET", path(repository, "v1"), headers=headers)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize(
        "reference", ["missing", ABSENT, "sha512:" + "0" * 128, "_", "a" * 128]
    )
    def test_none(self, oci: OciCaller, repository: str, method: str, reference: str) -> None:
        response = oci.expect(404, method, path(repository, reference))
        if method == "GET":
            assert response.get_json() == {
                "errors": [{"code": "MANIFEST_UNKNOWN", "message": "Requested image not found"}]
            }
        assert int(response.headers["Content-Length"]) > 0
        assert oci.refused(404, "NAME_UNKNOWN", "GET", path("missing", reference)) == NO_REPOSITORY

    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    @pytest.mark.parametrize(
        ("reference", "code"),
        [
            (".a", "TAG_INVALID"),
            ("-", "TAG_INVALID"),
            ("a" * 129, "TAG_INVALID"),
            ("a%20b", "TAG_INVALID"),
            ("%C3%A9", "TAG_INVALID"),
            ("sha256:abc", "DIGEST_INVALID"),
            ("sha256:" + "A" * 64, "DIGEST_INVALID"),
            ("md5:" + "0" * 32, "DIGEST_INVALID"),
            ("a:b", "DIGEST_INVALID"),
            (":", "DIGEST_INVALID"),
        ],
    )
    def test_what_is_no_reference(
        self, oci: OciCaller, repository: str, method: str, reference: str, code: str
    ) -> None:
        response = oci.expect(400, method, path(repository, reference), b"")
        if method != "HEAD":
            assert response.get_json()["errors"][0]["code"] == code

    def test_a_blob_is_no_manifest(self, oci: OciCaller, repository: str, image: Image) -> None:
        oci.expect(404, "GET", path(repository, image.config.digest))
        oci.expect(404, "GET", f"/v2/{repository}/blobs/{image.manifest.digest}")


class TestPut:
    def test_by_tag(self, oci: OciCaller, repository: str) -> None:
        image = make_image(1)
        for blob in image.blobs:
            oci.push_blob(repository, blob.data)
        headers = {"Content-Type": OCI_MANIFEST}
        for tag in ("v1", "v1", "v2"):
            response = oci.expect(201, "PUT", path(repository, tag), image.manifest.data, headers)
            assert response.headers["Location"] == path(repository, image.manifest.digest)
            assert response.headers["Docker-Content-Digest"] == image.manifest.digest
            assert "OCI-Subject" not in response.headers
            assert response.data == b""
        tags = oci.expect(200, "GET", f"/v2/{repository}/tags/list").get_json()["tags"]
        assert tags == ["v1", "v2"]

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_by_digest(self, oci: OciCaller, repository: str, image: Image, algorithm: str) -> None:
        digest = f"{algorithm}:{hashlib.new(algorithm, image.manifest.data).hexdigest()}"
        headers = {"Content-Type": OCI_MANIFEST}
        for _ in range(2):
            response = oci.expect(
                201, "PUT", path(repository, digest), image.manifest.data, headers
            )
            assert response.headers["Docker-Content-Digest"] == digest
        assert oci.expect(200, "GET", path(repository, digest)).data == image.manifest.data
        oci.expect(202, "DELETE", path(repository, digest))

    def test_by_another_digest(self, oci: OciCaller, repository: str, image: Image) -> None:
        message = oci.refused(
            400, "DIGEST_INVALID", "PUT", path(repository, ABSENT), image.manifest.data
        )
        assert message == (
            f"The provided image digest '{ABSENT}' does not match the calculated image digest "
            f"'{image.manifest.digest}'"
        )

    @pytest.mark.parametrize(
        "content_type", [OCI_MANIFEST, OCI_MANIFEST.upper(), OCI_MANIFEST + "; charset=utf-8", ""]
    )
    def test_content_types(
        self, oci: OciCaller, repository: str, image: Image, content_type: str
    ) -> None:
        headers = {"Content-Type": content_type} if content_type else {}
        oci.expect(201, "PUT", path(repository, "v2"), image.manifest.data, headers)
        found = oci.expect(200, "GET", path(repository, "v2"))
        assert found.headers["Content-Type"] == OCI_MANIFEST

    def test_kinds(self, oci: OciCaller, repository: str, image: Image) -> None:
        docker = make_image(1, docker=True)
        oci.push(repository, docker, "docker")
        oci.push(repository, make_index([image]), "index")
        oci.push(repository, make_index([docker], docker=True), "list")
        schema1 = {"schemaVersion": 1, "fsLayers": [{"blobSum": image.layers[0].digest}]}
        oci.push(repository, json_blob(media_types.DOCKER_SCHEMA1_SIGNED, schema1), "schema1")
        for tag, media_type in [
            ("docker", DOCKER_MANIFEST),
            ("index", OCI_INDEX),
            ("list", DOCKER_LIST),
            ("schema1", media_types.DOCKER_SCHEMA1_SIGNED),
        ]:
            found = oci.expect(200, "HEAD", path(repository, tag))
            assert found.headers["Content-Type"] == media_type

    def test_missing_layers(self, oci: OciCaller, repository: str) -> None:
        image = make_image(1)
        oci.push_blob(repository, image.config.data)
        message = oci.refused(
            400, "MANIFEST_BLOB_UNKNOWN", "PUT", path(repository, "v1"), image.manifest.data
        )
        assert message == (
            f"Layers with digests '[{image.layers[0].digest}]' required for pushing image into "
            f"repository with name '{repository}' in the registry with id '{ACCOUNT}' do not exist"
        )

    def test_missing_images(self, oci: OciCaller, repository: str) -> None:
        index = make_index([make_image(1)])
        message = oci.refused(
            400, "MANIFEST_BLOB_UNKNOWN", "PUT", path(repository, "v1"), index.manifest.data
        )
        assert message == (
            f"Images with digests '[{index.images[0].manifest.digest}]' required for pushing image "
            f"into repository with name '{repository}' in the registry with id '{ACCOUNT}' do not "
            "exist"
        )

    def test_into_no_repository(self, oci: OciCaller, repository: str, image: Image) -> None:
        for body in (image.manifest.data, b"{", b""):
            message = oci.refused(404, "NAME_UNKNOWN", "PUT", path("missing", "v1"), body)
            assert message == NO_REPOSITORY

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"{}", b"[" * 100_000])
    def test_what_is_no_manifest(
        self, oci: OciCaller, strict: OciCaller, repository: str, body: bytes
    ) -> None:
        headers = {"Content-Type": OCI_MANIFEST}
        target = path(repository, "v1")
        message = oci.refused(400, "MANIFEST_INVALID", "PUT", target, body, headers)
        assert strict.refused(405, "UNSUPPORTED", "PUT", target, body, headers) == message
        if body != b"{}":
            assert message == (
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: "
                "'Invalid JSON syntax'"
            )

    def test_how_long(self, app: App, repository: str, image: Image) -> None:
        text = image.manifest.data
        limit = 4 * 1024 * 1024
        oci = app.oci()
        headers = {"Content-Type": OCI_MANIFEST}
        longest = text + b" " * (limit - len(text))
        oci.expect(201, "PUT", path(repository, "long"), longest, headers)
        for chunked in (False, True):
            message = oci.refused(
                413,
                "SIZE_INVALID",
                "PUT",
                path(repository, "longer"),
                longest + b" ",
                headers,
                chunked=chunked,
            )
            assert message == "The manifest is too large."
        small = app.another_process(max_manifest=1024).oci()
        small.refused(413, "SIZE_INVALID", "PUT", path(repository, "longer"), b" " * 1025, headers)

    def test_cut_short(self, oci: OciCaller, repository: str, image: Image) -> None:
        headers = {"Content-Type": OCI_MANIFEST}
        target, body = path(repository, "cut"), image.manifest.data
        oci.refused(400, "SIZE_INVALID", "PUT", target, body, headers, length=len(body) + 1)
        oci.refused(400, "MANIFEST_INVALID", "PUT", target, body[:-1], headers, chunked=True)
        oci.expect(404, "HEAD", target)

    def test_chunked(self, oci: OciCaller, repository: str, image: Image) -> None:
        headers = {"Content-Type": OCI_MANIFEST}
        target = path(repository, "chunked")
        oci.expect(201, "PUT", target, image.manifest.data, headers, chunked=True)


class TestSubject:
    def artifact(self, image: Image, subject: str, number: int = 0) -> Any:
        return json_blob(
            OCI_MANIFEST,
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": f"application/x-{number}",
                "config": image.config.descriptor(),
                "layers": [],
                "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
            },
        )

    @pytest.mark.parametrize("subject", ["there", ABSENT])
    def test_the_subject_is_acknowledged(
        self, oci: OciCaller, repository: str, image: Image, subject: str
    ) -> None:
        digest = image.manifest.digest if subject == "there" else subject
        artifact = self.artifact(image, digest)
        for reference in ("a", artifact.digest, "a"):
            target = path(repository, reference)
            headers = {"Content-Type": OCI_MANIFEST}
            response = oci.expect(201, "PUT", target, artifact.data, headers)
            assert response.headers["OCI-Subject"] == digest

    def test_a_subject_may_go(self, oci: OciCaller, repository: str, image: Image) -> None:
        artifact = self.artifact(image, image.manifest.digest)
        oci.push(repository, artifact)
        oci.expect(202, "DELETE", path(repository, image.manifest.digest))
        oci.expect(200, "GET", path(repository, artifact.digest))


class TestDelete:
    def test_a_tag(self, oci: OciCaller, repository: str, image: Image) -> None:
        """The image stays, without a tag."""
        assert oci.expect(202, "DELETE", path(repository, "v1")).data == b""
        oci.expect(404, "GET", path(repository, "v1"))
        oci.expect(200, "GET", path(repository, image.manifest.digest))
        oci.refused(404, "MANIFEST_UNKNOWN", "DELETE", path(repository, "v1"))

    def test_an_image(self, oci: OciCaller, repository: str, image: Image) -> None:
        oci.push(repository, image, "v2")
        oci.expect(202, "DELETE", path(repository, image.manifest.digest))
        for reference in ("v1", "v2", image.manifest.digest):
            oci.expect(404, "GET", path(repository, reference))
        target = path(repository, image.manifest.digest)
        message = oci.refused(404, "MANIFEST_UNKNOWN", "DELETE", target)
        assert message == "Requested image not found"
        assert oci.expect(200, "GET", f"/v2/{repository}/tags/list").get_json()["tags"] == []

    def test_an_image_of_an_index(self, oci: OciCaller, repository: str, image: Image) -> None:
        index = make_index([image])
        oci.push(repository, index)
        target = path(repository, image.manifest.digest)
        message = oci.refused(405, "UNSUPPORTED", "DELETE", target)
        assert message == (
            f"Requested image referenced by manifest list: [{index.manifest.digest}]"
        )
        # Its tag may go: the image stays.
        oci.expect(202, "DELETE", path(repository, "v1"))
        oci.expect(200, "GET", target)

    def test_in_no_repository(self, oci: OciCaller) -> None:
        for reference in ("v1", ABSENT):
            message = oci.refused(404, "NAME_UNKNOWN", "DELETE", path("missing", reference))
            assert message == NO_REPOSITORY

    def test_strict_a_last_tag_takes_the_image(
        self, strict: OciCaller, repository: str, image: Image
    ) -> None:
        strict.push(repository, image, "v2")
        strict.expect(202, "DELETE", path(repository, "v1"))
        strict.expect(200, "GET", path(repository, image.manifest.digest))
        strict.expect(202, "DELETE", path(repository, "v2"))
        strict.expect(404, "GET", path(repository, image.manifest.digest))


def test_many_push_the_same_image(app: App, oci: OciCaller, repository: str) -> None:
    """Whole pushes, from many threads of two processes, of the same and of other tags."""
    image = make_image(3, 500)
    callers = [oci, app.another_process().oci()] * 4

    def push(number: int) -> None:
        for tag in ("same", f"own-{number}"):
            assert callers[number].push(repository, image, tag) == image.manifest.digest

    with ThreadPoolExecutor(len(callers)) as pool:
        list(pool.map(push, range(len(callers))))
    tags = oci.expect(200, "GET", f"/v2/{repository}/tags/list").get_json()["tags"]
    assert tags == sorted(["same", *(f"own-{number}" for number in range(len(callers)))])
    for tag in tags:
        assert oci.expect(200, "GET", path(repository, tag)).data == image.manifest.data


def test_a_tag_that_moves_is_always_there(app: App, oci: OciCaller, repository: str) -> None:
    """While pushes move a tag between two images, every reader finds one of them, whole."""
    images = [make_image(1, 50) for _ in range(2)]
    for image in images:
        oci.push(repository, image, "moving")
    bodies = {image.manifest.digest: image.manifest.data for image in images}
    other = app.another_process().oci()
    headers = {"Content-Type": OCI_MANIFEST}

    def move() -> None:
        for turn in range(60):
            body = images[turn % 2].manifest.data
            other.expect(201, "PUT", path(repository, "moving"), body, headers)

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(move)
        while not moving.done():
            found = oci.expect(200, "GET", path(repository, "moving"))
            assert bodies[found.headers["Docker-Content-Digest"]] == found.data
        moving.result()


def test_a_manifest_in_another_encoding(oci: OciCaller, repository: str, image: Image) -> None:
    """JSON readers that guess would take it; what reads it later would not."""
    text = json.dumps(json.loads(image.manifest.data))
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        headers = {"Content-Type": OCI_MANIFEST}
        body = text.encode(encoding)
        oci.refused(400, "MANIFEST_INVALID", "PUT", path(repository, "x"), body, headers)
        target = path(repository, sha256(body))
        oci.refused(400, "MANIFEST_INVALID", "PUT", target, body, headers)
