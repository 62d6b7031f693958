"""docker and skopeo at a server that encrypts what it stores, and ``keys`` beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, SkopeoError, oci_layout
from tests.conftest import MakeServer
from tests.support.docker import Docker, DockerError
from tests.support.images import layout_digests, make_image, write_layout
from tests.support.server import ServerProcess, environment


@pytest.fixture
def server(make_server: MakeServer) -> ServerProcess:
    """A server of this test's own."""
    return make_server(encryption="on")


def keys(server: ServerProcess, *args: str) -> str:
    """Run ``ecr-emulator keys`` at the server's data folder and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ecr_emulator", "keys", *args, "--data-dir", str(server.data_dir)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def create(caller: Caller, name: str, kind: str) -> str:
    """Create a repository and return its address."""
    return caller.create_repository(name, encryptionConfiguration={"encryptionType": kind})


@pytest.mark.parametrize("kind", ["AES256", "KMS"])
def test_docker(docker: Docker, caller: Caller, server: ServerProcess, kind: str) -> None:
    docker.login(caller.registry, caller.password())
    uri = create(caller, "team/app", kind)
    # More than a chunk, less than one, and what fills many.
    contents = [b"what nobody is to read " * length for length in (40_000, 10, 500_000)]
    image_id = docker.build(f"{uri}:1", layers=contents)
    docker.push(f"{uri}:1")
    docker.remove(f"{uri}:1")
    keys(server, "rotate")
    docker.pull(f"{uri}:1")
    assert docker.image_id(f"{uri}:1") == image_id
    names = [path.name for path in server.data_dir.glob("blobs/sha256/*/*")]
    assert len(names) == 4
    assert all("." in name for name in names), "no blob is plain"


def test_a_key_is_disabled(
    docker: Docker, skopeo: Skopeo, caller: Caller, server: ServerProcess, tmp_path: Path
) -> None:
    image = make_image(layers=2, size=300_000)
    write_layout(tmp_path / "layout", image, "v1")
    uri, free = create(caller, "team/app", "KMS"), create(caller, "team/free", "AES256")
    for address in (uri, free):
        skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{address}:v1")
    stored = [path.read_bytes() for path in server.data_dir.glob("blobs/sha256/*/*")]
    assert len(stored) == 2 * len(image.blobs)
    for blob in image.blobs:
        assert not any(blob.data[:64] in data for data in stored)

    (repository,) = caller.ecr.describe_repositories(repositoryNames=["team/app"])["repositories"]
    arn = repository["encryptionConfiguration"]["kmsKey"]
    assert f"{arn}\tenabled\tversion 1\tused by 1" in keys(server, "list").splitlines()
    keys(server, "disable", arn)
    docker.login(caller.registry, caller.password())
    with pytest.raises(DockerError, match="is disabled"):
        docker.pull(f"{uri}:v1")
    with pytest.raises(SkopeoError, match="is disabled"):
        skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{uri}:v2")
    skopeo.copy(f"docker://{free}:v1", oci_layout(tmp_path / "free", "v1"))

    keys(server, "enable", arn)
    skopeo.copy(f"docker://{uri}:v1", oci_layout(tmp_path / "back", "v1"))
    for folder in ("free", "back"):
        assert set(layout_digests(tmp_path / folder)) == set(layout_digests(tmp_path / "layout"))
