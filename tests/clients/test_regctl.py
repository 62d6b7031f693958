"""regctl: copies of images with their referrers, tags, deletes, and what it prints when refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.texts import IMAGE_MISSING, TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import (
    OCI_INDEX,
    Index,
    layout_digests,
    make_image,
    make_index,
    write_layout,
)

SBOM = "application/spdx+json"


@pytest.fixture
def regctl(caller: Caller, tmp_path: Path) -> Tool:
    """regctl, logged in with the caller's token."""
    tool = Tool(["regctl"], tmp_path / "regctl")
    login(tool, caller, caller.password())
    return tool


def login(regctl: Tool, caller: Caller, password: str) -> None:
    """Set the login; whether it is good shows when it is used."""
    regctl.run("registry", "set", "--skip-check", "--tls=disabled", caller.registry)
    words = ["login", "--skip-check", "--user=AWS", "--pass-stdin", caller.registry]
    regctl.run("registry", *words, stdin=password)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of two platforms, in ``layout`` below regctl's home."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    write_layout(tmp_path / "regctl" / "layout", made, "v1")
    return made


def test_push_pull_and_tags(regctl: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("team/app")
    digest = index.manifest.digest
    regctl.run("image", "copy", "ocidir://layout:v1", f"{uri}:v1")
    assert regctl.run("image", "digest", f"{uri}:v1").strip() == digest
    details = caller.describe_image("team/app", imageTag="v1")
    assert (details["imageDigest"], details["imageManifestMediaType"]) == (digest, OCI_INDEX)
    regctl.run("image", "copy", f"{uri}:v1", f"{uri}:v2")
    assert regctl.run("tag", "ls", uri).split() == ["v1", "v2"]

    regctl.run("image", "copy", f"{uri}:v1", "ocidir://back:v1")
    assert set(layout_digests(regctl.home / "back")) == set(layout_digests(regctl.home / "layout"))
    assert "team/app" in regctl.run("repo", "ls", caller.registry).split()


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED"])
def test_copy_with_referrers(regctl: Tool, caller: Caller, index: Index, mounting: str) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    first, second = caller.create_repository("first"), caller.create_repository("second")
    regctl.run("image", "copy", "ocidir://layout:v1", f"{first}:v1")
    for number in ("1", "2"):
        of_file = [f"--artifact-type={SBOM}", f"--subject={first}:v1", f"--annotation=n={number}"]
        regctl.run("artifact", "put", *of_file, stdin=f"document {number}")
    listed = regctl.run("artifact", "list", "--format={{len .Descriptors}}", f"{first}:v1")
    assert listed.strip() == "2"

    regctl.run("image", "copy", "--referrers", f"{first}:v1", f"{second}:v1")
    found = caller.ecr.list_image_referrers(
        repositoryName="second", subjectId={"imageDigest": index.manifest.digest}
    )["referrers"]
    assert [one["artifactType"] for one in found] == [SBOM, SBOM]
    caller.ecr.delete_repository(repositoryName="first", force=True)
    one = [f"--subject={second}:v1", f"--filter-artifact-type={SBOM}", "--filter-annotation=n=2"]
    assert regctl.run("artifact", "get", *one) == "document 2"


def test_deletes(regctl: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("app")
    regctl.run("image", "copy", "ocidir://layout:v1", f"{uri}:v1")
    regctl.run("image", "copy", f"{uri}:v1", f"{uri}:v2")
    child = index.images[0].manifest.digest
    refused = regctl.refused("manifest", "delete", f"{uri}@{child}")
    assert "Requested image referenced by manifest list" in refused
    regctl.run("tag", "delete", f"{uri}:v1")
    assert regctl.run("tag", "ls", uri).split() == ["v2"]
    regctl.run("manifest", "delete", "--force-tag-dereference", f"{uri}:v2")
    found = caller.ecr.describe_images(repositoryName="app")["imageDetails"]
    assert {one["imageDigest"] for one in found} == {
        image.manifest.digest for image in index.images
    }


def test_refusals(regctl: Tool, caller: Caller, index: Index, expired_password: str) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    regctl.run("image", "copy", "ocidir://layout:v1", f"{uri}:v1")
    write_layout(regctl.home / "other", make_image(), "v1")
    refused = regctl.refused("image", "copy", "ocidir://other:v1", f"{uri}:v1")
    assert tag_immutable("v1", "fixed") in refused
    assert regctl.run("image", "digest", f"{uri}:v1").strip() == index.manifest.digest

    missing = f"{caller.registry}/not/there"
    text = repository_missing("not/there", caller.account)
    assert text in regctl.refused("image", "copy", "ocidir://other:v1", f"{missing}:v1")
    assert text in regctl.refused("manifest", "get", f"{missing}:v1")
    assert text in regctl.refused("tag", "ls", missing)
    assert IMAGE_MISSING in regctl.refused("manifest", "get", f"{uri}:v2")

    login(regctl, caller, expired_password)
    assert TOKEN_EXPIRED in regctl.refused("tag", "ls", uri)
    login(regctl, caller, "wrong")
    assert "http 400" in regctl.refused("tag", "ls", uri)
    regctl.run("registry", "logout", caller.registry)
    assert "unauthorized" in regctl.refused("tag", "ls", uri)
