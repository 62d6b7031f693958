"""Requests that nobody has thought of: whatever is sent, the answer is none that must not be.

What holds of every answer is checked in ``World.answer``. For a long search:
``FUZZ_EXAMPLES=10000 pytest tests/hostile/test_fuzz.py``.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.registry.repository_names import is_repository_name
from tests.hostile import corpus
from tests.hostile.world import REPOSITORY, World, refused

EXAMPLES = settings(max_examples=int(os.environ.get("FUZZ_EXAMPLES", "50")), deadline=None)

#: Text as it arrives, a character for each byte; mostly of what means something to somebody.
BYTES = st.text(
    st.one_of(
        st.sampled_from("../%\\\0\n\r:;@+-_~ =&?#\"'{}[]aZ0"), st.characters(max_codepoint=255)
    ),
    max_size=60,
)
PIECES = st.sampled_from(["team", "app", "..", ".", "", "blobs", "uploads", "manifests", "tags"])
NAMES = st.one_of(
    BYTES,
    st.lists(st.one_of(PIECES, BYTES), max_size=6).map("/".join),
    st.sampled_from(corpus.PATHS).flatmap(lambda text: BYTES.map(lambda more: text + more)),
)
QUERIES = st.one_of(
    BYTES,
    st.lists(
        st.tuples(
            st.sampled_from(["n", "last", "digest", "mount", "from", "artifactType", "x"]), BYTES
        ),
        max_size=5,
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)
REFERENCES = st.one_of(
    BYTES,
    st.sampled_from(corpus.DIGESTS + corpus.TAGS + corpus.UPLOAD_IDS),
    st.from_regex(r"sha(256|512):[0-9a-f]{0,130}", fullmatch=True),
)
METHODS = st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"])
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**70), 2**70),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["sha256:" + "0" * 64, "*", "../..", "\0", "\ud800", "1" * 400]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5), st.dictionaries(st.text(max_size=12), inner, max_size=5)
    ),
    max_leaves=25,
)


@EXAMPLES
@given(method=METHODS, path=NAMES, query=QUERIES)
def test_paths(world: World, method: str, path: str, query: str) -> None:
    world.send(method, f"/v2/{path}", query=query, body=b"abc")
    world.send(method, f"/{path}", query=query, authorization=None)


@EXAMPLES
@given(
    method=METHODS,
    name=NAMES,
    noun=st.sampled_from(["manifests", "blobs", "blobs/uploads", "tags", "referrers"]),
    reference=REFERENCES,
    query=QUERIES,
)
def test_names(world: World, method: str, name: str, noun: str, reference: str, query: str) -> None:
    answer = world.send(method, f"/v2/{name}/{noun}/{reference}", query=query, body=b"abc")
    if not is_repository_name(name):
        refused(answer)


@EXAMPLES
@given(
    method=METHODS,
    noun=st.sampled_from(["manifests", "blobs", "blobs/uploads", "referrers"]),
    reference=REFERENCES,
    query=QUERIES,
    body=st.binary(max_size=200),
)
def test_references(
    world: World, method: str, noun: str, reference: str, query: str, body: bytes
) -> None:
    if method == "DELETE" and reference == "v1":
        return
    world.send(method, f"/v2/{REPOSITORY}/{noun}/{reference}", query=query, body=body)


@EXAMPLES
@given(
    authorization=st.one_of(
        BYTES.filter(bool),
        BYTES.map(lambda text: f"Basic {text}"),
        st.binary(max_size=300).map(lambda data: "Basic " + base64.b64encode(data).decode()),
        st.binary(max_size=200).map(
            lambda data: "Basic " + base64.b64encode(b"AWS:" + base64.b64encode(data)).decode()
        ),
    ),
    host=st.sampled_from(["localhost:4566", "public.ecr.localhost"]),
)
def test_authorizations(world: World, authorization: str, host: str) -> None:
    for path in ("/v2/", f"/v2/{REPOSITORY}/tags/list"):
        refused(world.send("GET", path, authorization=authorization, host=host))


@EXAMPLES
@given(data=st.data())
def test_changed_tokens(world: World, data: st.DataObject) -> None:
    good = world.token.removeprefix("Basic ")
    start = data.draw(st.integers(0, len(good)))
    length = data.draw(st.integers(0, 8))
    changed = good[:start] + data.draw(BYTES) + good[start + length :]
    answer = world.send("GET", "/v2/", authorization=f"Basic {changed}")
    if changed.strip(" ") != good:
        refused(answer)


@EXAMPLES
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from(["Credential", "SignedHeaders", "Signature", "x"]),
            st.one_of(BYTES, st.just("test/20260101/us-east-1/ecr/aws4_request")),
        ),
        max_size=5,
    ),
    date=BYTES,
    body=st.binary(max_size=50),
    query=QUERIES,
)
def test_signatures(
    world: World, parts: list[tuple[str, str]], date: str, body: bytes, query: str
) -> None:
    authorization = "AWS4-HMAC-SHA256 " + ", ".join(f"{name}={value}" for name, value in parts)
    headers = {
        "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories",
        "X-Amz-Date": date,
    }
    refused(
        world.send(
            "POST", "/", query=query, headers=headers, authorization=authorization, body=body
        )
    )


@EXAMPLES
@given(host=st.one_of(BYTES, st.sampled_from(corpus.HOSTS)), path=st.sampled_from(["/v2/", "/"]))
def test_hosts(world: World, host: str, path: str) -> None:
    for authorization in ("", None):
        answer = world.send("GET", path, host=host, authorization=authorization)
        assert answer.status < 500
    if not re.fullmatch(r"(?i)(localhost|127\.[0-9.]+|\[::1\]|.+\.localhost)(:[0-9]*)?", host):
        refused(world.send("GET", "/_emulator/health", host=host, address="127.0.0.1"))


@EXAMPLES
@given(
    headers=st.dictionaries(
        st.sampled_from(
            [
                "Range",
                "Content-Range",
                "Content-Type",
                "If-None-Match",
                "Content-Length",
                "Accept",
                "Expect",
                "X-Amz-Target",
                "X-Amz-Security-Token",
                "Transfer-Encoding",
            ]
        ),
        BYTES,
        max_size=4,
    ),
    body=st.binary(max_size=50),
)
def test_headers(world: World, headers: dict[str, str], body: bytes) -> None:
    blob = f"/v2/{REPOSITORY}/blobs/{world.image.layers[0].digest}"
    for method, path in [("GET", blob), ("PUT", f"/v2/{REPOSITORY}/manifests/x"), ("POST", "/")]:
        world.send(method, path, headers=headers, body=body)


@EXAMPLES
@given(document=JSON, reference=st.sampled_from(["v2", "sha256:" + "0" * 64]))
def test_manifests(world: World, document: Any, reference: str) -> None:
    refused(
        world.send(
            "PUT",
            f"/v2/{REPOSITORY}/manifests/{reference}",
            headers={"Content-Type": world.image.manifest.media_type},
            body=json.dumps(document).encode(),
        )
    )


@EXAMPLES
@given(data=st.data())
def test_changed_manifests(world: World, data: st.DataObject) -> None:
    """A good manifest with something else somewhere in it."""
    document = json.loads(world.image.manifest.data)
    place = data.draw(st.sampled_from(list(_places(document))))
    changed = _with(document, place, data.draw(JSON))
    world.send(
        "PUT",
        f"/v2/{REPOSITORY}/manifests/changed",
        headers={"Content-Type": world.image.manifest.media_type},
        body=json.dumps(changed).encode(),
    )


@EXAMPLES
@given(data=st.data())
def test_changed_policies(world: World, data: st.DataObject) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "one",
                "Effect": "Allow",
                "Principal": {"AWS": ["123456789012"]},
                "Action": ["ecr:BatchGetImage"],
                "Condition": {"StringLike": {"aws:PrincipalArn": ["arn:aws:iam::*:*"]}},
            }
        ],
    }
    place = data.draw(st.sampled_from(list(_places(document))))
    text = json.dumps(_with(document, place, data.draw(JSON)))
    status, answer = world.app.call(
        "SetRepositoryPolicy", {"repositoryName": REPOSITORY, "policyText": text, "force": True}
    )
    assert status in (200, 400), answer
    # Whatever was stored can be decided by.
    world.send("GET", f"/v2/{REPOSITORY}/tags/list")
    world.app.call("DeleteRepositoryPolicy", {"repositoryName": REPOSITORY})


@EXAMPLES
@given(
    operation=st.sampled_from(["DescribeImages", "PutImage", "CreateRepository", "TagResource"]),
    body=st.one_of(
        st.binary(max_size=300), JSON.map(lambda document: json.dumps(document).encode())
    ),
)
def test_bodies(world: World, operation: str, body: bytes) -> None:
    status, answer = world.app.call(operation, body)
    assert 400 <= status < 500, answer


@EXAMPLES
@given(
    action=st.one_of(BYTES, st.sampled_from(["GetCallerIdentity", "AssumeRole"])),
    parameters=st.dictionaries(
        st.sampled_from(["RoleArn", "RoleSessionName", "Policy", "Tags.member.1.Key", "Version"]),
        BYTES,
        max_size=4,
    ),
)
def test_query_protocol(world: World, action: str, parameters: dict[str, str]) -> None:
    form = "&".join(f"{name}={value}" for name, value in {"Action": action, **parameters}.items())
    refused(
        world.send(
            "POST",
            "/",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=form.encode("latin-1"),
            authorization=None,
        )
    )


def _places(document: Any, path: tuple[Any, ...] = ()) -> Any:
    """Yield the path to everything in a JSON document."""
    yield path
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(value, (dict, list)):
            yield from _places(value, (*path, key))
        else:
            yield (*path, key)


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a document with something else at *path*."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = _with(document[path[0]], path[1:], value)
    return copy


@pytest.fixture(autouse=True)
def _unchanged(world: World) -> Any:
    """No test of this module may do away with what the next one needs."""
    yield
    assert world.send("GET", f"/v2/{REPOSITORY}/manifests/v1").status == 200


#: A place in a text, how much of it goes, and what comes there instead.
CHANGES = st.tuples(st.floats(0, 1), st.integers(0, 8), BYTES)


def change(text: str, how: tuple[float, int, str]) -> str:
    """Return *text* with a change of it."""
    start = round(how[0] * len(text))
    return text[:start] + how[2] + text[start + how[1] :]


@EXAMPLES
@given(how=CHANGES)
def test_changed_page_tokens(world: World, how: tuple[float, int, str]) -> None:
    ecr = world.app.ecr()
    for name in ("page/a", "page/b"):
        with contextlib.suppress(ecr.exceptions.RepositoryAlreadyExistsException):
            ecr.create_repository(repositoryName=name)
    good = ecr.describe_repositories(maxResults=1)["nextToken"]
    changed = change(good, how)
    status, answer = world.app.call("DescribeRepositories", {"maxResults": 1, "nextToken": changed})
    if changed != good:
        assert status == 400
        assert answer["__type"] in ("InvalidParameterException", "SerializationException")


@EXAMPLES
@given(how=CHANGES)
def test_changed_download_links(world: World, how: tuple[float, int, str]) -> None:
    url = world.app.ecr().get_download_url_for_layer(
        repositoryName=REPOSITORY, layerDigest=world.image.blobs[0].digest
    )["downloadUrl"]
    path, query = urlsplit(url).path, urlsplit(url).query
    assert world.send("GET", path, query=query, authorization=None).status == 200
    for changed_path, changed_query in ((change(path, how), query), (path, change(query, how))):
        if (changed_path, changed_query) != (path, query):
            refused(world.send("GET", changed_path, query=changed_query, authorization=None))


@EXAMPLES
@given(how=CHANGES)
def test_changed_session_tokens(world: World, how: tuple[float, int, str]) -> None:
    keys = world.app.ecr(service="sts").get_session_token()["Credentials"]
    good = keys["SessionToken"]
    changed = change(good, how)
    request = AWSRequest("POST", "http://localhost:4566/", data=b"{}")
    request.headers["X-Amz-Target"] = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
    credentials = Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], changed)
    SigV4Auth(credentials, "ecr", "us-east-1").add_auth(request)
    headers = dict(request.headers.items())
    answer = world.send(
        "POST", "/", headers=headers, body=b"{}", authorization=headers["Authorization"]
    )
    if changed == good:
        assert answer.status == 200
    else:
        refused(answer)
