"""Policies as people meet them: docker and the aws command, between accounts and in a role.

What each door decides is tested call by call in ``tests/access``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
