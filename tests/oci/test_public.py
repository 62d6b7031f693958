"""Pulls from and pushes to public registries: on their own host, and below a path on any other.

Sources: public issue threads for the answers of public.ecr.aws (the registry named by its alias,
401 to a blob's HEAD); ECR Public user guide (anyone may pull, no policy can forbid it).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import ACCOUNT, HOST, REGION, STRANGER, App, OciCaller
from tests.support.images import OCI_MANIFEST, Image, make_image, sha256
from tests.support.public import CHALLENGE, PUBLIC_HOST, BearerCaller, anonymous, public_token

REPOSITORY = "team/app"


@pytest.fixture
def public(app: App) -> Any:
    """A boto3 client of ECR Public."""
    return app.ecr(service="ecr-public")


@pytest.fixture
def alias(public: Any) -> str:
    """The alias of a registry with :data:`REPOSITORY` in it."""
    public.create_repository(repositoryName=REPOSITORY)
    (registry,) = public.describe_registries()["registries"]
    return str(registry["aliases"][0]["name"])


@pytest.fixture
def owner(app: App) -> BearerCaller:
    """The registry's owner at its own host."""
    return BearerCaller(app, public_token(app))


@pytest.fixture
def image(owner: BearerCaller, alias: str) -> Image:
    """An image in the repository, with the tag ``v1``."""
    made = make_image()
    owner.push(f"{alias}/{REPOSITORY}", made, "v1")
    return made


@pytest.fixture
def permissive(tmp_path: Path) -> Iterator[App]:
    """An application that takes any credentials."""
    made = App(tmp_path / "permissive", auth="permissive")
    yield made
    made.close()


def names(alias: str, host: str) -> str:
    """Return the path of the repository at *host*."""
    return (
        f"{alias}/{REPOSITORY}" if host == PUBLIC_HOST else f"public.ecr.aws/{alias}/{REPOSITORY}"
    )


@pytest.fixture(params=["token", "host's path", "stranger's token", "stranger's login"])
def puller(request: pytest.FixtureRequest, app: App) -> OciCaller:
    """Everyone who may pull, in each way."""
    if request.param == "token":
        return anonymous(app)
    if request.param == "host's path":
        return OciCaller(app, None, HOST)
    if request.param == "stranger's token":
        return BearerCaller(app, public_token(app, STRANGER))
    return app.oci(STRANGER)


def test_anyone_pulls(app: App, image: Image, alias: str, puller: OciCaller) -> None:
    name = names(alias, puller.host)
    digest = image.manifest.digest
    for reference in ("v1", digest):
        path = f"/v2/{name}/manifests/{reference}"
        for method in ("GET", "HEAD"):
            answer = puller.expect(200, method, path)
            assert answer.headers["Docker-Content-Digest"] == digest
            assert answer.headers["Content-Type"] == OCI_MANIFEST
        assert puller.expect(200, "GET", path).data == image.manifest.data
    for blob in image.blobs:
        path = f"/v2/{name}/blobs/{blob.digest}"
        assert puller.expect(200, "GET", path).data == blob.data
        size = puller.expect(200, "HEAD", path).headers["Content-Length"]
        assert int(size) == len(blob.data)
    answer = puller.expect(200, "GET", f"/v2/{name}/tags/list")
    assert answer.get_json() == {"name": name, "tags": ["v1"]}
    answer = puller.expect(200, "GET", f"/v2/{name}/referrers/{digest}")
    assert answer.get_json()["manifests"] == []


def test_no_policy_forbids_a_pull(public: Any, image: Image, alias: str, puller: OciCaller) -> None:
    deny = {"Effect": "Deny", "Principal": "*", "Action": ["ecr-public:*", "ecr:BatchGetImage"]}
    public.set_repository_policy(
        repositoryName=REPOSITORY,
        policyText=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
        force=True,
    )
    puller.expect(200, "GET", f"/v2/{names(alias, puller.host)}/manifests/v1")


def test_what_is_not_there(image: Image, alias: str, puller: OciCaller) -> None:
    name = names(alias, puller.host)
    start = name.removesuffix(f"{alias}/{REPOSITORY}")
    message = puller.refused(404, "MANIFEST_UNKNOWN", "GET", f"/v2/{name}/manifests/v2")
    assert message == "Requested image not found"
    puller.refused(404, "BLOB_UNKNOWN", "GET", f"/v2/{name}/blobs/{sha256(b'')}")
    # The registry is named as the client named it: by its alias.
    for registry, repository in [(alias, "other"), ("nobody", "team/app"), (alias, "team")]:
        path = f"/v2/{start}{registry}/{repository}/manifests/v1"
        assert puller.refused(404, "NAME_UNKNOWN", "GET", path) == (
            f"The repository with name '{repository}' does not exist in the registry with id "
            f"'{registry}'"
        )


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "registry", [ACCOUNT, "Upper", "x", "a" * 51, "a__b", "a." + "b" * 40 + "."]
)
def test_what_is_no_alias(app: App, strict: bool, registry: str) -> None:
    # Seen from people who put their account's id where the alias belongs.
    caller = anonymous(app.another_process(strict_ecr=strict))
    status, code = (405, "UNSUPPORTED") if strict else (400, "NAME_INVALID")
    message = caller.refused(status, code, "GET", f"/v2/{registry}/team/app/manifests/v1")
    assert message == (
        "Invalid parameter at 'registryAliasName' failed to satisfy constraint: 'Member must "
        "satisfy regular expression pattern: [a-z][a-z0-9]+(?:[._-][a-z0-9]+)*'"
    )


def test_an_alias_alone(app: App, alias: str) -> None:
    anonymous(app).refused(404, "NAME_UNKNOWN", "GET", f"/v2/{alias}/manifests/v1")


def test_no_catalog(app: App, owner: BearerCaller) -> None:
    owner.refused(405, "UNSUPPORTED", "GET", "/v2/_catalog")


def test_pages_of_tags(owner: BearerCaller, public: Any, image: Image, alias: str) -> None:
    manifest = image.manifest.data.decode()
    for tag in ("v2", "v3"):
        public.put_image(repositoryName=REPOSITORY, imageManifest=manifest, imageTag=tag)
    found: list[str] = []
    path = f"/v2/{alias}/{REPOSITORY}/tags/list?n=2"
    while path:
        answer = owner.expect(200, "GET", path)
        found += answer.get_json()["tags"]
        link = answer.headers.get("Link", "")
        path = link[1 : link.find(">")] if link else ""
        assert not path or path.startswith(f"/v2/{alias}/{REPOSITORY}/tags/list?")
    assert found == ["v1", "v2", "v3"]


# As ECR does, where it departs from the specification


def test_strictly_a_blobs_head_is_not_for_everyone(app: App, image: Image, alias: str) -> None:
    strict = app.another_process(strict_ecr=True)
    path = f"/v2/{alias}/{REPOSITORY}/blobs/{image.layers[0].digest}"
    answer = anonymous(strict).expect(401, "HEAD", path)
    assert answer.headers["WWW-Authenticate"] == CHALLENGE
    # To push, one has to ask.
    BearerCaller(strict, public_token(strict)).expect(200, "HEAD", path)


def test_strictly_a_blob_is_elsewhere(app: App, image: Image, alias: str) -> None:
    caller = anonymous(app.another_process(strict_ecr=True))
    layer = image.layers[0]
    answer = caller.expect(307, "GET", f"/v2/{alias}/{REPOSITORY}/blobs/{layer.digest}")
    # The link needs no token.
    followed = app.request("GET", answer.headers["Location"], host=PUBLIC_HOST)
    assert followed.data == layer.data


# Pushing


@pytest.mark.parametrize("kind", ["bearer", "public login", "private login"])
def test_the_owner_pushes(app: App, public: Any, alias: str, kind: str) -> None:
    callers = {
        "bearer": BearerCaller(app, public_token(app)),
        "public login": OciCaller(app, public_token(app), HOST),
        "private login": app.oci(),
    }
    caller = callers[kind]
    name = names(alias, caller.host)
    caller.expect(200, "GET", "/v2/")
    image = make_image()
    # In chunks, by the locations that the answers give.
    for blob in image.blobs:
        location = caller.start_upload(name)
        assert location.startswith(f"/v2/{name}/blobs/uploads/")
        answer = caller.expect(202, "PATCH", location, blob.data)
        location = answer.headers["Location"]
        caller.expect(204, "GET", location)
        answer = caller.expect(201, "PUT", f"{location}?digest={blob.digest}")
        assert answer.headers["Location"] == f"/v2/{name}/blobs/{blob.digest}"
        caller.expect(200, "HEAD", answer.headers["Location"])
    answer = caller.expect(
        201,
        "PUT",
        f"/v2/{name}/manifests/v1",
        image.manifest.data,
        {"Content-Type": image.manifest.media_type},
    )
    assert answer.headers["Location"] == f"/v2/{name}/manifests/{image.manifest.digest}"
    (detail,) = public.describe_images(repositoryName=REPOSITORY)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (image.manifest.digest, ["v1"])
    caller.expect(202, "DELETE", f"/v2/{name}/manifests/v1")
    assert public.describe_image_tags(repositoryName=REPOSITORY)["imageTagDetails"] == []


CHANGES = [
    ("POST", "/v2/{name}/blobs/uploads/"),
    ("POST", "/v2/{name}/blobs/uploads/?mount={digest}&from={name}"),
    ("PATCH", "/v2/{name}/blobs/uploads/11111111-2222-3333-4444-555555555555"),
    ("GET", "/v2/{name}/blobs/uploads/11111111-2222-3333-4444-555555555555"),
    ("PUT", "/v2/{name}/blobs/uploads/11111111-2222-3333-4444-555555555555?digest={digest}"),
    ("DELETE", "/v2/{name}/blobs/uploads/11111111-2222-3333-4444-555555555555"),
    ("PUT", "/v2/{name}/manifests/v2"),
    ("DELETE", "/v2/{name}/manifests/v1"),
    ("DELETE", "/v2/{name}/blobs/{digest}"),
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_nobody_else_changes_anything(
    app: App, public: Any, image: Image, alias: str, method: str, path: str
) -> None:
    layer = image.layers[0].digest
    before = public.describe_images(repositoryName=REPOSITORY)["imageDetails"]

    def at(host: str) -> str:
        return path.format(name=names(alias, host), digest=layer)

    message = anonymous(app).refused(403, "DENIED", method, at(PUBLIC_HOST))
    assert message == "Not Authorized"
    # On a path there was no token yet: the client is asked to log in.
    answer = OciCaller(app, None, HOST).expect(401, method, at(HOST))
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for stranger in (BearerCaller(app, public_token(app, STRANGER)), app.oci(STRANGER)):
        message = stranger.refused(403, "DENIED", method, at(stranger.host))
        assert message.startswith(
            f"User: arn:aws:iam::{STRANGER}:root is not authorized to perform: ecr-public:"
        )
        assert f"arn:aws:ecr-public::{ACCOUNT}:repository/{REPOSITORY}" in message
    assert public.describe_images(repositoryName=REPOSITORY)["imageDetails"] == before


def test_a_policy_lets_another_account_push(app: App, public: Any, alias: str) -> None:
    # As in the samples of `ecr-public set-repository-policy` in the AWS CLI.
    actions = [
        "ecr-public:BatchCheckLayerAvailability",
        "ecr-public:PutImage",
        "ecr-public:InitiateLayerUpload",
        "ecr-public:UploadLayerPart",
        "ecr-public:CompleteLayerUpload",
    ]
    allow = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": actions}
    public.set_repository_policy(
        repositoryName=REPOSITORY,
        policyText=json.dumps({"Version": "2012-10-17", "Statement": [allow]}),
    )
    at_host = BearerCaller(app, public_token(app, STRANGER))
    for caller in (at_host, app.oci(STRANGER)):
        caller.push(names(alias, caller.host), make_image(), "v1")
    path = f"/v2/{alias}/{REPOSITORY}/manifests/v1"
    assert "ecr-public:BatchDeleteImage" in at_host.refused(403, "DENIED", "DELETE", path)


def test_blobs_are_not_mounted(owner: BearerCaller, public: Any, image: Image, alias: str) -> None:
    """BLOB_MOUNTING is a setting of private registries."""
    public.create_repository(repositoryName="other")
    path = f"/v2/{alias}/other/blobs/uploads/?mount={image.layers[0].digest}"
    owner.expect(202, "POST", f"{path}&from={alias}/{REPOSITORY}")


def test_empty_credentials_are_none(app: App, image: Image, alias: str) -> None:
    # skopeo sends them to a registry that asked for Basic when it has none.
    empty = OciCaller(app, "Og==", HOST)
    empty.expect(200, "GET", f"/v2/{names(alias, HOST)}/manifests/v1")
    empty.expect(401, "POST", f"/v2/{names(alias, HOST)}/blobs/uploads/")


@pytest.mark.parametrize("kind", ["garbage", "expired", "bearer"])
def test_bad_credentials_on_the_path(app: App, image: Image, alias: str, kind: str) -> None:
    path = f"/v2/{names(alias, HOST)}/manifests/v1"
    caller = OciCaller(app, public_token(app), HOST)
    if kind == "garbage":
        OciCaller(app, "QVdTOng=", HOST).refused(400, "DENIED", "GET", path)
    elif kind == "bearer":
        headers = {"Authorization": f"Bearer {caller.token}"}
        caller.refused(400, "DENIED", "GET", path, headers=headers)
    else:
        app.clock.advance(timedelta(hours=12))
        assert caller.refused(403, "DENIED", "GET", path) == (
            "Your authorization token has expired. Reauthenticate and try again."
        )


# Private registries stay private


def test_a_public_token_opens_no_private_registry(app: App) -> None:
    app.ecr().create_repository(repositoryName=REPOSITORY)
    app.oci().push(REPOSITORY, make_image(), "v1")
    path = f"/v2/{REPOSITORY}/manifests/v1"
    for token in (public_token(app), anonymous(app).bearer):
        OciCaller(app, token, HOST).refused(400, "DENIED", "GET", path)
        OciCaller(app, token, HOST).refused(400, "DENIED", "GET", "/v2/_catalog")
        # docker login at an address that leads to both kinds of registries works with both.
        OciCaller(app, token, HOST).expect(200, "GET", "/v2/")
        own = OciCaller(app, token, f"{ACCOUNT}.dkr.ecr.{REGION}.localhost:4566")
        own.refused(400, "DENIED", "GET", "/v2/")
    OciCaller(app, None, HOST).expect(401, "GET", path)


def test_no_host_leads_to_a_public_registry_as_if_it_were_private(app: App, image: Image) -> None:
    caller = app.oci(host=f"{ACCOUNT}.dkr.ecr.public.localhost:4566")
    caller.refused(404, "NAME_UNKNOWN", "GET", f"/v2/{REPOSITORY}/manifests/v1")


def test_a_private_repository_is_not_in_the_public_registry(app: App, alias: str) -> None:
    app.ecr().create_repository(repositoryName="private")
    app.oci().push("private", make_image(), "v1")
    anonymous(app).refused(404, "NAME_UNKNOWN", "GET", f"/v2/{alias}/private/manifests/v1")


# Without checking credentials


def test_permissively_any_credentials_will_do(permissive: App) -> None:
    client = permissive.ecr(service="ecr-public")
    client.create_repository(repositoryName=REPOSITORY)
    (registry,) = client.describe_registries()["registries"]
    alias = registry["aliases"][0]["name"]
    at_host = OciCaller(permissive, None, PUBLIC_HOST)
    login = {"Authorization": "Basic dXNlcjpzZWNyZXQ="}
    token = at_host.expect(200, "GET", "/token/", headers=login).get_json()["token"]
    for caller in (
        BearerCaller(permissive, token),
        BearerCaller(permissive, "anything"),
        OciCaller(permissive, "dXNlcjpzZWNyZXQ=", HOST),
    ):
        caller.expect(200, "GET", "/v2/")
        caller.push(names(alias, caller.host), make_image(), "v1")
    # Nobody is still nobody.
    anonymous(permissive).refused(403, "DENIED", "POST", f"/v2/{alias}/{REPOSITORY}/blobs/uploads/")
