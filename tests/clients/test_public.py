"""ECR Public by the commands that people use: aws, docker with a login, skopeo with none."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.caller import AwsError, Caller
from tests.clients.skopeo import TIMEOUT_SECONDS, oci_layout
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


def skopeo(server: ServerProcess, *args: str) -> subprocess.CompletedProcess[str]:
    """Run skopeo for someone who has no credentials of any kind.

    ``*.localhost`` resolves neither by glibc nor by Go; so the server is its HTTP proxy, to
    which a client leaves the resolving, and which answers for every host.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",  # and no login in it
        "http_proxy": server.url,
    }
    return subprocess.run(
        ["skopeo", "--insecure-policy", "--debug", *args],
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


@pytest.mark.usefixtures("aws_command")
def test_a_walk_by_the_aws_command(caller: Caller, tmp_path: Path) -> None:
    def aws(*args: str) -> dict[str, object]:
        return dict(caller.aws_json("ecr-public", *args))

    name = ("--repository-name", "team/app")
    created = caller.aws_json(
        *("ecr-public", "create-repository", *name),
        *(
            "--catalog-data",
            "description=An app,architectures=ARM 64,x86-64,operatingSystems=Linux",
        ),
        *("--tags", "Key=env,Value=dev"),
    )
    assert created["catalogData"] == {
        "description": "An app",
        "architectures": ["ARM 64", "x86-64"],
        "operatingSystems": ["Linux"],
    }
    uri, arn = created["repository"]["repositoryUri"], created["repository"]["repositoryArn"]
    (registry,) = caller.aws_json("ecr-public", "describe-registries")["registries"]
    alias = registry["aliases"][0]["name"]
    assert registry["registryUri"] == f"{caller.registry}/public.ecr.aws/{alias}"
    assert uri == f"{registry['registryUri']}/team/app"
    assert aws("list-tags-for-resource", "--resource-arn", arn)["tags"] == [
        {"Key": "env", "Value": "dev"}
    ]

    # The one line that `docker login --password-stdin` reads opens what the URI names.
    password = caller.aws("ecr-public", "get-login-password")
    assert len(password.splitlines()) == 1
    image = make_image()
    client = caller.oci()
    client.push(uri.partition("/")[2], image, "v1")

    digest = image.manifest.digest
    (tag,) = caller.aws_json("ecr-public", "describe-image-tags", *name)["imageTagDetails"]
    assert (tag["imageTag"], tag["imageDetail"]["imageDigest"]) == ("v1", digest)
    (detail,) = caller.aws_json("ecr-public", "describe-images", *name)["imageDetails"]
    assert detail["imageSizeInBytes"] == image.size
    (tmp_path / "manifest.json").write_bytes(image.manifest.data)
    put = caller.aws_json(
        *("ecr-public", "put-image", *name, "--registry-id", alias, "--image-tag", "v2"),
        *("--image-manifest", f"file://{tmp_path}/manifest.json"),
    )
    assert put["image"]["imageId"] == {"imageDigest": digest, "imageTag": "v2"}

    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr-public:PutImage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    aws("set-repository-policy", *name, "--policy-text", policy)
    assert "ecr-public:PutImage" in str(aws("get-repository-policy", *name)["policyText"])
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = {"logoImageBlob": base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()}
    aws("put-repository-catalog-data", *name, "--catalog-data", json.dumps(data))
    assert "/logo/" in str(aws("get-repository-catalog-data", *name)["catalogData"])
    aws("put-registry-catalog-data", "--display-name", "Us")
    assert aws("get-registry-catalog-data") == {"registryCatalogData": {"displayName": "Us"}}

    deleted = aws("batch-delete-image", *name, "--image-ids", f"imageDigest={digest}")
    assert deleted["failures"] == []
    aws("delete-repository", *name)
    assert aws("describe-repositories") == {"repositories": []}
    with pytest.raises(AwsError, match=r"\(UnsupportedCommandException\).* only supported in us-e"):
        caller.aws("ecr-public", "describe-repositories", "--region", "us-west-2")


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
    done = skopeo(server, "inspect", "--tls-verify=false", f"{source}:v1")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["Digest"] == image.manifest.digest
    assert found["RepoTags"] == ["v1"]
    assert (f"GET http://{host}/token/?" in done.stderr) == (where == "host")

    done = skopeo(server, "copy", "--src-tls-verify=false", f"{source}:v1", f"dir:{tmp_path}/got")
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
    done = skopeo(server, "copy", "--dest-tls-verify=false", source, target)
    assert done.returncode != 0
    assert "Not Authorized" in done.stderr
    login = f"AWS:{public_password(caller)}"
    done = skopeo(server, "copy", "--dest-tls-verify=false", "--dest-creds", login, source, target)
    assert done.returncode == 0, done.stderr
    tags = caller.client("ecr-public").describe_image_tags(repositoryName="team/app")
    assert [item["imageTag"] for item in tags["imageTagDetails"]] == ["v1", "v2"]
