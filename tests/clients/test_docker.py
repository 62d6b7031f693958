"""docker: log in, push, pull, and what it prints when ECR refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.support.docker import Docker, DockerError
from tests.support.images import DOCKER_MANIFEST, make_image


@pytest.fixture
def user(docker: Docker, caller: Caller) -> Docker:
    """The docker command, logged in with the caller's token."""
    docker.login(caller.registry, caller.password())
    return docker


def manifest_of(caller: Caller, repository: str, **image_id: str) -> dict[str, Any]:
    answer = caller.ecr.batch_get_image(
        repositoryName=repository,
        imageIds=[image_id],
        acceptedMediaTypes=[DOCKER_MANIFEST],
    )
    (image,) = answer["images"]
    return dict(json.loads(image["imageManifest"]))


@pytest.mark.usefixtures("aws_command")
def test_push_and_pull_after_a_login_by_the_aws_command(docker: Docker, caller: Caller) -> None:
    password = caller.aws("ecr", "get-login-password")
    assert "Login Succeeded" in docker.login(caller.registry, password)
    uri = caller.create_repository("team/app")
    image_id = docker.build(f"{uri}:1", layers=4)

    pushed = docker.push(f"{uri}:1")
    assert pushed.count(": Pushed") == 4

    docker.remove(f"{uri}:1")
    with pytest.raises(DockerError):
        docker.image_id(f"{uri}:1")
    docker.pull(f"{uri}:1")
    assert docker.image_id(f"{uri}:1") == image_id


def test_addresses_can_be_used_as_they_are_returned(docker: Docker, caller: Caller) -> None:
    uri = caller.create_repository("as/returned")
    assert uri == f"{caller.registry}/as/returned"
    (data,) = caller.ecr.get_authorization_token()["authorizationData"]
    assert data["proxyEndpoint"] == caller.url

    docker.login(data["proxyEndpoint"], caller.password())
    docker.build(uri, layers=1)
    assert "latest: digest: sha256:" in docker.push(uri)


def test_pushed_image_is_described(user: Docker, caller: Caller) -> None:
    uri = caller.create_repository("described")
    user.build(f"{uri}:one", layers=3)
    printed = user.push(f"{uri}:one")
    match = re.search(r"one: digest: (sha256:[0-9a-f]{64}) size: [0-9]+", printed)
    assert match is not None, printed

    details = caller.describe_image("described", imageTag="one")
    assert details["imageDigest"] == match[1]
    assert details["imageTags"] == ["one"]
    assert details["imageManifestMediaType"] == DOCKER_MANIFEST
    manifest = manifest_of(caller, "described", imageTag="one")
    parts = [manifest["config"], *manifest["layers"]]
    assert len(parts) == 4
    assert details["imageSizeInBytes"] == sum(part["size"] for part in parts)
    assert "lastRecordedPullTime" not in details

    user.remove(f"{uri}:one")
    user.pull(f"{uri}:one")
    details = caller.describe_image("described", imageTag="one")
    assert details["lastRecordedPullTime"] >= details["imagePushedAt"]


def test_second_tag_pushes_no_layer(user: Docker, caller: Caller) -> None:
    uri = caller.create_repository("two-tags")
    user.build(f"{uri}:1", layers=3)
    user.push(f"{uri}:1")
    user.tag(f"{uri}:1", f"{uri}:2")

    printed = user.push(f"{uri}:2")
    assert printed.count(": Layer already exists") == 3
    assert ": Pushed" not in printed
    details = caller.describe_image("two-tags", imageTag="2")
    assert sorted(details["imageTags"]) == ["1", "2"]


def test_layers_of_an_earlier_image_are_not_pushed_again(user: Docker, caller: Caller) -> None:
    uri = caller.create_repository("shared-base")
    base = [b"base 1 " + caller.account.encode(), b"base 2 " + caller.account.encode()]
    user.build(f"{uri}:1", layers=[*base, b"top 1"])
    user.push(f"{uri}:1")
    user.build(f"{uri}:2", layers=[*base, b"top 2"])

    printed = user.push(f"{uri}:2")
    assert printed.count(": Layer already exists") == 2
    assert printed.count(": Pushed") == 1


@pytest.mark.parametrize(
    ("mounting", "printed"), [("ENABLED", "Mounted from"), ("DISABLED", "Pushed")]
)
def test_push_to_a_second_repository(
    user: Docker, caller: Caller, mounting: str, printed: str
) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    first, second = caller.create_repository("first"), caller.create_repository("second")
    image_id = user.build(f"{first}:1", layers=3)
    user.push(f"{first}:1")
    user.tag(f"{first}:1", f"{second}:1")

    assert user.push(f"{second}:1").count(f": {printed}") == 3
    user.remove(f"{first}:1", f"{second}:1")
    caller.ecr.delete_repository(repositoryName="first", force=True)
    # What was mounted is the second repository's own.
    user.pull(f"{second}:1")
    assert user.image_id(f"{second}:1") == image_id


def test_pull_by_digest(user: Docker, caller: Caller) -> None:
    uri = caller.create_repository("by-digest")
    image_id = user.build(f"{uri}:1")
    user.push(f"{uri}:1")
    digest = caller.describe_image("by-digest", imageTag="1")["imageDigest"]
    # The tag moves on; the digest stays.
    user.build(f"{uri}:1")
    user.push(f"{uri}:1")
    user.remove(f"{uri}:1", image_id)

    assert f"Digest: {digest}" in user.pull(f"{uri}@{digest}")
    assert user.image_id(f"{uri}@{digest}") == image_id


def test_push_to_a_missing_repository(user: Docker, caller: Caller) -> None:
    reference = f"{caller.registry}/not/there:1"
    user.build(reference, layers=1)
    with pytest.raises(DockerError) as refused:
        user.push(reference)
    assert (
        "name unknown: The repository with name 'not/there' does not exist in the registry with id"
        f" '{caller.account}'"
    ) in str(refused.value)


def test_pull_of_what_is_not_there(user: Docker, caller: Caller) -> None:
    with pytest.raises(DockerError) as refused:
        user.pull(f"{caller.registry}/not/there:1")
    assert "The repository with name 'not/there' does not exist" in str(refused.value)

    uri = caller.create_repository("empty")
    with pytest.raises(DockerError) as refused:
        user.pull(f"{uri}:1")
    assert "manifest unknown: Requested image not found" in str(refused.value)


def test_push_over_an_immutable_tag(user: Docker, caller: Caller) -> None:
    uri = caller.create_repository("fixed", imageTagMutability="IMMUTABLE")
    user.build(f"{uri}:1", layers=1)
    user.push(f"{uri}:1")
    before = caller.describe_image("fixed", imageTag="1")["imageDigest"]
    refusal = (
        "tag invalid: The image tag '1' already exists in the 'fixed' repository and cannot be"
        " overwritten because the tag is immutable."
    )

    with pytest.raises(DockerError) as refused:
        user.push(f"{uri}:1")  # the same image once more; ECR refuses that too
    assert refusal in str(refused.value)

    user.build(f"{uri}:1", layers=1)
    with pytest.raises(DockerError) as refused:
        user.push(f"{uri}:1")
    assert refusal in str(refused.value)
    assert caller.describe_image("fixed", imageTag="1")["imageDigest"] == before


@pytest.mark.parametrize(
    ("username", "password"),
    [("AWS", "not-a-token"), ("AWS", ""), ("someone", None)],
    ids=["wrong password", "almost a token", "wrong user"],
)
def test_login_is_refused(
    docker: Docker, caller: Caller, username: str, password: str | None
) -> None:
    token = caller.password()
    if password is None:
        password = token
    elif not password:
        middle = len(token) // 2
        password = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    with pytest.raises(DockerError) as refused:
        docker.login(caller.registry, password, username)
    assert "failed with status: 400 Bad Request" in str(refused.value)


def test_push_and_pull_without_a_login(docker: Docker, caller: Caller) -> None:
    uri = caller.create_repository("private")
    docker.build(f"{uri}:1", layers=1)
    with pytest.raises(DockerError, match="no basic auth credentials"):
        docker.push(f"{uri}:1")
    with pytest.raises(DockerError, match="no basic auth credentials"):
        docker.pull(f"{uri}:1")


@pytest.mark.parametrize("schema2", [False, True], ids=["oci", "docker"])
def test_image_made_by_put_image_can_be_pulled(user: Docker, caller: Caller, schema2: bool) -> None:
    uri = caller.create_repository("by-the-api")
    image = make_image(layers=3, docker=schema2)
    digest = caller.put_image("by-the-api", image, "v1")
    assert digest == image.manifest.digest

    assert f"Digest: {digest}" in user.pull(f"{uri}:v1")
    assert user.image_id(f"{uri}:v1") == image.config.digest
