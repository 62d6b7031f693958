"""docker push to a repository that does not exist, where a creation template is for it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.support.docker import Docker, DockerError


@pytest.fixture
def user(docker: Docker, caller: Caller) -> Docker:
    """The docker command, logged in with the caller's token."""
    docker.login(caller.registry, caller.password())
    return docker


def create_template(caller: Caller, prefix: str, **settings: Any) -> None:
    caller.ecr.create_repository_creation_template(
        prefix=prefix, appliedFor=["CREATE_ON_PUSH"], **settings
    )


def test_push_creates_the_repository_by_its_template(user: Docker, caller: Caller) -> None:
    create_template(caller, "team", imageTagMutability="IMMUTABLE")
    reference = f"{caller.registry}/team/app:1"
    image_id = user.build(reference, layers=3)
    assert user.push(reference).count(": Pushed") == 3

    (repository,) = caller.ecr.describe_repositories()["repositories"]
    assert repository["repositoryName"] == "team/app"
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert caller.describe_image("team/app", imageTag="1")["imageTags"] == ["1"]

    user.remove(reference)
    user.pull(reference)
    assert user.image_id(reference) == image_id
    user.build(reference, layers=1)
    with pytest.raises(DockerError, match="cannot be overwritten because the tag is immutable"):
        user.push(reference)


def test_push_of_layers_that_another_repository_has(user: Docker, caller: Caller) -> None:
    caller.ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    create_template(caller, "ROOT")
    first, second = f"{caller.registry}/first:1", f"{caller.registry}/second:1"
    user.build(first, layers=2)
    user.push(first)
    user.tag(first, second)
    # docker asks to mount them, so its first request is a mount to a missing repository.
    assert user.push(second).count(": Mounted from") == 2
    names = [item["repositoryName"] for item in caller.ecr.describe_repositories()["repositories"]]
    assert names == ["first", "second"]


def test_push_where_no_template_is_for_it(user: Docker, caller: Caller) -> None:
    create_template(caller, "team")
    reference = f"{caller.registry}/teams/app:1"
    user.build(reference, layers=1)
    with pytest.raises(DockerError) as refused:
        user.push(reference)
    assert "name unknown: The repository with name 'teams/app' does not exist" in str(refused.value)
    assert caller.ecr.describe_repositories()["repositories"] == []
