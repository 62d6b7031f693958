"""ECR Public by the commands that people use: aws, docker with a login, skopeo with none."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import anonymous_skopeo, oci_layout
from tests.clients.test_accounts import require_names
from tests.support.docker import Docker, DockerError
from tests.support.images import Image, make_image, write_layout
from tests.support.server import ServerProcess


def public_password(caller: Caller) -> str:
    """Return what ``aws ecr-public get-login-password`` prints."""
    data = caller.client("ecr-public").get_authorization_token()["authorizationData"]
    return base64.b64decode(data["authorizationToken"]).decode().partition(":")[2]


def create(caller: Caller, name: str) -> str:
    """Create a public repository and return its address."""
    answer = caller.client("ecr-public").create_repository(repositoryName=name)
    return str(answer["repository"]["repositoryUri"])


def test_docker_by_the_repositorys_address(caller: Caller, docker: Docker) -> None:
    uri = create(caller, "team/app")
    docker.login(caller.registry, public_password(caller))
    image_id = docker.build(f"{uri}:v1")
    assert docker.push(f"{uri}:v1").count(": Pushed") == 3
    docker.remove(f"{uri}:v1")
    docker.pull(f"{uri}:v1")
    assert docker.image_id(f"{uri}:v1") == image_id
    (tag,) = caller.client("ecr-public").describe_image_tags(repositoryName="team/app")[
        "imageTagDetails"
    ]
    assert tag["imageTag"] == "v1"
    docker.remove(f"{uri}:v1")
    # Another account's login, for its own registries, is good for pulls from this one.
    stranger = Caller(caller.url, Path(os.devnull))
    docker.login(stranger.registry, stranger.password())
    docker.pull(f"{uri}:v1")


@pytest.fixture
def pushed(caller: Caller) -> tuple[str, Image]:
    """The path of a public repository below its host, and an image there with the tag ``v1``."""
    uri = create(caller, "team/app")
    image = make_image()
    caller.oci().push(uri.partition("/")[2], image, "v1")
    return uri.partition("/public.ecr.aws/")[2], image


def test_docker_with_no_credentials(
    server: ServerProcess, docker: Docker, pushed: tuple[str, Image]
) -> None:
    """An anonymous pull as from public.ecr.aws, on the public registries' own host."""
    path, image = pushed
    host = f"public.ecr.localhost:{server.port}"
    require_names(docker, [host])
    docker.pull(f"{host}/{path}:v1")
    assert docker.image_id(f"{host}/{path}:v1") == image.config.digest
    docker.tag(f"{host}/{path}:v1", f"{host}/{path}:v2")
    with pytest.raises(DockerError, match="denied"):
        docker.push(f"{host}/{path}:v2")


@pytest.mark.usefixtures("skopeo_command")
@pytest.mark.parametrize("where", ["host", "path"])
def test_skopeo_with_no_credentials(
    server: ServerProcess, pushed: tuple[str, Image], where: str, tmp_path: Path
) -> None:
    path, image = pushed
    host = f"public.ecr.localhost:{server.port}"
    source = f"docker://{host}/{path}"
    if where == "path":
        source = f"docker://{server.host}:{server.port}/public.ecr.aws/{path}"
    done = anonymous_skopeo(server.url, "inspect", "--tls-verify=false", f"{source}:v1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["Digest"] == image.manifest.digest
    assert found["RepoTags"] == ["v1"]
    assert (f"GET http://{host}/token/?" in done.stderr) == (where == "host")

    done = anonymous_skopeo(
        server.url, "copy", "--src-tls-verify=false", f"{source}:v1", f"dir:{tmp_path}/got"
    )
    assert done.returncode == 0, done.stderr
    for blob in image.blobs:
        got = tmp_path / "got" / blob.digest.removeprefix("sha256:")
        assert got.read_bytes() == blob.data


@pytest.mark.usefixtures("skopeo_command")
def test_skopeo_pushes_with_a_login_only(
    server: ServerProcess, caller: Caller, pushed: tuple[str, Image], tmp_path: Path
) -> None:
    path, _ = pushed
    write_layout(tmp_path / "layout", make_image(), "v2")
    source = oci_layout(tmp_path / "layout", "v2")
    target = f"docker://public.ecr.localhost:{server.port}/{path}:v2"
    done = anonymous_skopeo(server.url, "copy", "--dest-tls-verify=false", source, target)
    assert done.returncode != 0
    assert "Not Authorized" in done.stderr
    login = f"AWS:{public_password(caller)}"
    done = anonymous_skopeo(
        server.url, "copy", "--dest-tls-verify=false", "--dest-creds", login, source, target
    )
    assert done.returncode == 0, done.stderr
    tags = caller.client("ecr-public").describe_image_tags(repositoryName="team/app")
    assert [item["imageTag"] for item in tags["imageTagDetails"]] == ["v1", "v2"]
