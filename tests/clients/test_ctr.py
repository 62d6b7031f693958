"""containerd's ctr: pushes and pulls of images and indexes, and what it prints when refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.tool import Tool
from tests.support.docker import folder_of_daemon
from tests.support.images import OCI_INDEX, Index, make_image, make_index, write_layout


@pytest.fixture
def ctr(docker_host: str, caller: Caller, tmp_path: Path) -> Iterator[Tool]:
    """ctr at the docker daemon's containerd, in a namespace of the test's own."""
    folder = folder_of_daemon(docker_host)
    if folder is None:
        pytest.skip("needs the containerd of a docker daemon by scripts/ci/dockerd")
    socket = folder / "exec" / "containerd" / "containerd.sock"
    namespace = f"--namespace=test-{caller.account}"
    tool = Tool(["ctr", "--address", str(socket), namespace], tmp_path / "ctr")
    yield tool
    for reference in tool.run("images", "list", "--quiet").split():
        tool.run("images", "remove", "--sync", reference)


@pytest.fixture
def index(ctr: Tool) -> Index:
    """An index of two platforms, imported into containerd as ``local:v1``."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    write_layout(ctr.home / "layout", made, "local:v1")
    archive = ctr.home / "layout.tar"
    tar = Tool(["tar"], ctr.home)
    tar.run("--create", "--file", str(archive), "--directory", str(ctr.home / "layout"), ".")
    ctr.run("images", "import", "--no-unpack", "--all-platforms", str(archive))
    return made


def transfer(how: str, password: str, *references: str) -> list[str]:
    return ["images", how, "--plain-http", "--user", f"AWS:{password}", *references]


def pull(password: str, *references: str) -> list[str]:
    # The default snapshotter cannot lie upon another overlay, which a container's own root is.
    options = ["--all-platforms", "--snapshotter=native"]
    return [*transfer("pull", password, *options), *references]


def test_push_pull_and_copy(ctr: Tool, caller: Caller, index: Index) -> None:
    first, second = caller.create_repository("team/app"), caller.create_repository("second")
    password = caller.password()
    for uri, name in ((first, "team/app"), (second, "second")):
        ctr.run("images", "tag", "local:v1", f"{uri}:v1")
        ctr.run(*transfer("push", password, f"{uri}:v1"))
        details = caller.describe_image(name, imageTag="v1")
        assert details["imageDigest"] == index.manifest.digest
        assert details["imageManifestMediaType"] == OCI_INDEX
        for image in index.images:
            caller.describe_image(name, imageDigest=image.manifest.digest)
    # What is there already is pushed again without harm.
    ctr.run(*transfer("push", password, f"{first}:v1"))

    for reference in ctr.run("images", "list", "--quiet").split():
        ctr.run("images", "remove", "--sync", reference)
    assert ctr.run("content", "list", "--quiet").split() == []
    by_digest = f"{second}@{index.manifest.digest}"
    for reference in (f"{first}:v1", by_digest):
        ctr.run(*pull(password, reference))
    listed = ctr.run("images", "list").splitlines()[1:]
    assert {line.split()[0] for line in listed} == {f"{first}:v1", by_digest}
    assert {line.split()[2] for line in listed} == {index.manifest.digest}
    assert set(ctr.run("content", "list", "--quiet").split()) == {
        index.manifest.digest,
        *(image.manifest.digest for image in index.images),
        *(blob.digest for image in index.images for blob in image.blobs),
    }


def test_refusals(ctr: Tool, caller: Caller, index: Index, expired_password: str) -> None:
    """It prints no more than the status."""
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    caller.put_image("fixed", make_image(), "v1")
    password = caller.password()
    ctr.run("images", "tag", "local:v1", f"{uri}:v1")
    assert "400 Bad Request" in ctr.refused(*transfer("push", password, f"{uri}:v1"))
    missing = f"{caller.registry}/not/there:v1"
    ctr.run("images", "tag", "local:v1", missing)
    assert "404 Not Found" in ctr.refused(*transfer("push", password, missing))
    assert f"{missing}: not found" in ctr.refused(*pull(password, missing))
    assert f"{uri}:v2: not found" in ctr.refused(*pull(password, f"{uri}:v2"))
    assert "403 Forbidden" in ctr.refused(*pull(expired_password, f"{uri}:v1"))
    assert "400 Bad Request" in ctr.refused(*pull("wrong", f"{uri}:v1"))
    assert "401 Unauthorized" in ctr.refused("images", "pull", "--plain-http", f"{uri}:v1")
