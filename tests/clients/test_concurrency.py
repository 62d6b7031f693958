"""Many clients at once: overlapping layers, the same and different repositories, one upload."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.images import OCI_CONFIG, OCI_LAYER, Blob, Image, manifest_of
from tests.support.oci_client import OciClient, OciError
from tests.support.server import ServerProcess

CLIENTS = 50
MIB = 1024**2


def test_fifty_clients_push_overlapping_layers(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server()
    caller = Caller(server.url, tmp_path / "aws")
    password = caller.password()
    chance = random.Random(4566)
    shared = [Blob(OCI_LAYER, chance.randbytes(300_000 + number)) for number in range(10)]
    images = []
    for number in range(CLIENTS):
        own = Blob(OCI_LAYER, chance.randbytes(50_000))
        config = Blob(OCI_CONFIG, f'{{"number": {number}}}'.encode())
        layers = (*chance.sample(shared, 4), own)
        images.append(Image(manifest_of(config, layers), config, layers, "amd64"))
    # Half of them push to one repository, the others each to one of their own.
    names = [f"own/{number}" if number % 2 else "same" for number in range(CLIENTS)]
    for name in sorted(set(names)):
        caller.create_repository(name)
    together = threading.Barrier(CLIENTS)

    def push(number: int) -> None:
        client = OciClient(server.url, password)
        together.wait()
        client.push(names[number], images[number], f"v{number}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(push, range(CLIENTS)))

    client = OciClient(server.url, password)
    for number, image in enumerate(images):
        found = client.pull(names[number], f"v{number}")
        assert found == {blob.digest: blob.data for blob in (image.manifest, *image.blobs)}
    assert client.tags("same") == sorted(f"v{number}" for number in range(0, CLIENTS, 2))
    stored = list(FilesystemBlobStore(server.data_dir).digests())
    assert sorted(stored) == sorted({blob.digest for image in images for blob in image.blobs})
    assert list(FilesystemBlobStore(server.data_dir).uploads()) == []


def test_the_same_image_by_many(caller: Caller) -> None:
    """All push the very same image to the very same tag."""
    caller.create_repository("app")
    password = caller.password()
    layers = tuple(Blob(OCI_LAYER, random.Random(n).randbytes(100_000)) for n in range(3))
    config = Blob(OCI_CONFIG, b"{}")
    image = Image(manifest_of(config, layers), config, layers, "amd64")

    def push(_: int) -> None:
        OciClient(caller.url, password).push("app", image, "v1")

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(push, range(20)))
    assert len(caller.oci().pull("app", "v1")) == 5
    details = caller.ecr.describe_images(repositoryName="app")["imageDetails"]
    assert [one["imageDigest"] for one in details] == [image.manifest.digest]


def test_an_upload_that_two_clients_write_to(server: ServerProcess, caller: Caller) -> None:
    """One holds it; the other is told so at once, at either door, and harms nothing."""
    caller.create_repository("app")
    first, second = caller.oci(), caller.oci()
    location = first.start_upload("app")
    upload_id = location.rpartition("/")[2]
    sending, go_on = threading.Event(), threading.Event()

    def parts() -> Iterator[bytes]:
        yield bytes(MIB)
        sending.set()
        assert go_on.wait(30)
        yield bytes(MIB)

    with ThreadPoolExecutor(1) as pool:
        streamed = pool.submit(first.upload_stream, location, parts())
        assert sending.wait(30)
        try:
            while (server.data_dir / "uploads" / upload_id).stat().st_size < MIB:
                time.sleep(0.01)
            for method in ("PATCH", "PUT", "DELETE"):
                path = location + ("?digest=sha256:" + "0" * 64 if method == "PUT" else "")
                with pytest.raises(OciError) as refused:
                    second.expect(202, method, path, b"intruder")
                assert (refused.value.status, refused.value.code) == (409, "BLOB_UPLOAD_INVALID")
                assert upload_id in refused.value.message
            with pytest.raises(ClientError, match="is in progress") as answer:
                caller.ecr.upload_layer_part(
                    repositoryName="app",
                    uploadId=upload_id,
                    partFirstByte=0,
                    partLastByte=7,
                    layerPartBlob=b"intruder",
                )
            assert answer.value.response["Error"]["Code"] == "InvalidParameterException"
        finally:
            go_on.set()
        location = streamed.result(30)
    assert second.upload_offset(location) == 2 * MIB
    data = bytes(2 * MIB)
    second.finish_upload(location, Blob("", data).digest)
    assert first.get_blob("app", Blob("", data).digest) == data
