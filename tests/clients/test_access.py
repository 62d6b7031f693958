"""Policies as people meet them: docker and the aws command, between accounts and in a role.

What each door decides is tested call by call in ``tests/access``.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.access.conftest import IDENTITIES
from tests.clients.caller import Caller
from tests.clients.test_accounts import TEMPLATE, require_names
from tests.conftest import MakeServer
from tests.support.docker import Docker, DockerError
from tests.support.server import ServerProcess

OWNER = "111111111111"
GUEST = "arn:aws:iam::222222222222:user/guest"
PULL = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
PUSH = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"]


@pytest.fixture
def access_server(make_server: MakeServer) -> ServerProcess:
    """A server with users and roles, whose registries each have a host of their own."""
    return make_server(identities=IDENTITIES, registry_host=TEMPLATE, workers=1)


@pytest.fixture
def owner(access_server: ServerProcess, tmp_path: Path) -> Caller:
    return Caller(access_server.url, tmp_path, OWNER)


@pytest.fixture
def registry(access_server: ServerProcess, docker: Docker) -> str:
    """The host of the owner's registry, which the docker daemon can resolve."""
    host = TEMPLATE.format(account=OWNER, region="us-east-1", port=access_server.port)
    require_names(docker, [host])
    return host


def share(owner: Caller, repository: str, actions: list[str]) -> None:
    """Let the guest of another account do *actions*."""
    statement = {"Effect": "Allow", "Principal": {"AWS": GUEST}, "Action": actions}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    owner.ecr.set_repository_policy(repositoryName=repository, policyText=json.dumps(policy))


def denial(who: str, action: str, repository: str, why: str) -> str:
    return (
        f"denied: User: {who} is not authorized to perform: ecr:{action} on resource:"
        f" arn:aws:ecr:us-east-1:{OWNER}:repository/{repository} because no {why} policy allows"
        f" the ecr:{action} action"
    )


def test_between_accounts(
    access_server: ServerProcess, owner: Caller, registry: str, docker: Docker, tmp_path: Path
) -> None:
    """The other account's login opens what the repository's policy lets it do, and no more."""
    guest = Caller(access_server.url, tmp_path, "AKIAGUESTEXAMPLE0001", secret="guest-secret")
    reference = f"{owner.create_repository('shared')}:1"
    docker.login(registry, guest.password())
    first = docker.build(reference)

    def push_is_refused(action: str) -> None:
        with pytest.raises(DockerError) as refused:
            docker.push(reference)
        assert denial(GUEST, action, "shared", "resource-based") in str(refused.value)

    push_is_refused("InitiateLayerUpload")
    share(owner, "shared", PULL)
    push_is_refused("InitiateLayerUpload")
    share(owner, "shared", [*PULL, *PUSH[:-1]])
    push_is_refused("PutImage")
    share(owner, "shared", [*PULL, *PUSH])
    docker.push(reference)
    docker.remove(reference)
    docker.pull(reference)
    assert docker.image_id(reference) == first

    docker.remove(reference)
    share(owner, "shared", PUSH)
    with pytest.raises(DockerError) as refused:
        docker.pull(reference)
    assert denial(GUEST, "BatchGetImage", "shared", "resource-based") in str(refused.value)
    # The policy is of one repository alone.
    other = f"{owner.create_repository('other')}:1"
    docker.build(other, layers=1)
    with pytest.raises(DockerError, match="no resource-based policy allows"):
        docker.push(other)


@pytest.mark.usefixtures("aws_command")
def test_a_role_that_may_only_read(
    access_server: ServerProcess, owner: Caller, registry: str, docker: Docker, tmp_path: Path
) -> None:
    """By the aws command alone: assume the role, ask for a password with its keys, log in."""
    reference = f"{owner.create_repository('web-app')}:1"
    docker.login(registry, owner.password())
    image_id = docker.build(reference)
    docker.push(reference)
    docker.remove(reference)

    user = Caller(access_server.url, tmp_path, "AKIACIEXAMPLE0000001", secret="ci-secret")
    role = f"arn:aws:iam::{OWNER}:role/reader"
    answer = user.aws_json(
        *("sts", "assume-role", "--role-arn", role, "--role-session-name", "deploy-1")
    )
    keys = answer["Credentials"]
    session = Caller(
        access_server.url,
        tmp_path,
        keys["AccessKeyId"],
        secret=keys["SecretAccessKey"],
        session_token=keys["SessionToken"],
    )
    who = f"arn:aws:sts::{OWNER}:assumed-role/reader/deploy-1"
    assert session.client("sts").get_caller_identity()["Arn"] == who
    docker.login(registry, session.aws("ecr", "get-login-password").strip())
    docker.pull(reference)
    assert docker.image_id(reference) == image_id

    docker.build(reference)
    with pytest.raises(DockerError) as refused:
        docker.push(reference)
    assert denial(who, "InitiateLayerUpload", "web-app", "identity-based") in str(refused.value)


ENDPOINT = "vpce-0123456789abcdef0"
#: Docker's daemon and every client that does not choose its address come from the first one.
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


def client_at(address: str, server: ServerProcess) -> Any:
    """Return the owner's boto3 client whose requests come from *address*."""
    ecr = Caller(server.url, Path("/nonexistent"), OWNER).client("ecr")
    manager = ecr._endpoint.http_session._manager
    manager.connection_pool_kw["source_address"] = (address, 0)
    return ecr


def vpc_server(make_server: MakeServer, tmp_path: Path, **endpoint: Any) -> ServerProcess:
    """Start a server to which what comes from :data:`HERE` comes through a VPC endpoint."""
    document = {
        "vpc_endpoints": [
            {
                "id": ENDPOINT,
                "vpc": "vpc-0123456789abcdef0",
                "networks": [f"{HERE}/32"],
                **endpoint,
            }
        ]
    }
    path = tmp_path / "endpoints.json"
    path.write_text(json.dumps(document))
    return make_server(identities=path, workers=1)


def policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Principal": "*", **statement}]}


def test_a_private_repository(make_server: MakeServer, docker: Docker, tmp_path: Path) -> None:
    """A repository policy on ``aws:SourceVpce``: docker by the endpoint, nobody by another way."""
    server = vpc_server(make_server, tmp_path)
    owner = Caller(server.url, tmp_path, OWNER)
    reference = f"{owner.create_repository('private')}:1"

    def only(endpoint: str) -> None:
        condition = {"StringNotEquals": {"aws:SourceVpce": endpoint}}
        text = json.dumps(policy(Effect="Deny", Action="ecr:*", Condition=condition))
        # Whoever is locked out puts it right by the way that is left to them.
        for ecr in (owner.ecr, client_at(ELSEWHERE, server)):
            with contextlib.suppress(ClientError):
                ecr.set_repository_policy(repositoryName="private", policyText=text, force=True)
                return

    docker.login(owner.registry, owner.password())
    docker.build(reference)
    only(ENDPOINT)
    docker.push(reference)
    docker.remove(reference)
    docker.pull(reference)
    with pytest.raises(ClientError, match="with an explicit deny in a resource-based policy"):
        client_at(ELSEWHERE, server).list_images(repositoryName="private")
    only("vpce-0fedcba9876543210")
    docker.remove(reference)
    with pytest.raises(DockerError, match="with an explicit deny in a resource-based policy"):
        docker.pull(reference)


def test_the_policy_of_the_endpoint(
    make_server: MakeServer, docker: Docker, tmp_path: Path
) -> None:
    """What the endpoint's policy does not allow nobody does through it, not even the root user."""
    allowed = ["ecr:GetAuthorizationToken", "ecr:CreateRepository", *PULL]
    server = vpc_server(
        make_server, tmp_path, policy=policy(Effect="Allow", Action=allowed, Resource="*")
    )
    owner = Caller(server.url, tmp_path, OWNER)
    reference = f"{owner.create_repository('aa')}:1"
    docker.login(owner.registry, owner.password())
    docker.build(reference)
    with pytest.raises(DockerError) as refused:
        docker.push(reference)
    assert (
        f"User: arn:aws:iam::{OWNER}:root is not authorized to perform: ecr:InitiateLayerUpload on"
        f" resource: arn:aws:ecr:us-east-1:{OWNER}:repository/aa because no VPC endpoint policy"
        " allows the ecr:InitiateLayerUpload action"
    ) in str(refused.value)
    # By another way it is no matter of the endpoint's.
    client_at(ELSEWHERE, server).initiate_layer_upload(repositoryName="aa")


def test_a_security_group_cuts_off(make_server: MakeServer, tmp_path: Path) -> None:
    """Of those who come to the endpoint, only its security group's sources get an answer."""
    outside = "127.0.0.3"
    server = vpc_server(
        make_server,
        tmp_path,
        networks=[f"{ELSEWHERE}/32", f"{outside}/32"],
        allowed_sources=[f"{ELSEWHERE}/32"],
    )
    for address in (HERE, ELSEWHERE):
        assert client_at(address, server).describe_repositories()["repositories"] == []
    with pytest.raises(ClientError) as refused:
        client_at(outside, server).describe_repositories()
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert refused.value.response["Error"]["Code"] == "403", "there was an answer"
