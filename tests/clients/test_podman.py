"""podman: log in, build, push, pull, lists of images, and what it prints when ECR refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.containers import container_tool
from tests.clients.texts import IMAGE_MISSING, TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST

INSECURE = "--tls-verify=false"


@pytest.fixture
def podman(tmp_path: Path) -> Tool:
    """podman with a storage of its own, logged in nowhere."""
    options = ["--cgroup-manager=cgroupfs", "--events-backend=none"]
    return container_tool(["podman", *options], tmp_path / "podman")


@pytest.fixture
def user(podman: Tool, caller: Caller) -> Tool:
    """podman, logged in with the caller's token."""
    login(podman, caller)
    return podman


def login(podman: Tool, caller: Caller, password: str | None = None) -> str:
    words = ["login", INSECURE, "--username=AWS", "--password-stdin", caller.registry]
    return podman.run(*words, stdin=caller.password() if password is None else password)


def build(podman: Tool, reference: str, *options: str) -> str:
    """Build an image of one layer FROM scratch and return its id."""
    context = podman.home / "context"
    context.mkdir(exist_ok=True)
    (context / "file").write_bytes(os.urandom(5000))
    (context / "Containerfile").write_text("FROM scratch\nCOPY file /file\n")
    printed = podman.run(
        "build", "--isolation=chroot", "--quiet", *options, "--tag", reference, str(context)
    )
    return printed.split()[-1]


def push(podman: Tool, reference: str, *options: str) -> str:
    """Push an image and return its digest."""
    digest = podman.home / "digest"
    podman.run("push", INSECURE, "--digestfile", str(digest), *options, reference)
    return digest.read_text().strip()


def image_id(podman: Tool, reference: str) -> str:
    return podman.run("image", "inspect", "--format={{.Id}}", reference).strip()


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_push_and_pull(podman: Tool, caller: Caller, form: str, media_type: str) -> None:
    uri = caller.create_repository("team/app")
    assert "Login Succeeded" in login(podman, caller)
    built = build(podman, f"{uri}:1")
    digest = push(podman, f"{uri}:1", f"--format={form}")
    details = caller.describe_image("team/app", imageTag="1")
    assert details["imageDigest"] == digest
    assert details["imageManifestMediaType"] == media_type

    podman.run("rmi", f"{uri}:1")
    podman.run("pull", INSECURE, f"{uri}:1")
    assert image_id(podman, f"{uri}:1") == built
    podman.run("rmi", f"{uri}:1")
    podman.run("pull", INSECURE, f"{uri}@{digest}")
    assert image_id(podman, f"{uri}@{digest}") == built

    podman.run("tag", f"{uri}@{digest}", f"{uri}:2")
    assert push(podman, f"{uri}:2", f"--format={form}") == digest
    listed = podman.run("search", INSECURE, "--list-tags", uri).splitlines()
    assert [line.split() for line in listed[1:]] == [[uri, "1"], [uri, "2"]]


def test_a_list_of_images(user: Tool, caller: Caller) -> None:
    uri = caller.create_repository("multi")
    user.run("manifest", "create", f"{uri}:all")
    for architecture in ("amd64", "arm64"):
        build(user, f"{uri}:{architecture}", f"--arch={architecture}")
        user.run("manifest", "add", f"{uri}:all", f"containers-storage:{uri}:{architecture}")
    user.run("manifest", "push", INSECURE, "--all", f"{uri}:all", f"docker://{uri}:all")

    assert caller.describe_image("multi", imageTag="all")["imageManifestMediaType"] == OCI_INDEX
    images = caller.ecr.describe_images(repositoryName="multi")["imageDetails"]
    assert len(images) == 3
    # One of the two is of the machine's own platform, or is asked for.
    user.run("rmi", "--all", "--force")
    user.run("pull", INSECURE, "--arch=arm64", f"{uri}:all")
    found = user.run("image", "inspect", "--format={{.Architecture}}", f"{uri}:all")
    assert found.strip() == "arm64"


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED"])
def test_copy_between_repositories(user: Tool, caller: Caller, mounting: str) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    first, second = caller.create_repository("first"), caller.create_repository("second")
    built = build(user, f"{first}:1")
    digest = push(user, f"{first}:1")
    user.run("tag", f"{first}:1", f"{second}:1")
    assert push(user, f"{second}:1") == digest

    caller.ecr.delete_repository(repositoryName="first", force=True)
    user.run("rmi", "--all", "--force")
    user.run("pull", INSECURE, f"{second}:1")
    assert image_id(user, f"{second}:1") == built


def test_refusals(user: Tool, caller: Caller) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    build(user, f"{uri}:1")
    digest = push(user, f"{uri}:1")
    build(user, f"{uri}:1")
    assert tag_immutable("1", "fixed") in user.refused("push", INSECURE, f"{uri}:1")
    assert caller.describe_image("fixed", imageTag="1")["imageDigest"] == digest

    missing = f"{caller.registry}/not/there:1"
    user.run("tag", f"{uri}:1", missing)
    text = repository_missing("not/there", caller.account)
    assert text in user.refused("push", INSECURE, missing)
    user.run("rmi", missing)
    assert text in user.refused("pull", INSECURE, missing)
    assert f"manifest unknown: {IMAGE_MISSING}" in user.refused("pull", INSECURE, f"{uri}:2")


def test_logins_that_are_refused(podman: Tool, caller: Caller, expired_password: str) -> None:
    uri = caller.create_repository("app")
    build(podman, f"{uri}:1")
    assert "authentication required" in podman.refused("push", INSECURE, f"{uri}:1")
    assert "authentication required" in podman.refused("pull", INSECURE, f"{uri}:1")

    words = ["login", INSECURE, "--username=AWS", "--password-stdin", caller.registry]
    assert "400" in podman.refused(*words, stdin="wrong")
    assert "403" in podman.refused(*words, stdin=expired_password)
    # A push begins with a HEAD, whose answer has no text.
    expired = ["--creds", f"AWS:{expired_password}", f"{uri}:1"]
    assert "403" in podman.refused("push", INSECURE, *expired)
    assert TOKEN_EXPIRED in podman.refused("pull", INSECURE, *expired)
    assert caller.ecr.list_images(repositoryName="app")["imageIds"] == []
