"""The aws command, as a new user types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.caller import AwsError, Caller
from tests.support.images import make_image
from tests.support.server import ServerProcess

pytestmark = pytest.mark.usefixtures("aws_command")


def test_a_first_walk(caller: Caller) -> None:
    identity = caller.aws_json("sts", "get-caller-identity")
    assert identity["Account"] == caller.account

    created = caller.aws_json("ecr", "create-repository", "--repository-name", "team/app")
    uri = f"{caller.registry}/team/app"
    assert created["repository"]["repositoryUri"] == uri
    assert created["repository"]["imageTagMutability"] == "MUTABLE"
    found = caller.aws(
        *("ecr", "describe-repositories", "--repository-names", "team/app"),
        *("--query", "repositories[0].repositoryUri", "--output", "text"),
    )
    assert found.strip() == uri
    # The one line that `docker login --password-stdin` reads.
    password = caller.aws("ecr", "get-login-password")
    assert len(password.splitlines()) == 1
    assert len(password) > 100

    image = make_image()
    caller.oci().push("team/app", image, "v1")
    digest = image.manifest.digest
    listed = caller.aws_json("ecr", "list-images", "--repository-name", "team/app")
    assert listed["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    (details,) = caller.aws_json("ecr", "describe-images", "--repository-name", "team/app")[
        "imageDetails"
    ]
    assert details["imageSizeInBytes"] == image.size
    assert details["imageTags"] == ["v1"]

    manifest = caller.aws(
        *("ecr", "batch-get-image", "--repository-name", "team/app"),
        *("--image-ids", "imageTag=v1", "--query", "images[].imageManifest", "--output", "text"),
    )
    retagged = caller.aws_json(
        *("ecr", "put-image", "--repository-name", "team/app", "--image-tag", "v2"),
        *("--image-manifest", manifest.rstrip("\n")),
    )
    assert retagged["image"]["imageId"] == {"imageDigest": digest, "imageTag": "v2"}
    deleted = caller.aws_json(
        *("ecr", "batch-delete-image", "--repository-name", "team/app"),
        *("--image-ids", "imageTag=v1", "imageTag=v2"),
    )
    assert deleted["failures"] == []
    caller.aws("ecr", "delete-repository", "--repository-name", "team/app")
    with pytest.raises(AwsError) as refused:
        caller.aws("ecr", "list-images", "--repository-name", "team/app")
    assert str(refused.value).endswith(
        "An error occurred (RepositoryNotFoundException) when calling the ListImages operation: "
        "The repository with name 'team/app' does not exist in the registry with id "
        f"'{caller.account}'"
    )


def test_settings_of_a_repository(caller: Caller, tmp_path: Path) -> None:
    caller.create_repository("settings")
    name = ("--repository-name", "settings")
    answer = caller.aws_json(
        "ecr", "put-image-tag-mutability", *name, "--image-tag-mutability", "IMMUTABLE"
    )
    assert answer["imageTagMutability"] == "IMMUTABLE"
    answer = caller.aws_json(
        *("ecr", "put-image-scanning-configuration", *name),
        *("--image-scanning-configuration", "scanOnPush=true"),
    )
    assert answer["imageScanningConfiguration"] == {"scanOnPush": True}

    arn = f"arn:aws:ecr:us-east-1:{caller.account}:repository/settings"
    caller.aws("ecr", "tag-resource", "--resource-arn", arn, "--tags", "Key=env,Value=dev")
    tags = caller.aws_json("ecr", "list-tags-for-resource", "--resource-arn", arn)
    assert tags == {"tags": [{"Key": "env", "Value": "dev"}]}

    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}],
    }
    (tmp_path / "policy.json").write_text(json.dumps(policy))
    caller.aws(
        "ecr", "set-repository-policy", *name, "--policy-text", f"file://{tmp_path}/policy.json"
    )
    stored = caller.aws_json("ecr", "get-repository-policy", *name)
    assert json.loads(stored["policyText"])["Statement"][0]["Action"] == "ecr:BatchGetImage"


def test_pages(caller: Caller) -> None:
    names = [f"page-{number}" for number in range(5)]
    for name in names:
        caller.create_repository(name)
    query = ("--query", "repositories[].repositoryName")
    assert sorted(caller.aws_json("ecr", "describe-repositories", "--page-size", "2", *query)) == (
        names
    )
    page = caller.aws_json("ecr", "describe-repositories", "--max-items", "3")
    assert len(page["repositories"]) == 3
    rest = caller.aws_json("ecr", "describe-repositories", "--starting-token", page["NextToken"])
    found = [item["repositoryName"] for item in page["repositories"] + rest["repositories"]]
    assert sorted(found) == names


def test_wrong_secret(server: ServerProcess, tmp_path: Path) -> None:
    stranger = Caller(server.url, tmp_path, secret="guessed")
    with pytest.raises(AwsError, match="InvalidSignatureException"):
        stranger.aws("ecr", "describe-repositories")
    with pytest.raises(AwsError, match="SignatureDoesNotMatch"):
        stranger.aws("sts", "get-caller-identity")
