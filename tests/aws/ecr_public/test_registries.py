"""DescribeRegistries and the registry's catalog data.

Sources: API reference (``Registry``, ``RegistryAlias``, ``RegistryCatalogData``). That a registry
without a repository is not described is the likeliest reading of it.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from ecr_emulator.registry import public_registries
from tests.aws.ecr_public.answers import constraint, members
from tests.support.app import ACCOUNT, HOST, STRANGER, App
from tests.support.refusals import refusal


def alias_of(client: Any) -> str:
    (registry,) = client.describe_registries()["registries"]
    (alias,) = registry["aliases"]
    return str(alias["name"])


def test_a_registry_comes_with_its_first_repository(public: Any) -> None:
    assert members(public.describe_registries()) == {"registries": []}
    public.create_repository(repositoryName="team/app")
    (registry,) = members(public.describe_registries()).pop("registries")
    alias = registry["aliases"][0]["name"]
    assert registry == {
        "registryId": ACCOUNT,
        "registryArn": f"arn:aws:ecr-public::{ACCOUNT}:registry/{ACCOUNT}",
        "registryUri": f"{HOST}/public.ecr.aws/{alias}",
        "verified": False,
        "aliases": [
            {
                "name": alias,
                "status": "ACTIVE",
                "primaryRegistryAlias": True,
                "defaultRegistryAlias": True,
            }
        ],
    }
    # Letters and digits by turns, as in the aliases that AWS assigned to people.
    assert re.fullmatch("(?:[a-z][0-9]){4}", alias)


def test_an_alias_stays(app: App, public: Any, alias: str) -> None:
    public.create_repository(repositoryName="other")
    assert alias_of(public) == alias
    assert alias_of(app.another_process().ecr(service="ecr-public")) == alias


def test_an_emulator_that_starts_empty_gives_the_same_alias(
    app: App, public: Any, alias: str
) -> None:
    fresh = App(app.folder.with_name("fresh"))
    try:
        client = fresh.ecr(service="ecr-public")
        client.create_repository(repositoryName="team/app")
        assert alias_of(client) == alias
    finally:
        fresh.close()


def test_every_account_has_an_alias_of_its_own(app: App, alias: str) -> None:
    stranger = app.ecr(STRANGER, service="ecr-public")
    stranger.create_repository(repositoryName="team/app")
    assert alias_of(stranger) != alias


def test_an_alias_that_is_taken_is_not_given_again(
    app: App, alias: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = public_registries._default_alias

    def draw(account: str, attempt: int) -> str:
        return alias if attempt < 2 else drawn(account, attempt)

    monkeypatch.setattr(public_registries, "_default_alias", draw)
    stranger = app.ecr(STRANGER, service="ecr-public")
    stranger.create_repository(repositoryName="team/app")
    assert alias_of(stranger) == drawn(STRANGER, 2)


def test_there_is_no_second_page(public: Any, repository: str) -> None:
    assert "nextToken" not in public.describe_registries(maxResults=1)
    assert refusal(public.describe_registries, nextToken="x") == constraint(
        "NextToken", "Invalid next token provided"
    )
    (page,) = public.get_paginator("describe_registries").paginate()
    assert len(page["registries"]) == 1


def test_catalog_data(app: App, public: Any) -> None:
    assert members(public.get_registry_catalog_data()) == {"registryCatalogData": {}}
    given = {"registryCatalogData": {"displayName": "Team of one"}}
    answer = public.put_registry_catalog_data(displayName="Team of one")
    assert members(answer) == given
    assert members(public.get_registry_catalog_data()) == given
    stranger = app.ecr(STRANGER, service="ecr-public")
    assert members(stranger.get_registry_catalog_data()) == {"registryCatalogData": {}}
    # The registry itself still waits for its first repository.
    assert public.describe_registries()["registries"] == []


def test_catalog_data_is_replaced(public: Any) -> None:
    for name in ("One", "Two", ""):
        public.put_registry_catalog_data(displayName=name)
        data = public.get_registry_catalog_data()["registryCatalogData"]
        assert data == {"displayName": name}
    assert members(public.put_registry_catalog_data()) == {"registryCatalogData": {}}
    assert members(public.get_registry_catalog_data()) == {"registryCatalogData": {}}


def test_a_display_name_that_is_too_long(public: Any) -> None:
    public.put_registry_catalog_data(displayName="x" * 100)
    assert refusal(public.put_registry_catalog_data, displayName="x" * 101) == constraint(
        "displayName", "Member must have length less than or equal to 100"
    )
