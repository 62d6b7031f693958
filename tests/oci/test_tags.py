"""The tag list and the catalog (OCI distribution specification, "Content Discovery").

What ECR does otherwise is tried in ``test_strict_ecr.py`` and below.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.app import ACCOUNT, STRANGER, App, OciCaller
from tests.support.images import make_image

TAGS = ["0", "A", "B-1", "_x", "a", "a.b", "a_b", "aa", "b", "z" * 128]


@pytest.fixture
def tagged(oci: OciCaller, repository: str) -> str:
    """A repository with an image that has all of TAGS."""
    image = make_image(0)
    for tag in reversed(TAGS):
        oci.push(repository, image, tag)
    return repository


@pytest.fixture
def catalog(ecr: Any) -> list[str]:
    """The names of the repositories of the registry."""
    names = ["aa", "b-b", "b.b", "b/a", "b/b", "zz"]
    for name in reversed(names):
        ecr.create_repository(repositoryName=name)
    return names


def following(response: Any) -> str | None:
    """Return the target of the link to the next page, if there is one."""
    link = response.headers.get("Link")
    if link is None:
        return None
    match = re.fullmatch(r'<(/v2/[^<>"]+)>; rel="next"', link)
    assert match is not None, link
    return match.group(1)


def walk(oci: OciCaller, path: str, member: str) -> list[list[str]]:
    """Return the pages of a listing, from *path* on."""
    pages = []
    target: str | None = path
    while target is not None:
        response = oci.expect(200, "GET", target)
        pages.append(response.get_json(force=True)[member])
        target = following(response)
    return pages


class TestTags:
    def test_in_lexical_order(self, oci: OciCaller, tagged: str) -> None:
        response = oci.expect(200, "GET", f"/v2/{tagged}/tags/list")
        assert response.get_json() == {"name": tagged, "tags": TAGS}
        assert response.content_type == "application/json"
        assert "Link" not in response.headers

    def test_none(self, oci: OciCaller, repository: str) -> None:
        oci.push(repository, make_image(0))
        response = oci.expect(200, "GET", f"/v2/{repository}/tags/list")
        assert response.get_json() == {"name": repository, "tags": []}

    @pytest.mark.parametrize("size", [1, 3, 9, 10, 11, 1000, 1001, 999_999_999])
    def test_by_pages(self, oci: OciCaller, tagged: str, size: int) -> None:
        pages = walk(oci, f"/v2/{tagged}/tags/list?n={size}", "tags")
        assert [tag for page in pages for tag in page] == TAGS
        assert all(len(page) == size for page in pages[:-1])
        assert len(pages) == max(1, -(-len(TAGS) // size))

    def test_behind_a_tag(self, oci: OciCaller, tagged: str) -> None:
        for last, expected in [
            ("a", TAGS[5:]),
            ("a.a", TAGS[5:]),
            ("z" * 128, []),
            ("\u00e9", []),
            ("", TAGS),
            ("\0", TAGS),
        ]:
            path = f"/v2/{tagged}/tags/list?last={quote(last)}"
            assert oci.expect(200, "GET", path).get_json()["tags"] == expected
        path = f"/v2/{tagged}/tags/list?n=2&last=a"
        response = oci.expect(200, "GET", path)
        assert response.get_json()["tags"] == TAGS[5:7]
        assert following(response) == f"/v2/{tagged}/tags/list?n=2&last=a_b"

    def test_no_results_wanted(self, oci: OciCaller, tagged: str) -> None:
        response = oci.expect(200, "GET", f"/v2/{tagged}/tags/list?n=0")
        assert response.get_json()["tags"] == []
        assert "Link" not in response.headers

    @pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "%20", "%C2%B2", "9" * 30, "0x1", "1e3"])
    @pytest.mark.parametrize("path", ["/v2/team/app/tags/list", "/v2/_catalog"])
    def test_what_is_no_number(self, oci: OciCaller, repository: str, path: str, n: str) -> None:
        oci.refused(400, "PAGINATION_NUMBER_INVALID", "GET", f"{path}?n={n}")

    def test_no_such_repository(self, oci: OciCaller) -> None:
        message = oci.refused(404, "NAME_UNKNOWN", "GET", "/v2/missing/tags/list")
        assert message == (
            f"The repository with name 'missing' does not exist in the registry with id '{ACCOUNT}'"
        )

    def test_strict_pages(self, strict: OciCaller, tagged: str) -> None:
        pages = walk(strict, f"/v2/{tagged}/tags/list?n=3", "tags")
        assert [tag for page in pages for tag in page] == TAGS

    def test_strict_positions_are_for_their_listing(
        self, app: App, strict_app: App, strict: OciCaller, ecr: Any, tagged: str
    ) -> None:
        ecr.create_repository(repositoryName="other")
        app.ecr(STRANGER).create_repository(repositoryName=tagged)
        target = following(strict.expect(200, "GET", f"/v2/{tagged}/tags/list?n=3"))
        assert target is not None
        assert "A" not in re.sub("last=.*", "", target)
        for caller, path in [
            (strict, target.replace(tagged, "other")),
            (strict, target.replace(f"{tagged}/tags/list", "_catalog")),
            (strict_app.oci(STRANGER), target),
            (strict, target[:-6] + "AAAAAA"),
        ]:
            message = caller.refused(405, "UNSUPPORTED", "GET", path)
            assert message == (
                "Invalid parameter at 'NextToken' failed to satisfy constraint: "
                "'Invalid next token provided'"
            )


class TestCatalog:
    def test_in_lexical_order(self, oci: OciCaller, catalog: list[str]) -> None:
        response = oci.expect(200, "GET", "/v2/_catalog")
        assert response.get_json() == {"repositories": catalog}
        assert response.content_type == "application/json"
        assert "Link" not in response.headers

    def test_none(self, oci: OciCaller) -> None:
        assert oci.expect(200, "GET", "/v2/_catalog").get_json() == {"repositories": []}

    @pytest.mark.parametrize("size", [1, 2, 5, 6, 7])
    @pytest.mark.parametrize("strictly", [False, True])
    def test_by_pages(
        self, oci: OciCaller, strict: OciCaller, catalog: list[str], size: int, strictly: bool
    ) -> None:
        caller = strict if strictly else oci
        pages = walk(caller, f"/v2/_catalog?n={size}", "repositories")
        assert [name for page in pages for name in page] == catalog
        assert len(pages) == -(-len(catalog) // size)

    def test_of_one_registry(self, app: App, catalog: list[str]) -> None:
        app.ecr(STRANGER).create_repository(repositoryName="theirs")
        app.ecr(region="eu-west-1").create_repository(repositoryName="there")
        for caller, expected in [
            (app.oci(), catalog),
            (app.oci(STRANGER), ["theirs"]),
            (app.oci(region="eu-west-1"), ["there"]),
        ]:
            response = caller.expect(200, "GET", "/v2/_catalog")
            assert response.get_json()["repositories"] == expected
