"""oras: SBOMs and signatures attached to images, discovered and pulled; copies; refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.clients.texts import TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool
from tests.support.images import (
    OCI_INDEX,
    OCI_MANIFEST,
    Index,
    make_image,
    make_index,
    write_layout,
)

PLAIN = "--plain-http"
SBOM = "application/spdx+json"
SIGNATURE = "application/vnd.cncf.notary.signature"
SIGNATURE_FORM = "application/jose+json"


@pytest.fixture
def oras(caller: Caller, tmp_path: Path) -> Tool:
    """oras, logged in with the caller's token, with two files to push in its home folder."""
    tool = Tool(["oras"], tmp_path / "oras")
    assert "Login Succeeded" in login(tool, caller, caller.password())
    (tool.home / "sbom.json").write_text('{"spdxVersion": "SPDX-2.3"}')
    (tool.home / "signature.jwt").write_text("a signature")
    return tool


def login(oras: Tool, caller: Caller, password: str) -> str:
    words = ["login", PLAIN, "--username=AWS", "--password-stdin", caller.registry]
    return oras.run(*words, stdin=password)


@pytest.fixture
def index(oras: Tool) -> Index:
    """An index of two platforms, in ``layout`` below oras' home."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    write_layout(oras.home / "layout", made, "v1")
    return made


def attach(oras: Tool, subject: str, kind: str, file: str) -> str:
    """Attach a file to an image and return the digest of the manifest that does so."""
    printed = oras.run("attach", PLAIN, f"--artifact-type={kind}", "--format=json", subject, file)
    return str(json.loads(printed)["digest"])


def referrers(oras: Tool, subject: str, *options: str) -> list[dict[str, Any]]:
    printed = oras.run("discover", PLAIN, "--format=json", *options, subject)
    return list(json.loads(printed).get("referrers") or ())


def copy_in(oras: Tool, uri: str) -> None:
    oras.run("copy", "--from-oci-layout", "--to-plain-http", "layout:v1", f"{uri}:v1")


def test_attach_discover_and_pull(oras: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("team/app")
    copy_in(oras, uri)
    sbom = attach(oras, f"{uri}:v1", SBOM, f"sbom.json:{SBOM}")
    signature = attach(oras, f"{uri}:v1", SIGNATURE, f"signature.jwt:{SIGNATURE_FORM}")
    # Of the SBOM there is a signature too.
    upon = attach(oras, f"{uri}@{sbom}", SIGNATURE, f"signature.jwt:{SIGNATURE_FORM}")

    found = referrers(oras, f"{uri}:v1")
    assert {(one["digest"], one["artifactType"]) for one in found} == {
        (sbom, SBOM),
        (signature, SIGNATURE),
    }
    (of_sbom,) = (one["referrers"] for one in found if one["digest"] == sbom)
    assert [one["digest"] for one in of_sbom] == [upon]
    (only,) = referrers(oras, f"{uri}:v1", f"--artifact-type={SBOM}")
    assert only["digest"] == sbom
    by_api = caller.ecr.list_image_referrers(
        repositoryName="team/app", subjectId={"imageDigest": index.manifest.digest}
    )["referrers"]
    assert {one["digest"] for one in by_api} == {sbom, signature}

    for digest, file in ((sbom, "sbom.json"), (signature, "signature.jwt")):
        oras.run("pull", PLAIN, f"--output={digest[7:]}", f"{uri}@{digest}")
        pulled = (oras.home / digest[7:] / file).read_text()
        assert pulled == (oras.home / file).read_text()


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED"])
def test_copy_with_all_that_refers_to_it(
    oras: Tool, caller: Caller, index: Index, mounting: str
) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    first, second = caller.create_repository("first"), caller.create_repository("second")
    copy_in(oras, first)
    sbom = attach(oras, f"{first}:v1", SBOM, f"sbom.json:{SBOM}")
    upon = attach(oras, f"{first}@{sbom}", SIGNATURE, f"signature.jwt:{SIGNATURE_FORM}")
    both = ["--from-plain-http", "--to-plain-http"]
    printed = oras.run("copy", "--recursive", *both, f"{first}:v1", f"{second}:v1")
    assert ("Mounted" in printed) is (mounting == "ENABLED")
    caller.ecr.delete_repository(repositoryName="first", force=True)
    (one,) = referrers(oras, f"{second}:v1")
    assert one["digest"] == sbom
    assert [deeper["digest"] for deeper in one["referrers"]] == [upon]
    oras.run("pull", PLAIN, "--output=back", f"{second}@{sbom}")
    assert (oras.home / "back" / "sbom.json").exists()


def test_artifacts_tags_and_deletes(oras: Tool, caller: Caller, index: Index) -> None:
    uri = caller.create_repository("app")
    kind = "application/vnd.example.thing"
    oras.run("push", PLAIN, f"--artifact-type={kind}", f"{uri}:thing", f"sbom.json:{SBOM}")
    details = caller.describe_image("app", imageTag="thing")
    assert details["artifactMediaType"] == kind
    assert details["imageManifestMediaType"] == OCI_MANIFEST
    copy_in(oras, uri)
    oras.run("tag", PLAIN, f"{uri}:v1", "v2")
    oras.run("manifest", "index", "create", PLAIN, f"{uri}:both", "v1", "thing")
    assert caller.describe_image("app", imageTag="both")["imageManifestMediaType"] == OCI_INDEX
    assert oras.run("repo", "tags", PLAIN, uri).split() == ["both", "thing", "v1", "v2"]
    assert oras.run("repo", "ls", PLAIN, caller.registry).split() == ["app"]
    assert oras.run("resolve", PLAIN, f"{uri}:v2").strip() == index.manifest.digest

    refused = oras.refused("manifest", "delete", PLAIN, "--force", f"{uri}:thing")
    assert "Requested image referenced by manifest list" in refused
    for tag in ("both", "thing"):
        oras.run("manifest", "delete", PLAIN, "--force", f"{uri}:{tag}")
    assert oras.run("repo", "tags", PLAIN, uri).split() == ["v1", "v2"]


def test_refusals(oras: Tool, caller: Caller, index: Index, expired_password: str) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    copy_in(oras, uri)
    refused = oras.refused("push", PLAIN, f"{uri}:v1", "sbom.json")
    assert tag_immutable("v1", "fixed") in refused
    assert oras.run("resolve", PLAIN, f"{uri}:v1").strip() == index.manifest.digest

    missing = f"{caller.registry}/not/there"
    text = repository_missing("not/there", caller.account)
    assert f"name unknown: {text}" in oras.refused("push", PLAIN, f"{missing}:v1", "sbom.json")
    assert text in oras.refused("repo", "tags", PLAIN, missing)
    assert f"{uri}:v2: not found" in oras.refused("pull", PLAIN, f"{uri}:v2")

    where = ["login", PLAIN, "--username=AWS", "--password-stdin", caller.registry]
    assert TOKEN_EXPIRED in oras.refused(*where, stdin=expired_password)
    assert "invalid" in oras.refused(*where, stdin="wrong")
    oras.run("logout", caller.registry)
    assert "basic credential not found" in oras.refused("repo", "tags", PLAIN, uri)
