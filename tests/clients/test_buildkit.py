"""BuildKit: build caches in the registry, in the forms in which it writes them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.tool import Tool
from tests.support.docker import Docker, DockerError
from tests.support.images import OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Blob, make_layer

CONFIG = "application/vnd.buildkit.cacheconfig.v0"


@pytest.fixture
def builder(docker_host: str, caller: Caller, tmp_path: Path) -> Docker:
    """A docker command that builds by BuildKit, logged in with the caller's token."""
    # Since version 23 that takes a plugin; Debian's own may be beside a newer one without it.
    for number, command in enumerate(("docker", "/usr/bin/docker")):
        if shutil.which(command) is None:
            continue
        user = Docker(
            tmp_path / f"docker-{number}",
            docker_host,
            command=command,
            variables={"DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"},
        )
        try:
            user.run("build", "--help")
        except DockerError:
            continue
        user.login(caller.registry, caller.password())
        return user
    pytest.skip("no docker command here builds by BuildKit (its plugin buildx is missing)")


def test_a_cache_within_the_image(builder: Docker, caller: Caller, tmp_path: Path) -> None:
    """``type=inline``: the next builder, which has nothing, builds nothing again."""
    uri = caller.create_repository("app")
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_bytes(os.urandom(5000))
    (context / "Dockerfile").write_text(
        "FROM scratch AS first\nCOPY file /file\nFROM scratch\nCOPY --from=first /file /copy\n"
    )
    with_cache = ["--build-arg=BUILDKIT_INLINE_CACHE=1", f"--tag={uri}:1"]
    assert "CACHED" not in builder.run("build", *with_cache, str(context))
    builder.push(f"{uri}:1")
    builder.run("rmi", f"{uri}:1")
    builder.run("builder", "prune", "--all", "--force")

    printed = builder.run("build", f"--cache-from={uri}:1", f"--tag={uri}:2", str(context))
    assert f"importing cache manifest from {uri}:1" in printed
    assert printed.count("CACHED") == 2
    builder.push(f"{uri}:2")
    assert len(caller.ecr.list_images(repositoryName="app")["imageIds"]) == 2
    builder.run("rmi", f"{uri}:2")


@pytest.fixture
def oras(caller: Caller, tmp_path: Path) -> Tool:
    tool = Tool(["oras"], tmp_path / "oras")
    words = ["login", "--plain-http", "--username=AWS", "--password-stdin", caller.registry]
    tool.run(*words, stdin=caller.password())
    return tool


def cache(folder: Path) -> tuple[Blob, list[Blob]]:
    """Write a cache's config and layers to files, and return them."""
    layers = [make_layer()[0] for _ in range(2)]
    records = [
        {"digest": layer.digest, "layers": [{"layer": number}]}
        for number, layer in enumerate(layers)
    ]
    listed = [{"blob": layer.digest, "parent": number - 1} for number, layer in enumerate(layers)]
    config = Blob(CONFIG, json.dumps({"layers": listed, "records": records}).encode())
    for number, layer in enumerate(layers):
        (folder / f"layer{number}").write_bytes(layer.data)
    (folder / "config").write_bytes(config.data)
    return config, layers


def test_a_cache_as_an_image(oras: Tool, caller: Caller) -> None:
    """``type=registry,image-manifest=true``, which BuildKit has for registries such as ECR."""
    uri = caller.create_repository("app")
    config, layers = cache(oras.home)
    files = [f"layer{number}:{OCI_LAYER}" for number in range(len(layers))]
    push = ["push", "--plain-http", "--format=json", f"--config=config:{CONFIG}"]
    pushed = json.loads(oras.run(*push, f"{uri}:cache", *files))

    details = caller.describe_image("app", imageTag="cache")
    assert details["imageDigest"] == pushed["digest"]
    assert details["imageManifestMediaType"] == OCI_MANIFEST
    assert details["artifactMediaType"] == CONFIG
    assert details["imageSizeInBytes"] == sum(len(blob.data) for blob in (config, *layers))
    oras.run("pull", "--plain-http", "--output=back", "--config=config.back", f"{uri}:cache")
    assert (oras.home / "back" / "config.back").read_bytes() == config.data
    for number, layer in enumerate(layers):
        assert (oras.home / "back" / f"layer{number}").read_bytes() == layer.data


def test_a_cache_as_an_index(oras: Tool, caller: Caller) -> None:
    """What ``type=registry`` writes by default: an index of layers, which ECR takes for images."""
    uri = caller.create_repository("app")
    config, layers = cache(oras.home)
    listed = [blob.descriptor() for blob in (*layers, config)]
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}
    (oras.home / "index.json").write_text(json.dumps(body))
    for name in ("layer0", "layer1", "config"):
        oras.run("blob", "push", "--plain-http", uri, name)
    refused = oras.refused(
        *("manifest", "push", "--plain-http", f"--media-type={OCI_INDEX}"),
        *(f"{uri}:cache", "index.json"),
    )
    assert "required for pushing image into repository with name 'app'" in refused
    assert layers[0].digest in refused
    assert caller.ecr.list_images(repositoryName="app")["imageIds"] == []
