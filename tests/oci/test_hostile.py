"""Whatever comes to the OCI door: it answers 4xx, and no path leaves the store.

Every request goes through :meth:`OciCaller.request`, which asserts that the answer is no 500.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.media_types import MANIFEST_TYPES
from tests.support.app import App, OciCaller
from tests.support.images import OCI_MANIFEST, make_image, sha256

REPOSITORY = "team/app"
METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get", "", "BREW"]

#: What WSGI may hand over as a part of a path: bytes as characters, ``%`` already decoded.
LATIN = st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=30)
TRAPS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "//",
        "../../../../etc/passwd",
        "..\\..",
        "%2e%2e",
        "\0",
        "\n",
        "\r\nX: y",
        "{}",
        "${x}",
        "'; DROP TABLE images; --",
        '"',
        "<",
        "a" * 2000,
        "\xff",
        "sha256:" + "0" * 64,
        "sha256:" + "../" * 21 + "x",
        "sha512:" + "f" * 128,
        "sha256:",
        "sha999:00",
        ":",
        "uploads",
        "_catalog",
        "manifests",
        "blobs",
        "latest",
        "6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11",
    ]
)
PART = LATIN | TRAPS
NAME = st.sampled_from([REPOSITORY, "missing"]) | PART


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def door(place: Path) -> Iterator[OciCaller]:
    """A door that all examples come to; afterwards, the store is looked over."""
    app = App(place / "outer" / "data")
    app.ecr().create_repository(repositoryName=REPOSITORY)
    caller = app.oci()
    image = make_image(1)
    caller.push(REPOSITORY, image, "latest")
    yield caller
    # It all still works, and nothing was written anywhere else.
    assert caller.expect(200, "GET", f"/v2/{REPOSITORY}/blobs/{image.config.digest}").data == (
        image.config.data
    )
    caller.push(REPOSITORY, make_image(1), "after")
    app.close()
    assert os.listdir(place) == ["outer"]
    assert os.listdir(place / "outer") == ["data"]
    assert set(os.listdir(app.folder)) <= {
        "registry.sqlite3",
        "registry.sqlite3-wal",
        "registry.sqlite3-shm",
        "registry.sqlite3.write.lock",
        "blobs",
        "uploads",
    }
    for path in (app.folder / "blobs").rglob("*"):
        if path.is_file():
            assert f"{path.parent.parent.name}:{path.name}" == sha256(path.read_bytes())


def send(
    door: OciCaller,
    method: str,
    path: str,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    **environ: str,
) -> Any:
    """Send a request as WSGI would hand it over, whatever its path is."""
    response = door.request(
        method, "/", body, headers, environ={"PATH_INFO": path, "REQUEST_METHOD": method, **environ}
    )
    if response.status_code >= 400 and method != "HEAD" and response.status_code != 401:
        (error,) = json.loads(response.data)["errors"]
        assert error.keys() == {"code", "message"}
    return response


@settings(max_examples=200, deadline=None)
@given(
    method=st.sampled_from(METHODS),
    name=NAME,
    kind=st.sampled_from(
        [
            "manifests/{}",
            "blobs/{}",
            "blobs/uploads/",
            "blobs/uploads/{}",
            "tags/list",
            "referrers/{}",
            "{}",
            "{}/{}",
        ]
    ),
    reference=PART,
    query=st.text(st.characters(max_codepoint=127), max_size=40),
)
def test_paths(
    door: OciCaller, method: str, name: str, kind: str, reference: str, query: str
) -> None:
    path = f"/v2/{name}/{kind.format(reference, reference)}"
    response = send(door, method, path, QUERY_STRING=query)
    assert response.status_code in (200, 202, 400, 404, 405)


@settings(max_examples=150, deadline=None)
@given(path=LATIN, method=st.sampled_from(METHODS))
def test_paths_of_any_kind(door: OciCaller, path: str, method: str) -> None:
    assert send(door, method, f"/v2/{path}").status_code in (200, 202, 400, 404, 405)


@settings(max_examples=150, deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from(["digest", "mount", "from", "n", "last", "artifactType", "other"]),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | TRAPS,
    ),
    kind=st.sampled_from(
        [
            ("POST", "blobs/uploads/"),
            ("PUT", "blobs/uploads/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"),
            ("GET", "tags/list"),
            ("GET", f"referrers/sha256:{'0' * 64}"),
        ]
    ),
)
def test_queries(door: OciCaller, fields: dict[str, str], kind: tuple[str, str]) -> None:
    method, path = kind
    query = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    response = door.request(method, f"/v2/{REPOSITORY}/{path}?{query}")
    assert response.status_code in (200, 201, 202, 400, 404)


def test_queries_that_are_none(door: OciCaller) -> None:
    for query in ("%", "%zz", "&&&", "=", "a" * 9000, "&".join(["n=1"] * 500), "last=%ff%00%fe"):
        response = door.request("GET", f"/v2/{REPOSITORY}/tags/list?{query}")
        assert response.status_code in (200, 400)


#: Headers that the door reads, as WSGI names them.
HEADERS = [
    "HTTP_AUTHORIZATION",
    "HTTP_RANGE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_ACCEPT",
    "HTTP_CONTENT_RANGE",
    "HTTP_HOST",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "HTTP_X_FORWARDED_FOR",
]


@settings(max_examples=200, deadline=None)
@given(
    headers=st.dictionaries(st.sampled_from(HEADERS), PART, max_size=4),
    kind=st.sampled_from(
        [
            ("GET", "manifests/latest"),
            ("PUT", "manifests/other"),
            ("GET", f"blobs/sha256:{'0' * 64}"),
            ("POST", "blobs/uploads/"),
            ("PATCH", "blobs/uploads/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"),
        ]
    ),
)
def test_headers(door: OciCaller, headers: dict[str, str], kind: tuple[str, str]) -> None:
    method, path = kind
    response = send(door, method, f"/v2/{REPOSITORY}/{path}", b"", **headers)
    assert response.status_code in (200, 202, 304, 400, 401, 403, 404, 413, 416)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False)
    | st.text(max_size=10)
    | st.sampled_from(["sha256:" + "0" * 64, "../../x", "\0", OCI_MANIFEST]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["digest", "size", "mediaType", "urls", "annotations", "\0"]), inner
        )
    ),
    max_leaves=12,
)


@settings(max_examples=120, deadline=None)
@given(
    members=st.dictionaries(
        st.sampled_from(
            ["config", "layers", "manifests", "subject", "artifactType", "annotations", "fsLayers"]
        ),
        JSON,
    ),
    version=st.sampled_from([1, 2, 2.0, True, None, "2", 10**400]),
    media_type=st.sampled_from([*sorted(MANIFEST_TYPES), "text/plain", ""]),
    reference=st.sampled_from(["fuzz", "sha256:" + "0" * 64]),
)
def test_manifests(
    door: OciCaller, members: dict[str, Any], version: Any, media_type: str, reference: str
) -> None:
    body = json.dumps({"schemaVersion": version, "mediaType": media_type, **members}).encode()
    path = f"/v2/{REPOSITORY}/manifests/{reference}"
    response = door.request("PUT", path, body, {"Content-Type": media_type})
    # 201 is for an index with nothing in it, and the like.
    assert response.status_code in (201, 400)
    if response.status_code == 201:
        assert door.expect(200, "GET", path).data == body
        door.expect(202, "DELETE", response.headers["Location"])


@settings(max_examples=60, deadline=None)
@given(chunks=st.lists(st.binary(max_size=50), max_size=5), stated=st.integers(0, 60))
def test_uploads(door: OciCaller, chunks: list[bytes], stated: int) -> None:
    """Whatever is claimed of the chunks' places, the digest decides what is stored."""
    location = door.start_upload(REPOSITORY)
    taken = b""
    for chunk in chunks:
        headers = {"Content-Range": f"{stated}-{stated + len(chunk) - 1}"}
        response = door.request("PATCH", location, chunk, headers)
        if response.status_code == 202:
            assert stated == len(taken)
            taken += chunk
        else:
            assert response.status_code in (400, 416)
    everything = b"".join(chunks)
    response = door.request("PUT", f"{location}?digest={sha256(everything)}")
    assert response.status_code == (201 if taken == everything else 400)


def test_a_body_without_an_end_is_not_waited_for(door: OciCaller) -> None:
    """It is refused behind its limit; then 64 MiB more are taken, so that the answer arrives."""

    class Endless(BytesIO):
        given = 0

        def read(self, size: int | None = -1) -> bytes:
            assert size is not None
            assert 0 < size <= 1024 * 1024
            self.given += size
            assert self.given < 80 * 1024 * 1024
            return b" " * size

    path = f"/v2/{REPOSITORY}/manifests/endless"
    door.refused(413, "SIZE_INVALID", "PUT", path, Endless(), chunked=True)


def test_tables_are_still_there(door: OciCaller) -> None:
    """Names and tags are values for the database, never a part of a statement."""
    for name in ("x'; DROP TABLE repositories; --", 'x" OR "1"="1', "x%' OR '1'='1"):
        for path in (f"/v2/{name}/tags/list", f"/v2/{REPOSITORY}/tags/list"):
            send(door, "GET", path, QUERY_STRING=f"last={quote(name)}")
        send(door, "GET", f"/v2/{REPOSITORY}/manifests/{name}")
    assert door.expect(200, "GET", "/v2/_catalog").get_json()["repositories"] == [REPOSITORY]


def test_large_headers_and_names(door: OciCaller) -> None:
    send(door, "GET", "/v2/" + "a/" * 100_000 + "tags/list")
    send(door, "GET", "/v2/" + "a" * 1_000_000)
    send(door, "GET", f"/v2/{REPOSITORY}/manifests/" + "a" * 1_000_000)
    for name in HEADERS[:6]:
        for value in ("bytes=" + "0-1," * 100_000, "Basic " + "A" * 1_000_000, '"' * 1_000_000):
            send(door, "GET", f"/v2/{REPOSITORY}/manifests/latest", **{name: value})
