"""crane: push, pull, copy, tags, indexes, deletes, and what it prints when ECR refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.clients.caller import Caller
from tests.clients.texts import IMAGE_MISSING, TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import (
    OCI_INDEX,
    Image,
    Index,
    layout_digests,
    layout_root,
    make_image,
    make_index,
    write_layout,
)


@pytest.fixture
def crane(caller: Caller, tmp_path: Path) -> Tool:
    """crane, logged in with the caller's token."""
    tool = Tool(["crane"], tmp_path / "crane")
    assert "logged in" in login(tool, caller, caller.password())
    return tool


def login(crane: Tool, caller: Caller, password: str) -> str:
    words = ["auth", "login", "--username=AWS", "--password-stdin", caller.registry]
    return crane.run(*words, stdin=password)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of two platforms, in ``layout`` below crane's home."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    write_layout(tmp_path / "crane" / "layout", made, "v1")
    return made


def test_push_pull_and_tags(crane: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("team/app")
    digest = index.manifest.digest
    assert f"{uri}@{digest}" in crane.run("push", "layout", f"{uri}:v1")
    assert crane.run("digest", f"{uri}:v1").split()[-1] == digest
    assert caller.describe_image("team/app", imageTag="v1")["imageManifestMediaType"] == OCI_INDEX
    crane.run("tag", f"{uri}:v1", "v2")
    assert crane.run("ls", uri).split() == ["v1", "v2"]
    assert f"PASS: {uri}:v1" in crane.run("validate", "--remote", f"{uri}:v1")

    crane.run("pull", "--format=oci", f"{uri}:v2", "back")
    assert layout_root(crane.home / "back") == digest
    assert set(layout_digests(crane.home / "back")) == set(layout_digests(crane.home / "layout"))
    (arm,) = (image for image in index.images if image.architecture == "arm64")
    found = crane.run("manifest", "--platform=linux/arm64", f"{uri}:v1")
    assert found.strip() == arm.manifest.data.decode()


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED"])
def test_copy_between_repositories(
    crane: Tool, caller: Caller, index: Index, mounting: str
) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    first, second = caller.create_repository("first"), caller.create_repository("second")
    crane.run("push", "layout", f"{first}:v1")
    crane.run("tag", f"{first}:v1", "v2")
    printed = crane.run("copy", "--all-tags", first, second)
    blobs = {blob.digest for image in index.images for blob in image.blobs}
    how = "mounted blob: " if mounting == "ENABLED" else "pushed blob: "
    assert {line.partition(how)[2] for line in printed.splitlines() if how in line} == blobs
    assert crane.run("ls", second).split() == ["v1", "v2"]

    caller.ecr.delete_repository(repositoryName="first", force=True)
    crane.run("pull", "--format=oci", f"{second}:v1", "back")
    assert layout_root(crane.home / "back") == index.manifest.digest


def test_deletes(crane: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("app")
    crane.run("push", "layout", f"{uri}:v1")
    crane.run("tag", f"{uri}:v1", "v2")
    child: Image = index.images[0]
    assert "Requested image referenced by manifest list" in crane.refused(
        "delete", f"{uri}@{child.manifest.digest}"
    )
    crane.run("delete", f"{uri}:v1")
    assert crane.run("ls", uri).split() == ["v2"]
    crane.run("delete", f"{uri}@{index.manifest.digest}")
    with pytest.raises(ClientError, match="ImageNotFound"):
        caller.describe_image("app", imageDigest=index.manifest.digest)
    assert crane.run("ls", uri).split() == []


def test_repositories_are_listed(crane: Tool, caller: Caller) -> None:
    for name in ("b", "a/a"):
        caller.create_repository(name * 2)
    assert crane.run("catalog", caller.registry).split() == ["a/aa/a", "bb"]


def test_refusals(crane: Tool, caller: Caller, index: Index, expired_password: str) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    crane.run("push", "layout", f"{uri}:v1")
    write_layout(crane.home / "other", make_image(), "v1")
    assert tag_immutable("v1", "fixed") in crane.refused("push", "other", f"{uri}:v1")
    assert crane.run("digest", f"{uri}:v1").split()[-1] == index.manifest.digest

    missing = f"{caller.registry}/not/there"
    text = repository_missing("not/there", caller.account)
    assert f"NAME_UNKNOWN: {text}" in crane.refused("push", "layout", f"{missing}:v1")
    assert f"NAME_UNKNOWN: {text}" in crane.refused("digest", f"{missing}:v1")
    assert f"NAME_UNKNOWN: {text}" in crane.refused("ls", missing)
    assert f"MANIFEST_UNKNOWN: {IMAGE_MISSING}" in crane.refused("digest", f"{uri}:v2")

    login(crane, caller, expired_password)
    # A push begins with a HEAD, whose answer has no text.
    assert "403 Forbidden" in crane.refused("push", "layout", f"{uri}:v2")
    assert f"DENIED: {TOKEN_EXPIRED}" in crane.refused("ls", uri)
    login(crane, caller, "wrong")
    assert "DENIED: The authorization token is invalid." in crane.refused("ls", uri)
    crane.run("auth", "logout", caller.registry)
    assert "401 Unauthorized" in crane.refused("ls", uri)
