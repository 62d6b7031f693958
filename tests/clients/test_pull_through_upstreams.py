"""Each upstream that ECR caches, by its own URL, found at a registry on this machine.

docker-registry is Debian's; where ECR wants credentials it wants them too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, SkopeoError, oci_layout
from tests.conftest import MakeServer
from tests.support.app import App
from tests.support.docker import Docker, DockerError
from tests.support.images import Image, layout_root, make_image
from tests.support.oci_client import OciClient
from tests.support.upstream import UpstreamRegistry, is_installed

USER, TOKEN = "someone", "s3cret-token"
#: The token as bcrypt has it.
HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuurqlfNK1j3DPm23UErfIbGaYIPKJXOC2\n"
OPEN = {"quay": "quay.io", "k8s": "registry.k8s.io", "public": "public.ecr.aws"}
CLOSED = {
    "docker-hub": "registry-1.docker.io",
    "github": "ghcr.io",
    "gitlab": "registry.gitlab.com",
    "chainguard": "cgr.dev",
    "azure": "example.azurecr.io",
}


def started(folder: Path, htpasswd: str | None = None) -> UpstreamRegistry:
    if not is_installed():
        pytest.skip("docker-registry is not installed")
    return UpstreamRegistry(folder, htpasswd)


@pytest.fixture
def anyones(tmp_path: Path) -> Iterator[UpstreamRegistry]:
    made = started(tmp_path / "anyones")
    yield made
    made.stop()


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[UpstreamRegistry]:
    """A registry that wants a user name and a password."""
    made = started(tmp_path / "closed", HTPASSWD)
    yield made
    made.stop()


@pytest.fixture
def caller(
    make_server: MakeServer, tmp_path: Path, anyones: UpstreamRegistry, closed: UpstreamRegistry
) -> Caller:
    """A user of a server that knows one good secret and one bad one."""
    secrets = tmp_path / "secrets.json"
    logins = {"good": TOKEN, "bad": "another"}
    secrets.write_text(
        json.dumps(
            {
                f"ecr-pullthroughcache/{name}": {"username": USER, "accessToken": token}
                for name, token in logins.items()
            }
        )
    )
    places = [f"{host}={anyones.url}" for host in OPEN.values()]
    places += [f"{host}={closed.url}" for host in CLOSED.values()]
    server = make_server(upstreams=",".join(places), secrets=secrets)
    return Caller(server.url, tmp_path / "aws")


def make_rule(caller: Caller, prefix: str, url: str, secret: str = "", **more: str) -> bool:
    """Create a rule; say whether it is valid."""
    if secret:
        place = f"arn:aws:secretsmanager:{caller.region}:{caller.account}:secret"
        more["credentialArn"] = f"{place}:ecr-pullthroughcache/{secret}-AbCdEf"
    caller.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix=prefix, upstreamRegistryUrl=url, **more
    )
    answer = caller.ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix=prefix)
    return bool(answer["isValid"])


def put(
    upstream: UpstreamRegistry, name: str, tag: str = "1", password: str | None = None
) -> Image:
    """Have an image at an upstream, tagged 1."""
    made = make_image()
    client = OciClient(upstream.url, None)
    if password is not None:
        client = OciClient(upstream.url, password, user=USER)
    client.push(name, made, "1")
    return made


def test_every_one_of_them(
    skopeo: Skopeo,
    caller: Caller,
    anyones: UpstreamRegistry,
    closed: UpstreamRegistry,
    tmp_path: Path,
) -> None:
    images = {}
    for prefix, url in OPEN.items():
        assert make_rule(caller, prefix, url)
        images[prefix] = put(anyones, f"of/{prefix}")
    for prefix, url in CLOSED.items():
        assert make_rule(caller, prefix, url, "good")
        images[prefix] = put(closed, f"of/{prefix}", password=TOKEN)
    for prefix, image in images.items():
        layout = tmp_path / prefix
        source = f"docker://{caller.registry}/{prefix}/of/{prefix}:1"
        skopeo.copy(source, oci_layout(layout, "1"))
        assert layout_root(layout) == image.manifest.digest
    names = {item["repositoryName"] for item in caller.ecr.describe_repositories()["repositories"]}
    assert names == {f"{prefix}/of/{prefix}" for prefix in images}


def test_docker_hub(docker: Docker, caller: Caller, closed: UpstreamRegistry) -> None:
    """Official images are in ``library``, and are pulled by that (user guide)."""
    assert make_rule(caller, "docker-hub", CLOSED["docker-hub"], "good")
    image = put(closed, "library/app", password=TOKEN)
    docker.login(caller.registry, caller.password())
    docker.pull(f"{caller.registry}/docker-hub/library/app:1")
    assert docker.image_id(f"{caller.registry}/docker-hub/library/app:1") == image.config.digest
    with pytest.raises(DockerError, match="does not exist"):
        docker.pull(f"{caller.registry}/docker-hub/app:1")


def test_a_wrong_secret(
    docker: Docker, skopeo: Skopeo, caller: Caller, closed: UpstreamRegistry, tmp_path: Path
) -> None:
    assert not make_rule(caller, "docker-hub", CLOSED["docker-hub"], "bad")
    put(closed, "library/app", password=TOKEN)
    docker.login(caller.registry, caller.password())
    reference = f"{caller.registry}/docker-hub/library/app:1"
    with pytest.raises(DockerError, match="The authentication to the upstream registry failed"):
        docker.pull(reference)
    with pytest.raises(SkopeoError, match="The authentication to the upstream registry failed"):
        skopeo.copy(f"docker://{reference}", oci_layout(tmp_path / "none", "1"))
    assert caller.ecr.describe_repositories()["repositories"] == []


def test_the_longest_prefix_and_root(
    docker: Docker, caller: Caller, anyones: UpstreamRegistry, closed: UpstreamRegistry
) -> None:
    """Of rules and of templates."""
    assert make_rule(caller, "ROOT", OPEN["quay"])
    assert make_rule(caller, "team", CLOSED["github"], "good")
    assert make_rule(caller, "team/own", OPEN["k8s"], upstreamRepositoryPrefix="elsewhere")
    for prefix, mutability in (("ROOT", "MUTABLE"), ("team", "IMMUTABLE")):
        caller.ecr.create_repository_creation_template(
            prefix=prefix, appliedFor=["PULL_THROUGH_CACHE"], imageTagMutability=mutability
        )
    images = {
        "other/app": put(anyones, "other/app"),
        "app": put(anyones, "app"),
        "team/app": put(closed, "app", password=TOKEN),
        "team/own/app": put(anyones, "elsewhere/app"),
    }
    docker.login(caller.registry, caller.password())
    for name, image in images.items():
        reference = f"{caller.registry}/{name}:1"
        docker.pull(reference)
        assert docker.image_id(reference) == image.config.digest
    found: list[dict[str, Any]] = caller.ecr.describe_repositories()["repositories"]
    assert {item["repositoryName"]: item["imageTagMutability"] for item in found} == {
        "app": "MUTABLE",
        "other/app": "MUTABLE",
        "team/app": "IMMUTABLE",
        "team/own/app": "IMMUTABLE",
    }


def test_a_tag_that_moves_is_followed_after_a_day(
    tmp_path: Path, anyones: UpstreamRegistry
) -> None:
    """In this process, whose clock moves."""
    app = App(tmp_path / "data", upstreams={"quay.io": anyones.url})
    try:
        app.ecr().create_pull_through_cache_rule(
            ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
        )
        path = "/v2/quay/team/app/manifests/1"
        first = put(anyones, "team/app")
        assert app.oci().expect(200, "GET", path).data == first.manifest.data
        second = put(anyones, "team/app")
        app.clock.advance(timedelta(hours=23))
        assert app.oci().expect(200, "GET", path).data == first.manifest.data
        app.clock.advance(timedelta(hours=1))
        assert app.oci().expect(200, "GET", path).data == second.manifest.data
        anyones.stop()
        app.clock.advance(timedelta(hours=24))
        assert app.oci().expect(200, "GET", path).data == second.manifest.data
    finally:
        app.close()
