"""docker and skopeo pull through the cache, from CNCF distribution as Debian packages it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import urllib3

from tests.clients.caller import Caller, any_account
from tests.clients.skopeo import Skopeo, oci_layout
from tests.conftest import MakeServer
from tests.support.docker import Docker, DockerError
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import (
    Image,
    layout_digests,
    layout_root,
    make_image,
    make_index,
    sha256,
    write_layout,
)
from tests.support.oci_client import OciClient
from tests.support.upstream import UpstreamRegistry, is_installed


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamRegistry]:
    """A registry of somebody else's."""
    if not is_installed():
        pytest.skip("docker-registry is not installed")
    started = UpstreamRegistry(tmp_path / "upstream")
    yield started
    started.stop()


@pytest.fixture
def caller(make_server: MakeServer, tmp_path: Path, upstream: UpstreamRegistry) -> Caller:
    """A user of a server that finds quay.io there, with a rule for it."""
    server = make_server(upstreams=f"quay.io={upstream.url}")
    made = Caller(server.url, tmp_path / "aws")
    made.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    return made


@pytest.fixture
def image(upstream: UpstreamRegistry) -> Image:
    """An image of the upstream's, ``team/app:1``, with layers of some size."""
    made = make_image(layers=3, size=3_000_000)
    OciClient(upstream.url, None).push("team/app", made, "1")
    return made


def test_docker(docker: Docker, caller: Caller, upstream: UpstreamRegistry, image: Image) -> None:
    docker.login(caller.registry, caller.password())
    reference = f"{caller.registry}/quay/team/app:1"
    assert f"Digest: {image.manifest.digest}" in docker.pull(reference)
    assert docker.image_id(reference) == image.config.digest
    details = caller.describe_image("quay/team/app", imageTag="1")
    assert details["imageSizeInBytes"] == image.size

    upstream.stop()
    docker.remove(reference)
    docker.pull(reference)
    assert docker.image_id(reference) == image.config.digest


def test_what_the_upstream_has_not(docker: Docker, caller: Caller) -> None:
    docker.login(caller.registry, caller.password())
    with pytest.raises(DockerError) as refused:
        docker.pull(f"{caller.registry}/quay/not/there:1")
    assert "The repository with name 'quay/not/there' does not exist" in str(refused.value)


def test_skopeo_copies_an_index(
    skopeo: Skopeo, caller: Caller, upstream: UpstreamRegistry, tmp_path: Path
) -> None:
    index = make_index([make_image(architecture=name) for name in ("amd64", "arm64")])
    OciClient(upstream.url, None).push("team/multi", index, "v1")
    write_layout(tmp_path / "layout", index, "v1")
    source = f"docker://{caller.registry}/quay/team/multi:v1"
    skopeo.copy(source, oci_layout(tmp_path / "first", "v1"))

    upstream.stop()
    skopeo.copy(source, oci_layout(tmp_path / "second", "v1"))
    for copy in ("first", "second"):
        assert layout_root(tmp_path / copy) == index.manifest.digest
        assert set(layout_digests(tmp_path / copy)) == set(layout_digests(tmp_path / "layout"))


@pytest.fixture
def fake() -> Iterator[FakeUpstream]:
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture
def of_fake(make_server: MakeServer, tmp_path: Path, fake: FakeUpstream) -> Caller:
    """A user of a server of two processes that finds quay.io at the fake upstream."""
    server = make_server(upstreams=f"quay.io={fake.url}", workers=2)
    made = Caller(server.url, tmp_path / "aws")
    made.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    return made


def test_one_fetch_for_all_clients(of_fake: Caller, fake: FakeUpstream) -> None:
    image = make_image(size=3_000_000)
    fake.add("team/app", image, "1")
    fake.gate.clear()
    threading.Timer(1, fake.gate.set).start()
    clients = [of_fake.oci() for _ in range(8)]
    with ThreadPoolExecutor(len(clients)) as pool:
        pulls = [pool.submit(client.pull, "quay/team/app", "1") for client in clients]
        for done in pulls:
            assert {sha256(data) for data in done.result(60).values()} == {
                image.manifest.digest,
                *(blob.digest for blob in image.blobs),
            }
    asked = [line for line in fake.seen if line.startswith("GET /v2/team/")]
    assert len(asked) == len(set(asked)) == 1 + len(image.blobs)


@pytest.mark.parametrize("fault", ["short", "corrupt"])
def test_a_layer_that_breaks_off(of_fake: Caller, fake: FakeUpstream, fault: str) -> None:
    image = make_image(size=3_000_000)
    fake.add("team/app", image, "1")
    blob = image.blobs[-1]
    getattr(fake, fault).add(blob.digest)
    client = of_fake.oci()
    client.get_manifest("quay/team/app", "1")
    fake.gate.clear()
    stream = client.stream_blob("quay/team/app", blob.digest)
    received = [next(stream)]
    fake.gate.set()
    with pytest.raises(urllib3.exceptions.HTTPError):
        received.extend(stream)
    assert len(b"".join(received)) < len(blob.data)

    getattr(fake, fault).clear()
    assert client.get_blob("quay/team/app", blob.digest) == blob.data


ROLE_IN_BOTH = """
[accounts.{account}.roles.cache]
trust_policy = {{ Version = "2012-10-17", Statement = [
  {{ Effect = "Allow", Principal = {{ AWS = "{account}" }}, Action = "sts:AssumeRole" }},
] }}
[accounts.{account}.roles.cache.policies.read]
Version = "2012-10-17"
Statement = [{{ Effect = "Allow", Action = "ecr:*", Resource = "*" }}]
"""


def test_docker_by_a_role_from_another_emulator(
    docker: Docker, make_server: MakeServer, tmp_path: Path
) -> None:
    """ECR of another account, which another emulator holds."""
    account, role = any_account(), "arn:aws:iam::{}:role/cache"
    identities = tmp_path / "identities.toml"
    identities.write_text(ROLE_IN_BOTH.format(account=account))
    far = make_server(tmp_path / "far", workers=1, identities=identities)
    theirs = Caller(far.url, tmp_path / "theirs", region="eu-west-1")
    host = f"{theirs.account}.dkr.ecr.eu-west-1.amazonaws.com"
    near = make_server(tmp_path / "near", workers=1, upstreams=f"{host}={far.url}")
    caller = Caller(near.url, tmp_path / "aws", account=account)

    uri = theirs.create_repository("team/app")
    docker.login(theirs.registry, theirs.password())
    image_id = docker.build(f"{uri}:1", layers=2)
    docker.push(f"{uri}:1")
    docker.remove(f"{uri}:1")
    caller.ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="theirs",
        upstreamRegistryUrl=host,
        customRoleArn=role.format(account),
    )
    validate = caller.ecr.validate_pull_through_cache_rule
    assert validate(ecrRepositoryPrefix="theirs")["isValid"] is True

    docker.login(caller.registry, caller.password())
    reference = f"{caller.registry}/theirs/team/app:1"
    with pytest.raises(DockerError) as refused:
        docker.pull(reference)
    assert "The authentication to the upstream registry failed" in str(refused.value)

    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": role.format(account)},
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    theirs.ecr.set_repository_policy(repositoryName="team/app", policyText=json.dumps(policy))
    docker.pull(reference)
    assert docker.image_id(reference) == image_id

    caller.ecr.update_pull_through_cache_rule(
        ecrRepositoryPrefix="theirs", customRoleArn=role.format(account) + "-that-is-not"
    )
    answer = validate(ecrRepositoryPrefix="theirs")
    assert (answer["isValid"], answer["failure"][:18]) == (False, "The authentication")
    far.stop()
    answer = validate(ecrRepositoryPrefix="theirs")
    assert (answer["isValid"], answer["failure"][:21]) == (False, "The upstream registry")
