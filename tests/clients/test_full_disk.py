"""A disk that is full, and one that is read-only: clear errors, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.images import make_image
from tests.support.oci_client import OciError

MIB = 1024**2
NO_SPACE = "The registry's storage cannot take more data: No space left on device"
DATABASE_FULL = "The registry's database failed: database or disk is full"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data folder that is a file system of 32 MiB."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield folder
    # What still uses it has ended with the test; lazily, so that one fault brings no second.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def command(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ecr_emulator", name, "--data-dir", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )


def fill(folder: Path) -> Path:
    """Take all the room that is left on a disk, and return the file that does."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (MIB, 4096, 1):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    return path


def test_a_full_disk(small_disk: Path, make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(small_disk)
    caller = Caller(server.url, tmp_path / "aws")
    caller.create_repository("app")
    oci = caller.oci()
    image = make_image(layers=2, size=MIB)
    oci.push("app", image, "v1")

    # A layer that does not fit is refused by both doors, and takes no room then.
    location = oci.start_upload("app")
    with pytest.raises(OciError) as refused:
        oci.upload_chunk(location, os.urandom(40 * MIB), 0)
    assert (refused.value.status, refused.value.code) == (500, "UNKNOWN")
    assert refused.value.message == NO_SPACE
    assert oci.upload_offset(location) == 0
    upload = caller.ecr.initiate_layer_upload(repositoryName="app")["uploadId"]
    filler = fill(small_disk)
    with pytest.raises(ClientError) as answer:
        caller.ecr.upload_layer_part(
            repositoryName="app",
            uploadId=upload,
            partFirstByte=0,
            partLastByte=MIB - 1,
            layerPartBlob=bytes(MIB),
        )
    assert answer.value.response["Error"]["Code"] == "ServerException"
    assert answer.value.response["Error"]["Message"] in (NO_SPACE, DATABASE_FULL)

    # The database has to grow too, in the end.
    texts = set()
    for number in range(2000):
        try:
            caller.create_repository(f"more-{number}")
        except ClientError as error:
            texts.add(error.response["Error"]["Message"])
            break
    assert texts == {DATABASE_FULL}
    manifest = json.loads(image.manifest.data) | {"annotations": {"text": "a" * 2 * MIB}}
    headers = {"Content-Type": image.manifest.media_type}
    with pytest.raises(OciError) as refused:
        oci.expect(201, "PUT", "/v2/app/manifests/large", json.dumps(manifest).encode(), headers)
    assert (refused.value.status, refused.value.message) == (500, DATABASE_FULL)
    with pytest.raises(ClientError) as answer:
        caller.ecr.put_image(repositoryName="app", imageManifest=json.dumps(manifest))
    assert answer.value.response["Error"]["Message"] == DATABASE_FULL

    # What is there can be pulled.
    assert oci.pull("app", "v1")[image.layers[0].digest] == image.layers[0].data

    # With room again, all goes on where it was.
    filler.unlink()
    data = os.urandom(MIB)
    assert oci.upload_chunk(location, data, 0)
    other = make_image()
    oci.push("app", other, "v2")
    assert set(oci.pull("app", "v2")) == {other.manifest.digest, *(b.digest for b in other.blobs)}
    checked = command("fsck", server.data_dir)
    assert checked.returncode == 0, checked.stdout


def test_a_read_only_disk_at_the_start(
    small_disk: Path, make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(small_disk)
    image = make_image()
    caller = Caller(server.url, tmp_path / "aws")
    caller.create_repository("app")
    caller.oci().push("app", image, "v1")
    server.stop()

    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = command("serve", small_disk)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "Read-only file system" in done.stderr

    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    again = Caller(make_server(small_disk).url, tmp_path / "aws", account=caller.account)
    assert image.manifest.digest in again.oci().pull("app", "v1")
