"""buildah: build from nothing, push, pull, manifests, and what it prints when ECR refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.containers import container_tool
from tests.clients.texts import IMAGE_MISSING, TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import OCI_INDEX, OCI_MANIFEST

INSECURE = "--tls-verify=false"


@pytest.fixture
def buildah(caller: Caller, tmp_path: Path) -> Tool:
    """buildah with a storage of its own, logged in with the caller's token."""
    tool = container_tool(["buildah"], tmp_path / "buildah")
    words = ["login", INSECURE, "--username=AWS", "--password-stdin", caller.registry]
    assert "Login Succeeded" in tool.run(*words, stdin=caller.password())
    return tool


def build(buildah: Tool, reference: str, *options: str) -> str:
    """Make an image of one layer and return its id."""
    file = buildah.home / "file"
    file.write_bytes(os.urandom(5000))
    container = buildah.run("from", *options, "scratch").strip()
    buildah.run("copy", container, str(file), "/file")
    return buildah.run("commit", "--quiet", "--rm", container, reference).strip()


def image_id(buildah: Tool, reference: str) -> str:
    return buildah.run("inspect", "--type=image", "--format={{.FromImageID}}", reference).strip()


def test_push_and_pull(buildah: Tool, caller: Caller) -> None:
    uri = caller.create_repository("team/app")
    built = build(buildah, f"{uri}:1")
    buildah.run("push", INSECURE, "--digestfile=digest", f"{uri}:1")
    details = caller.describe_image("team/app", imageTag="1")
    assert details["imageDigest"] == (buildah.home / "digest").read_text()
    assert details["imageManifestMediaType"] == OCI_MANIFEST

    buildah.run("rmi", "--all", "--force")
    buildah.run("pull", INSECURE, f"{uri}:1")
    assert image_id(buildah, f"{uri}:1") == built
    # The next image is built upon what the registry has.
    buildah.run("rmi", "--all", "--force")
    container = buildah.run("from", "--quiet", INSECURE, f"{uri}:1").strip()
    buildah.run("config", "--label=more=1", container)
    buildah.run("commit", "--quiet", "--rm", INSECURE, container, f"docker://{uri}:2")
    found = caller.ecr.list_images(repositoryName="team/app")["imageIds"]
    assert sorted(one["imageTag"] for one in found) == ["1", "2"]


def test_a_list_of_images(buildah: Tool, caller: Caller) -> None:
    uri = caller.create_repository("multi")
    other = caller.create_repository("other")
    buildah.run("manifest", "create", f"{uri}:all")
    for architecture in ("amd64", "arm64"):
        built = build(buildah, f"{uri}:{architecture}", f"--arch={architecture}")
        buildah.run("manifest", "add", f"--arch={architecture}", f"{uri}:all", built)
    for repository in (uri, other):
        target = f"docker://{repository}:all"
        buildah.run("manifest", "push", INSECURE, "--all", f"{uri}:all", target)
    for name in ("multi", "other"):
        found = caller.ecr.describe_images(repositoryName=name)["imageDetails"]
        kinds = [image["imageManifestMediaType"] for image in found]
        assert sorted(kinds) == sorted([OCI_INDEX, OCI_MANIFEST, OCI_MANIFEST])


def test_refusals(buildah: Tool, caller: Caller, expired_password: str) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    build(buildah, f"{uri}:1")
    buildah.run("push", INSECURE, f"{uri}:1")
    built = build(buildah, f"{uri}:1")
    assert tag_immutable("1", "fixed") in buildah.refused("push", INSECURE, f"{uri}:1")

    missing = f"{caller.registry}/not/there:1"
    text = repository_missing("not/there", caller.account)
    assert text in buildah.refused("push", INSECURE, built, f"docker://{missing}")
    assert text in buildah.refused("pull", INSECURE, missing)
    assert IMAGE_MISSING in buildah.refused("pull", INSECURE, f"{uri}:2")

    # A push begins with a HEAD, whose answer has no text.
    expired = ["--creds", f"AWS:{expired_password}"]
    assert "403" in buildah.refused("push", INSECURE, *expired, built, f"docker://{uri}:3")
    assert TOKEN_EXPIRED in buildah.refused("pull", INSECURE, *expired, f"{uri}:2")
    wrong = ["--creds", "AWS:wrong"]
    assert "400" in buildah.refused("push", INSECURE, *wrong, built, f"docker://{uri}:3")
