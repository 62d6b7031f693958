"""PutRepositoryCatalogData, GetRepositoryCatalogData, and the logo's address.

Sources: API reference (``RepositoryCatalogDataInput``, ``RepositoryCatalogData``); samples of the
AWS CLI. That a repository without catalog data has an empty one and not
RepositoryCatalogDataNotFoundException: CreateRepository's sample, and Terraform's provider, which
reads it of every repository.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.aws.ecr_public.answers import constraint, denied, members
from tests.support.app import ACCOUNT, HOST, STRANGER, App
from tests.support.refusals import refusal

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 100
CATALOG: dict[str, Any] = {
    "description": "An application",
    "architectures": ["x86-64", "riscv"],  # any name will do; the gallery searches some of them
    "operatingSystems": ["Linux", "Plan 9"],
    "aboutText": "# About\n\nNaïve",
    "usageText": "# Usage",
}


def catalog_of(client: Any, repository: str) -> Any:
    return client.get_repository_catalog_data(repositoryName=repository)["catalogData"]


def test_a_repository_without(public: Any, repository: str) -> None:
    answer = public.get_repository_catalog_data(repositoryName=repository, registryId=ACCOUNT)
    assert members(answer) == {"catalogData": {}}


def test_put_and_get(public: Any, repository: str) -> None:
    answer = public.put_repository_catalog_data(
        repositoryName=repository, registryId=ACCOUNT, catalogData=CATALOG
    )
    assert members(answer) == {"catalogData": CATALOG}
    assert catalog_of(public, repository) == CATALOG


def test_put_replaces_all_of_it(public: Any, repository: str) -> None:
    public.put_repository_catalog_data(
        repositoryName=repository, catalogData={**CATALOG, "logoImageBlob": PNG}
    )
    data = {"description": "Another"}
    public.put_repository_catalog_data(repositoryName=repository, catalogData=data)
    assert catalog_of(public, repository) == data
    public.put_repository_catalog_data(repositoryName=repository, catalogData={})
    assert catalog_of(public, repository) == {}


@pytest.mark.parametrize(
    ("data", "member", "words"),
    [
        ({"description": "x" * 1025}, "description", "have length less than or equal to 1024"),
        ({"aboutText": "x" * 25601}, "aboutText", "have length less than or equal to 25600"),
        ({"usageText": "x" * 25601}, "usageText", "have length less than or equal to 25600"),
        (
            {"architectures": ["x"] * 51},
            "architectures",
            "have length less than or equal to 50",
        ),
        (
            {"operatingSystems": ["x"] * 51},
            "operatingSystems",
            "have length less than or equal to 50",
        ),
        (
            {"logoImageBlob": b"x" * 512_001},
            "logoImageBlob",
            "have length less than or equal to 512000",
        ),
    ],
)
@pytest.mark.parametrize("operation", ["create_repository", "put_repository_catalog_data"])
def test_limits(
    public: Any, repository: str, operation: str, data: dict[str, Any], member: str, words: str
) -> None:
    call = getattr(public, operation)
    assert refusal(call, repositoryName=repository, catalogData=data) == constraint(
        f"catalogData.{member}", f"Member must {words}"
    )


def test_up_to_the_limits(public: Any, repository: str) -> None:
    data = {
        "description": "x" * 1024,
        "aboutText": "x" * 25600,
        "usageText": "x" * 25600,
        "architectures": ["x" * 50] * 50,
        "operatingSystems": ["x" * 50] * 50,
    }
    public.put_repository_catalog_data(
        repositoryName=repository, catalogData={**data, "logoImageBlob": b"x" * 512_000}
    )
    stored = catalog_of(public, repository)
    stored.pop("logoUrl")
    assert stored == data


@pytest.mark.parametrize(
    ("logo", "suffix", "kind"),
    [
        (PNG, ".png", "image/png"),
        (JPEG, ".jpg", "image/jpeg"),
        (b"<script>", "", "application/octet-stream"),
    ],
)
def test_a_logo_has_an_address(
    app: App, public: Any, repository: str, logo: bytes, suffix: str, kind: str
) -> None:
    answer = public.put_repository_catalog_data(
        repositoryName=repository, catalogData={"logoImageBlob": logo}
    )
    url = answer["catalogData"]["logoUrl"]
    assert members(answer) == {"catalogData": {"logoUrl": url}}
    assert catalog_of(public, repository) == {"logoUrl": url}
    assert url.startswith(f"http://{HOST}/logo/")
    path = urlsplit(url).path
    assert path.rpartition("/")[2][36:] == suffix

    # Anyone may look at it, and no browser takes it for a page.
    shown = app.request("GET", path)
    assert (shown.status_code, shown.data, shown.mimetype) == (200, logo, kind)
    assert shown.headers["X-Content-Type-Options"] == "nosniff"
    assert app.request("POST", path).status_code == 404


def test_a_logo_goes_with_its_data_and_with_its_repository(
    app: App, public: Any, repository: str
) -> None:
    def put(**data: Any) -> str:
        answer = public.put_repository_catalog_data(repositoryName=repository, catalogData=data)
        return urlsplit(answer["catalogData"].get("logoUrl", "")).path

    first = put(logoImageBlob=PNG)
    second = put(logoImageBlob=PNG)
    assert first != second
    assert app.request("GET", first).status_code == 404
    assert put(logoImageBlob=b"") == ""
    assert app.request("GET", second).status_code == 404
    third = put(logoImageBlob=JPEG)
    public.delete_repository(repositoryName=repository)
    assert app.request("GET", third).status_code == 404
    assert app.request("GET", "/logo/").status_code == 404
    assert app.request("GET", "/logo/%00").status_code == 404


def test_a_new_repository_of_the_same_name_has_none(public: Any, repository: str) -> None:
    public.put_repository_catalog_data(repositoryName=repository, catalogData=CATALOG)
    public.delete_repository(repositoryName=repository)
    public.create_repository(repositoryName=repository)
    assert catalog_of(public, repository) == {}


def test_a_stranger(app: App, public: Any, repository: str) -> None:
    stranger = app.ecr(STRANGER, service="ecr-public")
    assert refusal(
        stranger.put_repository_catalog_data,
        registryId=ACCOUNT,
        repositoryName=repository,
        catalogData=CATALOG,
    ) == denied(STRANGER, ACCOUNT, "PutRepositoryCatalogData", repository)
    assert catalog_of(public, repository) == {}
