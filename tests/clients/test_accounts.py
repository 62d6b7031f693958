"""Two accounts and two regions at one server: every registry sees itself alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.support.docker import Docker, DockerError
from tests.support.images import make_image
from tests.support.oci_client import OciClient
from tests.support.server import ServerProcess

# As in scripts/ci/dockerd, whose daemon can resolve these.
ACCOUNT_A = "111111111111"
ACCOUNT_B = "222222222222"
TEMPLATE = "{account}.dkr.ecr.{region}.localhost:{port}"


def images_of(caller: Caller, repository: str) -> Any:
    return caller.ecr.list_images(repositoryName=repository)["imageIds"]


def test_registry_by_token(server: ServerProcess, docker: Docker, tmp_path: Path) -> None:
    """One address; whose registry it is, the login decides."""
    callers = [
        Caller(server.url, tmp_path),
        Caller(server.url, tmp_path),
    ]
    callers.append(Caller(server.url, tmp_path, account=callers[0].account, region="eu-west-1"))
    uris = {caller.create_repository("app") for caller in callers}
    assert len(uris) == 1
    reference = f"{uris.pop()}:1"

    ids = []
    for caller in callers:
        docker.login(caller.registry, caller.password())
        ids.append(docker.build(reference))
        assert docker.push(reference).count(": Pushed") == 3
        docker.remove(reference)
    for caller, image_id in zip(callers, ids, strict=True):
        docker.login(caller.registry, caller.password())
        docker.pull(reference)
        assert docker.image_id(reference) == image_id
        docker.remove(reference)
    digests = [image["imageDigest"] for caller in callers for image in images_of(caller, "app")]
    assert len(digests) == len(set(digests)) == 3

    callers[0].create_repository("only/here")
    for stranger in callers[1:]:
        assert "only/here" not in str(stranger.ecr.describe_repositories())
        docker.login(stranger.registry, stranger.password())
        with pytest.raises(DockerError) as refused:
            docker.pull(f"{stranger.registry}/only/here:1")
        assert (
            "The repository with name 'only/here' does not exist in the registry with id"
            f" '{stranger.account}'"
        ) in str(refused.value)


@pytest.fixture
def named_server(make_server: MakeServer, tmp_path: Path) -> ServerProcess:
    """A server whose registries each have a host name of their own."""
    return make_server(data_dir=tmp_path / "data", registry_host=TEMPLATE)


def host_of(account: str, region: str, server: ServerProcess) -> str:
    return TEMPLATE.format(account=account, region=region, port=server.port)


def test_registry_by_host(named_server: ServerProcess, docker: Docker, tmp_path: Path) -> None:
    callers = [
        Caller(named_server.url, tmp_path, ACCOUNT_A),
        Caller(named_server.url, tmp_path, ACCOUNT_B),
        Caller(named_server.url, tmp_path, ACCOUNT_A, "eu-west-1"),
    ]
    uris = [caller.create_repository("app") for caller in callers]
    hosts = [host_of(caller.account, caller.region, named_server) for caller in callers]
    assert uris == [f"{host}/app" for host in hosts]
    require_names(docker, hosts)

    ids = []
    for caller, uri in zip(callers, uris, strict=True):
        (data,) = caller.ecr.get_authorization_token()["authorizationData"]
        assert data["proxyEndpoint"] == "http://" + uri.removesuffix("/app")
        docker.login(data["proxyEndpoint"], caller.password())
        ids.append(docker.build(f"{uri}:1"))
        assert docker.push(f"{uri}:1").count(": Pushed") == 3
    # Logged in to all three at once: each address leads to its own registry.
    for caller, uri, image_id in zip(callers, uris, ids, strict=True):
        docker.remove(f"{uri}:1")
        docker.pull(f"{uri}:1")
        assert docker.image_id(f"{uri}:1") == image_id
        assert len(images_of(caller, "app")) == 1

    # The token of another account, and that of another region, open nothing here.
    callers[0].create_repository("secret")
    for stranger in callers[1:]:
        try:
            docker.login(hosts[0], stranger.password())
        except DockerError:
            continue  # refused at the door
        with pytest.raises(DockerError, match="denied"):
            docker.pull(f"{uris[0]}:1")
        with pytest.raises(DockerError, match="denied"):
            docker.push(f"{uris[0]}:1")


def test_both_doors_keep_registries_apart(named_server: ServerProcess, tmp_path: Path) -> None:
    """The same without docker, request by request; names need not resolve for this."""
    one = Caller(named_server.url, tmp_path, ACCOUNT_A)
    two = Caller(named_server.url, tmp_path, ACCOUNT_B)
    far = Caller(named_server.url, tmp_path, ACCOUNT_A, "eu-west-1")
    image = make_image()
    one.create_repository("app")
    one.oci(host_of(ACCOUNT_A, "us-east-1", named_server)).push("app", image, "1")
    for stranger in two, far:
        exceptions = stranger.ecr.exceptions
        with pytest.raises(exceptions.RepositoryNotFoundException):
            stranger.ecr.describe_images(repositoryName="app")
        stranger.create_repository("app")
        stranger.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        assert images_of(stranger, "app") == []
        own = stranger.oci(host_of(stranger.account, stranger.region, named_server))
        assert own.tags("app") == []
        # A blob that the store holds is not this registry's until it is pushed here.
        assert not own.has_blob("app", image.layers[0].digest)
        path = f"/v2/app/manifests/{image.manifest.digest}"
        assert own.request("GET", path).status == 404
        mount = f"/v2/app/blobs/uploads/?mount={image.layers[0].digest}&from=app"
        assert own.request("POST", mount, b"").status == 202

    for stranger in two, far:
        intruder = stranger.oci(host_of(ACCOUNT_A, "us-east-1", named_server))
        assert_refused(intruder, image.manifest.digest, image.layers[0].digest)
    # By the plain address it is the token that says whose registry is meant.
    assert one.oci().tags("app") == ["1"]
    assert two.oci().tags("app") == []


def assert_refused(client: OciClient, manifest: str, layer: str) -> None:
    for method, path in [
        ("GET", "/v2/app/manifests/1"),
        ("GET", f"/v2/app/manifests/{manifest}"),
        ("GET", f"/v2/app/blobs/{layer}"),
        ("GET", "/v2/app/tags/list"),
        ("POST", "/v2/app/blobs/uploads/"),
        ("DELETE", "/v2/app/manifests/1"),
    ]:
        answer = client.request(method, path, b"" if method == "POST" else None)
        assert answer.status in (401, 403), (method, path, answer.status, answer.data)


def require_names(docker: Docker, hosts: list[str]) -> None:
    """Skip the test when the docker daemon cannot resolve one of *hosts*.

    It is the daemon that talks to registries, so it is the daemon that is asked.
    """
    for host in hosts:
        try:
            docker.pull(f"{host}/no/such:image")
        except DockerError as error:
            if "no such host" in str(error) or "lookup " in str(error):
                name = host.rpartition(":")[0]
                pytest.skip(
                    f"the docker daemon cannot resolve {name}; add `127.0.0.1 {name}` to its"
                    " machine's /etc/hosts, or let scripts/ci/dockerd start one that can"
                )
