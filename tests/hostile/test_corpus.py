"""Every line of the corpus at every place that takes such a thing: refused, and nothing else."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError

from tests.hostile import corpus
from tests.hostile.world import REPOSITORY, World, refused
from tests.support.app import ACCOUNT

REST = [
    ("GET", "manifests/v1"),
    ("HEAD", "manifests/v1"),
    ("PUT", "manifests/v1"),
    ("DELETE", "manifests/v1"),
    ("GET", "blobs/sha256:" + "0" * 64),
    ("DELETE", "blobs/sha256:" + "0" * 64),
    ("POST", "blobs/uploads/"),
    ("PATCH", "blobs/uploads/12345678-1234-1234-1234-123456789012"),
    ("GET", "tags/list"),
    ("GET", "referrers/sha256:" + "0" * 64),
]


#: Where a repository may be: in a private registry, or in a public one by its path.
STARTS = ["/v2/", "/v2/public.ecr.aws/alias/"]


@pytest.mark.parametrize(("method", "rest"), REST, ids=lambda text: str(text)[:16])
def test_names(world: World, method: str, rest: str) -> None:
    for name in corpus.PATHS:
        for start in STARTS:
            refused(world.send(method, f"{start}{name}/{rest}", body=b"{}"))


def test_paths_that_lead_elsewhere(world: World) -> None:
    for path in corpus.PATHS:
        for start in ("/v2/", "/_layers/", "/", "/v2", "/_emulator/", "/token/"):
            if start + path.rstrip("?") not in ("/v2/_catalog", "/"):
                refused(world.send("GET", start + path))


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_digests(world: World, method: str) -> None:
    for digest in corpus.DIGESTS:
        for noun in ("blobs", "manifests", "referrers"):
            refused(world.send(method, f"/v2/{REPOSITORY}/{noun}/{digest}"))


def test_digests_of_uploads(world: World) -> None:
    for digest in corpus.DIGESTS:
        query = f"digest={quote(digest, encoding='latin-1')}"
        refused(world.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/", query=query, body=b"abc"))
        location = world.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/").header("Location")
        refused(world.send("PUT", location, query=query, body=b"abc"))
        assert world.send("DELETE", location).status == 204


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_tags(world: World, method: str) -> None:
    headers = {"Content-Type": world.image.manifest.media_type}
    body = world.image.manifest.data
    for tag in corpus.TAGS:
        path = f"/v2/{REPOSITORY}/manifests/{tag}"
        refused(world.send(method, path, headers=headers, body=body))


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_upload_ids(world: World, method: str) -> None:
    for upload_id in corpus.UPLOAD_IDS:
        path = f"/v2/{REPOSITORY}/blobs/uploads/{upload_id}"
        refused(world.send(method, path, query="digest=sha256:" + "0" * 64, body=b"abc"))


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/"), ("GET", f"/v2/{REPOSITORY}/manifests/v1"), ("PUT", "/v2/a/b"), ("POST", "/")],
)
def test_authorizations(world: World, method: str, path: str) -> None:
    for authorization in [*corpus.AUTHORIZATIONS, *corpus.SIGNATURES]:
        for host in ("localhost:4566", "public.ecr.localhost:4566"):
            refused(world.send(method, path, authorization=authorization, host=host))


def test_tokens_that_were_changed(world: World) -> None:
    good = world.token.removeprefix("Basic ")
    assert world.send("GET", "/v2/").status == 200
    for place in range(0, len(good), 7):
        for changed in (
            good[:place],
            good[:place] + ("A" if good[place] != "A" else "B") + good[place + 1 :],
            good[:place] + good[place:].swapcase(),
        ):
            if changed != good:
                refused(world.send("GET", "/v2/", authorization=f"Basic {changed}"))


def test_signatures(world: World) -> None:
    target = {"X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"}
    for authorization in [*corpus.SIGNATURES, *corpus.AUTHORIZATIONS]:
        for headers in (target, target | {"X-Amz-Date": "20260101T000000Z"}, {}):
            answer = world.send("POST", "/", headers=headers, authorization=authorization)
            refused(answer)
            assert b"__type" in answer.body or b"<Error>" in answer.body


def test_hosts(world: World) -> None:
    for host in corpus.HOSTS:
        for authorization in ("", None):
            for path in ("/v2/", f"/v2/{REPOSITORY}/tags/list", "/token/", "/"):
                answer = world.send("GET", path, host=host, authorization=authorization)
                assert answer.status < 500
                for _, value in answer.headers:
                    assert "X-Injected" not in value or "\n" not in value
        if not host.endswith(".localhost"):  # which no one else can have
            refused(world.send("GET", "/_emulator/health", host=host, address="127.0.0.1"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/_catalog"),
        ("GET", f"/v2/{REPOSITORY}/tags/list"),
        ("GET", f"/v2/{REPOSITORY}/referrers/sha256:" + "0" * 64),
        ("POST", f"/v2/{REPOSITORY}/blobs/uploads/"),
        ("GET", f"/v2/{REPOSITORY}/manifests/v1"),
        ("POST", "/"),
        ("GET", "/"),
        ("GET", "/_layers/123456789012/us-east-1/team/app/sha256:" + "0" * 64),
    ],
)
def test_queries(world: World, method: str, path: str) -> None:
    for query in corpus.QUERIES:
        answer = world.send(method, path, query=query)
        assert answer.status < 500
        if path.startswith("/_layers") or path == "/":
            refused(answer)
    for prefix in ("Action=", "Action=GetCallerIdentity&Version=2011-06-15&"):
        for query in corpus.QUERIES:
            refused(world.send(method, "/", query=prefix + query, authorization=None))


def test_headers(world: World) -> None:
    blob = world.image.layers[0].digest
    for headers in corpus.HEADERS:
        for method, path in [
            ("GET", f"/v2/{REPOSITORY}/blobs/{blob}"),
            ("GET", f"/v2/{REPOSITORY}/manifests/v1"),
            ("PUT", f"/v2/{REPOSITORY}/manifests/v2"),
            ("POST", f"/v2/{REPOSITORY}/blobs/uploads/"),
            ("POST", "/"),
        ]:
            world.send(method, path, headers=headers, body=b"abc")
        location = world.send("POST", f"/v2/{REPOSITORY}/blobs/uploads/").header("Location")
        answer = world.send("PATCH", location, headers=headers, body=b"abc")
        if "Content-Range" in headers or "Content-Length" in headers:
            refused(answer)
        world.send("DELETE", location)


@pytest.mark.parametrize(
    "operation", ["CreateRepository", "PutImage", "BatchGetImage", "UploadLayerPart"]
)
def test_bodies(world: World, operation: str) -> None:
    for body in corpus.BODIES:
        status, answer = world.app.call(operation, body)
        assert 400 <= status < 500, f"{body!r:.100} -> {status} {answer}"
        assert answer["__type"] in (
            "SerializationException",
            "InvalidParameterException",
            "ValidationException",
            "RepositoryNotFoundException",
        )


def test_policies(world: World) -> None:
    for operation, more in (
        ("SetRepositoryPolicy", {"repositoryName": REPOSITORY}),
        ("PutRegistryPolicy", {}),
    ):
        for text in corpus.POLICIES:
            status, answer = world.app.call(operation, {**more, "policyText": text})
            assert status == 400, f"{operation} {text:.100} -> {answer}"
            assert answer["__type"] in ("InvalidParameterException", "ValidationException"), answer


def test_session_policies(world: World) -> None:
    sts = world.app.ecr(service="sts")
    role = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    for text in corpus.POLICIES:
        with pytest.raises(ClientError) as caught:
            sts.assume_role(RoleArn=role, RoleSessionName="session", Policy=text.replace("\0", " "))
        assert caught.value.response["Error"]["Code"] in (
            "AccessDenied",
            "MalformedPolicyDocument",
            "PackedPolicyTooLarge",
            "ValidationError",
        )


@pytest.mark.parametrize("reference", ["v2", "sha256:" + "0" * 64])
def test_manifests(world: World, reference: str) -> None:
    types = [world.image.manifest.media_type, "", "application/vnd.oci.image.index.v1+json"]
    for body in corpus.MANIFESTS:
        for media_type in types:
            headers = {"Content-Type": media_type}
            path = f"/v2/{REPOSITORY}/manifests/{reference}"
            refused(world.send("PUT", path, headers=headers, body=body))
        text = body.decode("utf-8", "replace")
        status, answer = world.app.call(
            "PutImage", json.dumps({"repositoryName": REPOSITORY, "imageManifest": text}).encode()
        )
        assert 400 <= status < 500, answer


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "get", "\0", "A" * 10_000])
def test_methods(world: World, method: str) -> None:
    for path in ("/v2/", f"/v2/{REPOSITORY}/manifests/v1", "/", "/_emulator/health", "*"):
        answer = world.send(method, path, address="127.0.0.1")
        assert 200 <= answer.status < 500
        if path.startswith("/v2"):
            refused(answer)
