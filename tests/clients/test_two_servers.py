"""Two servers on one data folder, pushed to at once: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, oci_layout
from tests.conftest import MakeServer
from tests.support.docker import Docker
from tests.support.images import Blob, Image, make_image, make_index, sha256, write_layout

REPOSITORY = "shared/app"


class Pair(NamedTuple):
    """Two servers, and one user's view of each."""

    first: Caller
    second: Caller
    data: Path

    def stored(self) -> list[str]:
        """Return the digests of all blob files, as their content gives them."""
        files = [path for path in (self.data / "blobs").rglob("*") if path.is_file()]
        return sorted(sha256(path.read_bytes()) for path in files)

    def uploads_left(self) -> list[Path]:
        return list((self.data / "uploads").iterdir())


@pytest.fixture
def pair(make_server: MakeServer, tmp_path: Path) -> Pair:
    data = tmp_path / "data"
    # Both start on an empty folder at the same time: who makes the database is part of the test.
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(lambda _: make_server(data_dir=data), range(2))
    first = Caller(one.url, tmp_path)
    second = Caller(two.url, tmp_path, account=first.account)
    first.create_repository(REPOSITORY)
    return Pair(first, second, data)


def test_many_pushes_at_once(pair: Pair) -> None:
    base = make_image(layers=3)
    images = [with_base(base, make_image(layers=2)) for _ in range(12)]
    clients = [pair.first.oci(), pair.second.oci()]

    def push(number: int) -> None:
        # Every image goes to both servers, the two at about the same time.
        image = images[number // 2]
        clients[number % 2].push(REPOSITORY, image, f"v{number}")
        clients[number % 2].put_manifest(REPOSITORY, "latest", image.manifest)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(push, range(2 * len(images))))

    digests = {image.manifest.digest for image in images}
    for caller in pair.first, pair.second:
        details = caller.ecr.describe_images(repositoryName=REPOSITORY)["imageDetails"]
        assert sorted(image["imageDigest"] for image in details) == sorted(digests)
        tags = {tag: image["imageDigest"] for image in details for tag in image["imageTags"]}
        assert tags.pop("latest") in digests
        assert tags == {
            f"v{number}": images[number // 2].manifest.digest for number in range(2 * len(images))
        }
        client = caller.oci()
        for image in images:
            content = client.pull(REPOSITORY, image.manifest.digest)
            assert set(content) == {image.manifest.digest, *(blob.digest for blob in image.blobs)}
            assert all(sha256(data) == digest for digest, data in content.items())
    assert pair.stored() == sorted({blob.digest for image in images for blob in image.blobs})
    assert pair.uploads_left() == []


def test_one_upload_by_turns(pair: Pair) -> None:
    data = os.urandom(3_000_000)
    clients = [pair.first.oci(), pair.second.oci()]
    location = clients[0].start_upload(REPOSITORY)
    step = 700_000
    for turn, offset in enumerate(range(0, len(data), step)):
        client = clients[turn % 2]
        assert client.upload_offset(location) == offset
        location = client.upload_chunk(location, data[offset : offset + step], offset)
    clients[0].finish_upload(location, sha256(data))
    assert clients[1].get_blob(REPOSITORY, sha256(data)) == data
    assert pair.stored() == [sha256(data)]

    parts = os.urandom(11 * 1024**2)
    size = 5 * 1024**2
    upload = pair.first.ecr.initiate_layer_upload(repositoryName=REPOSITORY)["uploadId"]
    for turn, first in enumerate(range(0, len(parts), size)):
        piece = parts[first : first + size]
        (pair.second, pair.first)[turn % 2].ecr.upload_layer_part(
            repositoryName=REPOSITORY,
            uploadId=upload,
            partFirstByte=first,
            partLastByte=first + len(piece) - 1,
            layerPartBlob=piece,
        )
    pair.second.ecr.complete_layer_upload(
        repositoryName=REPOSITORY, uploadId=upload, layerDigests=[sha256(parts)]
    )
    assert clients[0].get_blob(REPOSITORY, sha256(parts)) == parts
    assert pair.stored() == sorted([sha256(data), sha256(parts)])


def test_same_repository_created_at_both(pair: Pair) -> None:
    """Of two calls at once one creates it and the other is told so."""
    exists = pair.first.ecr.exceptions.RepositoryAlreadyExistsException
    other = pair.second.ecr.exceptions.RepositoryAlreadyExistsException

    def create(caller: Caller, name: str) -> bool:
        try:
            caller.create_repository(name)
        except (exists, other):
            return False
        return True

    names = [f"race/{number}" for number in range(10)]
    with ThreadPoolExecutor(4) as pool:
        tries = [
            (pool.submit(create, pair.first, name), pool.submit(create, pair.second, name))
            for name in names
        ]
    for one, two in tries:
        assert sorted([one.result(), two.result()]) == [False, True]
    found = pair.second.ecr.describe_repositories()["repositories"]
    assert sorted(item["repositoryName"] for item in found) == sorted([*names, REPOSITORY])


def test_immutable_tag_pushed_to_both(pair: Pair) -> None:
    """Only one of two different images gets the tag."""
    pair.first.create_repository("fixed", imageTagMutability="IMMUTABLE")
    images = [make_image(layers=1) for _ in range(8)]
    clients = [pair.first.oci(), pair.second.oci()]
    for image in images:
        for blob in image.blobs:
            clients[0].push_blob("fixed", blob.data)

    def put(number: int) -> int:
        manifest = images[number].manifest
        headers = {"Content-Type": manifest.media_type}
        path = "/v2/fixed/manifests/v1"
        return clients[number % 2].request("PUT", path, manifest.data, headers).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(put, range(len(images))))
    assert sorted(statuses) == [201] + [400] * (len(images) - 1)
    winner = images[statuses.index(201)].manifest.digest
    for caller in pair.first, pair.second:
        (details,) = caller.ecr.describe_images(repositoryName="fixed")["imageDetails"]
        assert (details["imageDigest"], details["imageTags"]) == (winner, ["v1"])


@pytest.mark.usefixtures("skopeo_command")
def test_docker_at_one_and_skopeo_at_the_other(pair: Pair, docker: Docker, tmp_path: Path) -> None:
    index = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    write_layout(tmp_path / "layout", index, "v1")
    skopeo = Skopeo(pair.second.password())
    docker.login(pair.first.registry, pair.first.password())
    reference = f"{pair.first.registry}/{REPOSITORY}"
    elsewhere = f"docker://{pair.second.registry}/{REPOSITORY}"
    ids = [docker.build(f"{reference}:docker{number}") for number in range(3)]

    def by_docker() -> None:
        for number in range(3):
            docker.push(f"{reference}:docker{number}")

    def by_skopeo() -> None:
        for number in range(3):
            skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"{elsewhere}:skopeo{number}")

    with ThreadPoolExecutor(2) as pool:
        for task in [pool.submit(by_docker), pool.submit(by_skopeo)]:
            task.result()

    expected = sorted(f"{tool}{number}" for tool in ("docker", "skopeo") for number in range(3))
    for caller in pair.first, pair.second:
        assert sorted(caller.oci().tags(REPOSITORY)) == expected
        tagged = caller.ecr.list_images(repositoryName=REPOSITORY, filter={"tagStatus": "TAGGED"})[
            "imageIds"
        ]
        assert sorted(image["imageTag"] for image in tagged) == expected
        assert {image["imageDigest"] for image in tagged if "skopeo" in image["imageTag"]} == {
            index.manifest.digest
        }
    # Each reads at its own server what the other wrote at the other.
    for number in range(3):
        skopeo.copy(f"{elsewhere}:docker{number}", oci_layout(tmp_path / f"back{number}", "v1"))
        docker.remove(f"{reference}:docker{number}")
        docker.pull(f"{reference}:docker{number}")
        assert docker.image_id(f"{reference}:docker{number}") == ids[number]
    docker.pull(f"{reference}:skopeo0")
    assert docker.image_id(f"{reference}:skopeo0") == index.images[0].config.digest
    stored = pair.stored()
    assert len(stored) == len(set(stored))
    assert pair.uploads_left() == []


def with_base(base: Image, top: Image) -> Image:
    """Return *top* on the layers of *base*, so that several images share them."""
    layers = (*base.layers, *top.layers)
    body = json.loads(top.manifest.data)
    body["layers"] = [layer.descriptor() for layer in layers]
    manifest = Blob(top.manifest.media_type, json.dumps(body).encode())
    return Image(manifest, top.config, layers, top.architecture)
