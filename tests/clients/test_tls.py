"""HTTPS by boto3, docker and Amazon's credential helper, also under AWS's own names."""

from __future__ import annotations

import json
import shutil
import ssl
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, SSLError

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.docker import Docker, DockerError, folder_of_daemon
from tests.support.images import make_image
from tests.support.server import ServerProcess

#: As in scripts/ci/dockerd.
ACCOUNT = "111111111111"
REGISTRY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"
API = "api.ecr.us-east-1.amazonaws.com"
#: The name at which the daemon verifies certificates.
VERIFIED = "222222222222.dkr.ecr.us-east-1.amazonaws.com"


@pytest.fixture
def tls_server(make_server: MakeServer) -> ServerProcess:
    return make_server(tls=True, tls_aws_names=True, workers=1)


@pytest.fixture
def user(tls_server: ServerProcess, tmp_path: Path) -> Caller:
    return Caller(tls_server.url, tmp_path, authority=tls_server.authority)


def test_boto3_with_the_authority(tls_server: ServerProcess, user: Caller, tmp_path: Path) -> None:
    uri = user.create_repository("app")
    assert uri == f"{tls_server.host}:{tls_server.port}/app"
    (data,) = user.ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == tls_server.url
    image = make_image()
    user.put_image("app", image, "v1")
    layer = image.layers[0]
    url = user.ecr.get_download_url_for_layer(repositoryName="app", layerDigest=layer.digest)
    assert url["downloadUrl"].startswith(f"{tls_server.url}/")
    context = ssl.create_default_context(cafile=tls_server.authority)
    with urllib.request.urlopen(url["downloadUrl"], context=context) as answer:
        assert answer.read() == layer.data
    assert user.client("sts").get_caller_identity()["Account"] == user.account
    with pytest.raises(SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        Caller(tls_server.url, tmp_path).ecr.describe_repositories()


@pytest.mark.usefixtures("aws_command")
def test_the_aws_command(user: Caller) -> None:
    uri = user.create_repository("app")
    (found,) = user.aws_json("ecr", "describe-repositories")["repositories"]
    assert found["repositoryUri"] == uri


def test_policies_see_the_transport(user: Caller) -> None:
    user.create_repository("app")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "ecr:ListImages",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    user.ecr.set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    assert user.ecr.list_images(repositoryName="app")["imageIds"] == []
    statement["Condition"] = {"Bool": {"aws:SecureTransport": "true"}}
    user.ecr.set_repository_policy(repositoryName="app", policyText=json.dumps(policy))
    with pytest.raises(ClientError, match="explicit deny in a resource-based policy"):
        user.ecr.list_images(repositoryName="app")


@pytest.fixture
def daemon(docker_host: str) -> Path:
    """The folder of a daemon that knows AWS's names as the loopback's."""
    folder = folder_of_daemon(docker_host)
    if folder is None:
        pytest.skip("needs a docker daemon by scripts/ci/dockerd: others know AWS's names as AWS's")
    return folder


def test_docker_trusts_the_authority(
    tls_server: ServerProcess, daemon: Path, docker: Docker, tmp_path: Path
) -> None:
    """As `ecr-emulator tls` says: by the folder certs.d, and under the name that AWS has."""
    caller = Caller(tls_server.url, tmp_path, VERIFIED[:12], authority=tls_server.authority)
    registry = f"{VERIFIED}:{tls_server.port}"
    caller.create_repository("team/app")
    with pytest.raises(DockerError, match="certificate signed by unknown authority"):
        docker.login(registry, caller.password())
    certificates = daemon / "etc" / "certs.d" / registry
    certificates.mkdir(parents=True)
    shutil.copyfile(tls_server.authority, certificates / "ca.crt")
    assert "Login Succeeded" in docker.login(registry, caller.password())
    push_and_pull(docker, f"{registry}/team/app:1")


def push_and_pull(docker: Docker, reference: str) -> None:
    image_id = docker.build(reference)
    assert docker.push(reference).count(": Pushed") == 3
    docker.remove(reference)
    docker.pull(reference)
    assert docker.image_id(reference) == image_id


@pytest.fixture
def credential_helper() -> None:
    """For the tests that run docker-credential-ecr-login."""
    if shutil.which("docker-credential-ecr-login") is None:
        pytest.skip("docker-credential-ecr-login is not installed (amazon-ecr-credential-helper)")


@pytest.mark.usefixtures("credential_helper")
def test_amazons_credential_helper(
    daemon: Path, docker_host: str, make_server: MakeServer, tmp_path: Path
) -> None:
    """docker never logs in: it asks the helper, which asks the API under its name at AWS."""
    lines = [line.split() for line in (daemon / "hosts").read_text().splitlines() if line.strip()]
    address = next(line[0] for line in lines if API in line[1:])
    # The address is this run's alone. No other test may use it, for its port is the well-known.
    server = make_server(host=address, port=443, tls=True, tls_aws_names=True, workers=1)
    caller = Caller(server.url, tmp_path, ACCOUNT, authority=server.authority)
    caller.create_repository("team/app")
    docker = Docker(
        tmp_path / "docker",
        docker_host,
        hosts=daemon / "hosts",
        variables={
            "HOME": str(tmp_path),
            "AWS_CA_BUNDLE": str(server.authority),
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_ECR_DISABLE_CACHE": "true",
        },
    )
    config = tmp_path / "docker" / "config" / "config.json"
    config.write_text(json.dumps({"credHelpers": {REGISTRY: "ecr-login"}}))
    try:
        push_and_pull(docker, f"{REGISTRY}/team/app:1")
    finally:
        docker.cleanup()
    assert "auths" not in json.loads(config.read_text())
