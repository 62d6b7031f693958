"""Clients at a server with --strict-ecr, which answers chunks with 201 and blobs with links."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.tool import Tool
from tests.support.docker import Docker
from tests.support.images import (
    layout_digests,
    make_image,
    make_index,
    write_layout,
)
from tests.support.server import ServerProcess


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    started = ServerProcess(tmp_path_factory.mktemp("strict") / "data", strict_ecr=True)
    yield started
    assert started.stop() == 0
    assert "Traceback" not in started.log


@pytest.fixture
def strict(strict_server: ServerProcess, tmp_path: Path) -> Caller:
    """A user of an account of their own at a server that does as ECR does."""
    return Caller(strict_server.url, tmp_path / "aws")


def by_skopeo(caller: Caller, uri: str, home: Path) -> None:
    skopeo = Tool(["skopeo", "--insecure-policy"], home)
    copy, creds = ["copy", "--all"], f"AWS:{caller.password()}"
    into = ["--dest-tls-verify=false", "--dest-creds", creds]
    skopeo.run(*copy, *into, "oci:layout:v1", f"docker://{uri}:v1")
    out = ["--src-tls-verify=false", "--src-creds", creds]
    skopeo.run(*copy, *out, f"docker://{uri}:v1", "oci:back:v1")


def by_crane(caller: Caller, uri: str, home: Path) -> None:
    crane = Tool(["crane"], home)
    words = ["auth", "login", "--username=AWS", "--password-stdin", caller.registry]
    crane.run(*words, stdin=caller.password())
    crane.run("push", "layout", f"{uri}:v1")
    crane.run("pull", "--format=oci", f"{uri}:v1", "back")


def by_oras(caller: Caller, uri: str, home: Path) -> None:
    oras = Tool(["oras"], home)
    words = ["login", "--plain-http", "--username=AWS", "--password-stdin", caller.registry]
    oras.run(*words, stdin=caller.password())
    oras.run("copy", "--from-oci-layout", "--to-plain-http", "layout:v1", f"{uri}:v1")
    oras.run("copy", "--from-plain-http", "--to-oci-layout", f"{uri}:v1", "back:v1")


def by_regctl(caller: Caller, uri: str, home: Path) -> None:
    regctl = Tool(["regctl"], home)
    host = f"reg={caller.registry},user=AWS,pass={caller.password()},tls=disabled"
    regctl.run("--host", host, "image", "copy", "ocidir://layout:v1", f"{uri}:v1")
    regctl.run("--host", host, "image", "copy", f"{uri}:v1", "ocidir://back:v1")


@pytest.mark.parametrize("client", [by_skopeo, by_crane, by_oras, by_regctl])
def test_in_and_out(
    strict: Caller,
    tmp_path: Path,
    client: Callable[[Caller, str, Path], None],
) -> None:
    uri = strict.create_repository("team/app")
    images = [make_image(size=100_000, architecture=name) for name in ("amd64", "arm64")]
    index = make_index(images)
    write_layout(tmp_path / "layout", index, "v1")
    client(strict, uri, tmp_path)
    found = strict.describe_image("team/app", imageTag="v1")
    assert found["imageDigest"] == index.manifest.digest
    assert set(layout_digests(tmp_path / "back")) == set(layout_digests(tmp_path / "layout"))


def test_docker(strict: Caller, docker: Docker) -> None:
    uri = strict.create_repository("team/app")
    docker.login(strict.registry, strict.password())
    image_id = docker.build(f"{uri}:1")
    assert docker.push(f"{uri}:1").count(": Pushed") == 3
    docker.remove(f"{uri}:1")
    docker.pull(f"{uri}:1")
    assert docker.image_id(f"{uri}:1") == image_id
