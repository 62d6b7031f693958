"""skopeo: indexes in and out, mounts, sync, tags, deletes, and what it prints when ECR refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, oci_layout, requests
from tests.clients.texts import IMAGE_MISSING, TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import (
    OCI_INDEX,
    Index,
    layout_digests,
    layout_root,
    make_image,
    make_index,
    write_layout,
)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of three platforms, written to ``layout`` below `tmp_path` with the tag ``v1``."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64", "s390x")])
    write_layout(tmp_path / "layout", made, "v1")
    return made


def test_index_in_and_out(skopeo: Skopeo, caller: Caller, index: Index, tmp_path: Path) -> None:
    uri = caller.create_repository("multi/arch")
    skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{uri}:v1")

    details = caller.describe_image("multi/arch", imageTag="v1")
    assert details["imageDigest"] == index.manifest.digest
    assert details["imageManifestMediaType"] == OCI_INDEX
    # An index counts as much as its largest image (API reference, imageSizeInBytes).
    assert details["imageSizeInBytes"] == max(image.size for image in index.images)
    for image in index.images:
        child = caller.describe_image("multi/arch", imageDigest=image.manifest.digest)
        assert child["imageSizeInBytes"] == image.size
        assert "imageTags" not in child

    skopeo.copy(f"docker://{uri}:v1", oci_layout(tmp_path / "back", "v1"))
    assert layout_root(tmp_path / "back") == index.manifest.digest
    assert set(layout_digests(tmp_path / "back")) == set(layout_digests(tmp_path / "layout"))


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED", None])
def test_copy_between_repositories(
    skopeo: Skopeo, caller: Caller, index: Index, tmp_path: Path, mounting: str | None
) -> None:
    layers = {layer.digest for image in index.images for layer in image.layers}
    configs = {image.config.digest for image in index.images}
    first = caller.create_repository("first")
    second = caller.create_repository("second")
    if mounting is not None:
        caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    log = skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{first}:v1")
    assert len(requests(log, "PATCH", "/v2/first/blobs/uploads/")) == len(layers | configs)

    log = skopeo.copy(f"docker://{first}:v1", f"docker://{second}:v2")
    # skopeo mounts layers only; the small configs it always sends.
    mounts = requests(log, "POST", "mount=")
    assert {digest for digest in layers if digest[7:] in "".join(mounts)} == layers
    uploads = requests(log, "PATCH", "/v2/second/blobs/uploads/")
    # Off unless the account turned it on; then the mount's answer offers an upload.
    assert len(uploads) == len(configs if mounting == "ENABLED" else layers | configs)

    details = caller.describe_image("second", imageTag="v2")
    assert details["imageDigest"] == index.manifest.digest
    skopeo.copy(f"docker://{second}:v2", oci_layout(tmp_path / "back", "v1"))
    assert set(layout_digests(tmp_path / "back")) == set(layout_digests(tmp_path / "layout"))


@pytest.fixture
def user(caller: Caller, tmp_path: Path) -> Tool:
    """skopeo as a user calls it, logged in with the caller's token."""
    home = tmp_path / "skopeo"
    # The machine's signature policy is not what is tested.
    command = ["skopeo", "--insecure-policy"]
    tool = Tool(command, home, {"REGISTRY_AUTH_FILE": str(home / "auth.json")})
    assert "Login Succeeded" in login(tool, caller, caller.password())
    return tool


INSECURE = "--tls-verify=false"


def login(user: Tool, caller: Caller, password: str) -> str:
    words = ["login", INSECURE, "--username=AWS", "--password-stdin", caller.registry]
    return user.run(*words, stdin=password)


def to_registry(uri: str, tmp_path: Path) -> list[str]:
    place = oci_layout(tmp_path / "layout", "v1")
    return ["copy", "--all", "--dest-tls-verify=false", place, f"docker://{uri}"]


def tags(user: Tool, uri: str) -> list[str]:
    return list(json.loads(user.run("list-tags", INSECURE, f"docker://{uri}"))["Tags"])


def test_sync_both_ways(user: Tool, caller: Caller, index: Index, tmp_path: Path) -> None:
    first = caller.create_repository("team/app")
    caller.create_repository("mirror/app")
    for tag in ("v1", "v2"):
        user.run(*to_registry(f"{first}:{tag}", tmp_path))
    sync = ["sync", "--all", "--preserve-digests"]
    out = ["--src=docker", "--dest=dir", "--src-tls-verify=false"]
    user.run(*sync, *out, first, "synced")
    assert sorted(path.name for path in (user.home / "synced").iterdir()) == ["app:v1", "app:v2"]
    into = ["--src=dir", "--dest=docker", "--dest-tls-verify=false"]
    user.run(*sync, *into, "synced", f"{caller.registry}/mirror")
    mirrored = f"{caller.registry}/mirror/app"
    assert tags(user, mirrored) == ["v1", "v2"]
    details = caller.describe_image("mirror/app", imageTag="v2")
    assert details["imageDigest"] == index.manifest.digest

    # And without a folder between them.
    caller.create_repository("other/app")
    both = ["--src=docker", "--dest=docker", "--src-tls-verify=false", "--dest-tls-verify=false"]
    user.run(*sync, *both, first, f"{caller.registry}/other")
    assert tags(user, f"{caller.registry}/other/app") == ["v1", "v2"]


def test_tags_and_deletes(user: Tool, caller: Caller, index: Index, tmp_path: Path) -> None:
    """skopeo deletes by digest, so that all tags of an image go."""
    uri = caller.create_repository("app")
    for tag in ("v1", "v2"):
        user.run(*to_registry(f"{uri}:{tag}", tmp_path))
    assert tags(user, uri) == ["v1", "v2"]
    found = json.loads(user.run("inspect", INSECURE, f"docker://{uri}:v1"))
    assert found["RepoTags"] == ["v1", "v2"]
    assert found["Digest"] == index.manifest.digest
    user.run("delete", INSECURE, f"docker://{uri}:v1")
    assert tags(user, uri) == []
    left = caller.ecr.describe_images(repositoryName="app")["imageDetails"]
    assert {image["imageDigest"] for image in left} == {
        image.manifest.digest for image in index.images
    }


def test_refusals(
    user: Tool, caller: Caller, index: Index, tmp_path: Path, expired_password: str
) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    user.run(*to_registry(f"{uri}:v1", tmp_path))
    refused = user.refused(*to_registry(f"{uri}:v1", tmp_path))  # the same once more
    assert tag_immutable("v1", "fixed") in refused

    missing = f"{caller.registry}/not/there"
    text = repository_missing("not/there", caller.account)
    assert text in user.refused(*to_registry(f"{missing}:v1", tmp_path))
    assert text in user.refused("inspect", INSECURE, f"docker://{missing}:v1")
    assert "404 (Not Found)" in user.refused("list-tags", INSECURE, f"docker://{missing}")
    assert IMAGE_MISSING in user.refused("inspect", INSECURE, f"docker://{uri}:v2")
    user.run("delete", INSECURE, f"docker://{uri}:v1")
    assert "Image may not exist" in user.refused("delete", INSECURE, f"docker://{uri}:v1")

    expired = ["--creds", f"AWS:{expired_password}", f"docker://{uri}:v1"]
    assert TOKEN_EXPIRED in user.refused("inspect", INSECURE, *expired)
    wrong = ["--creds", "AWS:wrong", f"docker://{uri}:v1"]
    invalid = "denied: The authorization token is invalid."
    assert invalid in user.refused("inspect", INSECURE, *wrong)
    user.run("logout", caller.registry)
    nobody = user.refused("inspect", INSECURE, f"docker://{uri}:v1")
    assert "authentication required" in nobody
