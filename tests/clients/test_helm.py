"""helm: charts in and out of the registry, and what it prints when ECR refuses."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.texts import TOKEN_EXPIRED, repository_missing, tag_immutable
from tests.clients.tool import Tool

PLAIN = "--plain-http"
CONFIG = "application/vnd.cncf.helm.config.v1+json"


@pytest.fixture
def helm(caller: Caller, tmp_path: Path) -> Tool:
    """helm, logged in with the caller's token."""
    tool = Tool(["helm"], tmp_path / "helm")
    assert "Login Succeeded" in tool.run(*login_words(caller), stdin=caller.password())
    return tool


def login_words(caller: Caller) -> list[str]:
    return ["registry", "login", PLAIN, "--username=AWS", "--password-stdin", caller.registry]


def package(helm: Tool, version: str, note: str = "") -> str:
    """Make a chart called ``web`` and return its package's name."""
    folder = helm.home / "web"
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: web\nversion: {version}\ndescription: '{note}'\n"
    )
    (folder / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"
    )
    helm.run("package", "web")
    return f"web-{version}.tgz"


def push(helm: Tool, caller: Caller, chart: str) -> str:
    """Push a chart and return the digest that helm prints."""
    printed = helm.run("push", PLAIN, chart, f"oci://{caller.registry}/charts")
    found = re.search(r"Digest: (sha256:[0-9a-f]{64})", printed)
    assert found is not None, printed
    return found[1]


def test_push_show_and_pull(helm: Tool, caller: Caller) -> None:
    uri = caller.create_repository("charts/web")
    # What SemVer calls a build is no character of a tag: helm writes an underscore.
    for version in ("1.0.0", "1.1.0", "1.2.0+build.5"):
        chart = package(helm, version)
        digest = push(helm, caller, chart)
        details = caller.describe_image("charts/web", imageTag=version.replace("+", "_"))
        assert details["imageDigest"] == digest
        assert details["artifactMediaType"] == CONFIG

    assert "version: 1.1.0" in helm.run("show", "chart", PLAIN, f"oci://{uri}", "--version=1.1.0")
    # A range of versions is looked up in the list of tags; so is the newest.
    assert "version: 1.0.0" in helm.run("show", "chart", PLAIN, f"oci://{uri}", "--version=~1.0")
    assert "version: 1.2.0+build.5" in helm.run("show", "chart", PLAIN, f"oci://{uri}")
    assert "kind: ConfigMap" in helm.run("template", PLAIN, f"oci://{uri}", "--version=1.0.0")
    (helm.home / "back").mkdir()
    helm.run("pull", PLAIN, f"oci://{uri}", "--version=1.0.0", "--destination=back")
    packed = [helm.home / "web-1.0.0.tgz", helm.home / "back" / "web-1.0.0.tgz"]
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in packed}) == 1


def test_refusals(helm: Tool, caller: Caller, expired_password: str) -> None:
    chart = package(helm, "1.0.0")
    refused = helm.refused("push", PLAIN, chart, f"oci://{caller.registry}/charts")
    assert repository_missing("charts/web", caller.account) in refused
    uri = caller.create_repository("charts/web", imageTagMutability="IMMUTABLE")
    digest = push(helm, caller, chart)
    package(helm, "1.0.0", "another")
    refused = helm.refused("push", PLAIN, chart, f"oci://{caller.registry}/charts")
    assert tag_immutable("1.0.0", "charts/web") in refused
    assert caller.describe_image("charts/web", imageTag="1.0.0")["imageDigest"] == digest
    assert "not found" in helm.refused("pull", PLAIN, f"oci://{uri}", "--version=2.0.0")

    assert TOKEN_EXPIRED in helm.refused(*login_words(caller), stdin=expired_password)
    assert "400" in helm.refused(*login_words(caller), stdin="wrong")
    helm.run("registry", "logout", caller.registry)
    refused = helm.refused("pull", PLAIN, f"oci://{uri}", "--version=1.0.0")
    assert "basic credential not found" in refused
