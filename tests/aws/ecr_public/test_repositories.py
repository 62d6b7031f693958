"""CreateRepository, DescribeRepositories, DeleteRepository.

Sources: the service model; samples of ``ecr-public create-repository`` in the AWS CLI; texts of
refusals as in private registries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.aws.ecr_public.answers import constraint, denied, members, not_found
from tests.support.app import ACCOUNT, HOST, STRANGER, App
from tests.support.images import make_image
from tests.support.public import BearerCaller
from tests.support.refusals import refusal

NAME_PATTERN = "(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"


def names_of(client: Any, **params: Any) -> list[str]:
    found = client.describe_repositories(**params)["repositories"]
    return [item["repositoryName"] for item in found]


def test_create(app: App, public: Any) -> None:
    answer = members(public.create_repository(repositoryName="team/app"))
    (registry,) = public.describe_registries()["registries"]
    created = answer["repository"].pop("createdAt")
    assert abs((created - app.clock.now()).total_seconds()) < 0.001
    assert answer == {
        "repository": {
            "repositoryArn": f"arn:aws:ecr-public::{ACCOUNT}:repository/team/app",
            "registryId": ACCOUNT,
            "repositoryName": "team/app",
            "repositoryUri": f"{registry['registryUri']}/team/app",
        },
        # There is catalog data, and nothing in it.
        "catalogData": {},
    }


def test_create_with_everything(public: Any) -> None:
    catalog = {
        "description": "An application",
        "architectures": ["ARM", "ARM 64", "x86", "x86-64"],
        "operatingSystems": ["Linux"],
        "aboutText": "## About",
        "usageText": "## Usage",
    }
    answer = public.create_repository(
        repositoryName="team/app", catalogData=catalog, tags=[{"Key": "env", "Value": "prod"}]
    )
    assert answer["catalogData"] == catalog
    arn = answer["repository"]["repositoryArn"]
    assert public.list_tags_for_resource(resourceArn=arn)["tags"] == [
        {"Key": "env", "Value": "prod"}
    ]
    assert public.get_repository_catalog_data(repositoryName="team/app")["catalogData"] == catalog


def test_create_what_is_there(public: Any, repository: str) -> None:
    assert refusal(public.create_repository, repositoryName=repository) == (
        "RepositoryAlreadyExistsException",
        f"The repository with name '{repository}' already exists in the registry with id "
        f"'{ACCOUNT}'",
    )


def test_a_refused_repository_leaves_no_registry_behind(public: Any) -> None:
    tags = [{"Key": "aws:mine", "Value": ""}]
    code, _ = refusal(public.create_repository, repositoryName="team/app", tags=tags)
    assert code == "InvalidTagParameterException"
    assert public.describe_registries()["registries"] == []
    assert names_of(public) == []


def test_create_with_too_many_tags(public: Any) -> None:
    # The model lets 200 through; the service takes fifty (API reference, TooManyTagsException).
    tags = [{"Key": f"key{number}", "Value": ""} for number in range(51)]
    assert refusal(public.create_repository, repositoryName="team/app", tags=tags) == (
        "TooManyTagsException",
        "The repository with name 'team/app' cannot have more than 50 tags",
    )
    public.create_repository(repositoryName="team/app", tags=tags[:50])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a" * 206, "must have length less than or equal to 205"),
        ("Upper", f"must satisfy regular expression '{NAME_PATTERN}'"),
        ("a//b", f"must satisfy regular expression '{NAME_PATTERN}'"),
    ],
)
def test_create_by_a_name_that_is_none(public: Any, name: str, words: str) -> None:
    refused = refusal(public.create_repository, repositoryName=name)
    assert refused == constraint("repositoryName", words)


def test_the_longest_name(public: Any) -> None:
    name = "a" * 205
    answer = public.create_repository(repositoryName=name)
    assert answer["repository"]["repositoryUri"].endswith(f"/{name}")


def test_describe(public: Any) -> None:
    created = [
        public.create_repository(repositoryName=name)["repository"] for name in ("bb", "aa", "cc")
    ]
    by_name = sorted(created, key=lambda item: item["repositoryName"])
    assert members(public.describe_repositories()) == {"repositories": by_name}
    answer = public.describe_repositories(repositoryNames=["cc", "aa"], registryId=ACCOUNT)
    assert members(answer) == {"repositories": [created[2], created[1]]}


def test_describe_nothing(public: Any) -> None:
    assert members(public.describe_repositories()) == {"repositories": []}


def test_describe_what_is_not_there(public: Any, repository: str) -> None:
    refused = refusal(public.describe_repositories, repositoryNames=[repository, "other"])
    assert refused == not_found("other", ACCOUNT)


def test_describe_by_pages(public: Any) -> None:
    names = [f"app-{number}" for number in range(7)]
    for name in names:
        public.create_repository(repositoryName=name)
    pages = public.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 3})
    found = [[item["repositoryName"] for item in page["repositories"]] for page in pages]
    assert found == [names[:3], names[3:6], names[6:]]


def test_pages_are_of_a_hundred(public: Any) -> None:
    for number in range(101):
        public.create_repository(repositoryName=f"app-{number:03}")
    first = public.describe_repositories()
    assert len(first["repositories"]) == 100
    rest = members(public.describe_repositories(nextToken=first["nextToken"]))
    assert [item["repositoryName"] for item in rest.pop("repositories")] == ["app-100"]
    assert rest == {}


@pytest.mark.parametrize("paging", [{"maxResults": 1}, {"nextToken": "x"}])
def test_names_and_pages_do_not_go_together(
    public: Any, repository: str, paging: dict[str, Any]
) -> None:
    (member,) = paging
    assert refusal(
        public.describe_repositories, repositoryNames=[repository], **paging
    ) == constraint(member, f"{member} cannot be used when repositoryNames is specified")


def test_a_token_is_good_for_its_own_listing_only(app: App, public: Any) -> None:
    for name in ("aa", "bb"):
        public.create_repository(repositoryName=name)
    token = public.describe_repositories(maxResults=1)["nextToken"]
    invalid = constraint("NextToken", "Invalid next token provided")
    assert refusal(public.describe_repositories, nextToken=token[:-2]) == invalid
    # Nor is it good in the private registry of the same account.
    assert refusal(app.ecr().describe_repositories, nextToken=token) == invalid
    # Nor in another public one.
    stranger = app.ecr(STRANGER, service="ecr-public")
    assert refusal(stranger.describe_repositories, nextToken=token) == invalid


def test_pages_of_a_size_that_is_none(public: Any) -> None:
    assert refusal(public.describe_repositories, maxResults=1001) == constraint(
        "maxResults", "Member must have value less than or equal to 1000"
    )


def test_delete(public: Any, repository: str) -> None:
    (described,) = public.describe_repositories()["repositories"]
    answer = public.delete_repository(repositoryName=repository, registryId=ACCOUNT)
    assert members(answer) == {"repository": described}
    assert names_of(public) == []
    assert refusal(public.delete_repository, repositoryName=repository) == not_found(
        repository, ACCOUNT
    )
    # The registry and its alias stay.
    assert len(public.describe_registries()["registries"]) == 1
    public.create_repository(repositoryName=repository)
    (again,) = public.describe_repositories()["repositories"]
    assert again["repositoryUri"] == described["repositoryUri"]


def test_delete_what_holds_images(app: App, public: Any, repository: str, alias: str) -> None:
    app.oci().push(f"public.ecr.aws/{alias}/{repository}", make_image(), "1")
    assert refusal(public.delete_repository, repositoryName=repository) == (
        "RepositoryNotEmptyException",
        f"The repository with name '{repository}' in registry with id '{ACCOUNT}' cannot be "
        "deleted because it still contains images",
    )
    public.delete_repository(repositoryName=repository, force=True)
    assert names_of(public) == []


def test_public_and_private_repositories_are_apart(app: App, public: Any, repository: str) -> None:
    ecr = app.ecr()
    assert ecr.describe_repositories()["repositories"] == []
    ecr.create_repository(repositoryName=repository)
    public.delete_repository(repositoryName=repository)
    assert names_of(ecr) == [repository]
    arn = f"arn:aws:ecr-public::{ACCOUNT}:repository/{repository}"
    # An ARN is good with its own service only.
    invalid = constraint("resourceArn", "Invalid ARN")
    assert refusal(ecr.list_tags_for_resource, resourceArn=arn) == invalid


def test_a_strangers_registry(app: App, public: Any, repository: str) -> None:
    stranger = app.ecr(STRANGER, service="ecr-public")
    assert names_of(stranger) == []
    refused = refusal(stranger.delete_repository, repositoryName=repository, registryId=ACCOUNT)
    assert refused == denied(STRANGER, ACCOUNT, "DeleteRepository", repository)
    assert names_of(public) == [repository]


@pytest.mark.parametrize(
    ("settings", "host", "uri"),
    [
        ({}, HOST, f"{HOST}/public.ecr.aws/{{alias}}/app"),
        ({}, "127.0.0.1:5000", "127.0.0.1:5000/public.ecr.aws/{alias}/app"),
        ({}, "public.ecr.localhost:4566", "public.ecr.localhost:4566/{alias}/app"),
        ({"public_registry_host": "public.ecr.aws"}, HOST, "public.ecr.aws/{alias}/app"),
        ({"public_registry_host": "images.test:80"}, HOST, "images.test:80/{alias}/app"),
        # The private registries' template does not say where the public ones are.
        ({"registry_host": "{account}.test"}, HOST, f"{HOST}/public.ecr.aws/{{alias}}/app"),
    ],
)
def test_a_repositorys_address(
    tmp_path: Path, settings: dict[str, str], host: str, uri: str
) -> None:
    app = App(tmp_path / "data", **settings)
    try:
        client = app.ecr(service="ecr-public", host=host)
        created = client.create_repository(repositoryName="app")["repository"]["repositoryUri"]
        (registry,) = client.describe_registries()["registries"]
        assert created == uri.format(alias=registry["aliases"][0]["name"])
        # It can be pushed to as it is.
        address, _, name = created.partition("/")
        if address.startswith("public.ecr.") or settings.get("public_registry_host"):
            token = client.get_authorization_token()["authorizationData"]["authorizationToken"]
            caller = BearerCaller(app, token, address)
        else:
            caller = app.oci(host=address)
        caller.push(name, make_image(), "1")
        assert client.describe_image_tags(repositoryName="app")["imageTagDetails"]
    finally:
        app.close()
