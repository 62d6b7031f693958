"""Referrers of cached images, discovered at the upstream when they are listed.

Source: AWS, "Amazon ECR pull through cache now supports referrer discovery and sync". That the
upstream is asked once in 24 hours, as for tags, is likeliest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.app import ACCOUNT, REGION, App, OciCaller, json_blob
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import OCI_INDEX, OCI_MANIFEST, Blob, Image, make_image
from tests.support.refusals import refusal

NAME = "quay/team/app"
SBOM = "application/spdx+json"


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture
def app(tmp_path: Path, upstream: FakeUpstream) -> Iterator[App]:
    hosts = ("quay.io", "ghcr.io")
    made = App(tmp_path / "data", upstreams=dict.fromkeys(hosts, upstream.url))
    made.ecr().create_pull_through_cache_rule(
        ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io"
    )
    yield made
    made.close()


@pytest.fixture
def image(upstream: FakeUpstream, oci: OciCaller) -> Image:
    """An image of the upstream's that is cached, with one referrer there that is not."""
    made = make_image()
    upstream.add("team/app", made, "1")
    oci.expect(200, "GET", f"/v2/{NAME}/manifests/1")
    return made


def referrer_of(image: Image) -> Image:
    """Return something that refers to *image*."""
    content = make_image(1)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SBOM,
        "config": content.config.descriptor(),
        "layers": [layer.descriptor() for layer in content.layers],
        "subject": image.manifest.descriptor(),
    }
    return replace(content, manifest=json_blob(OCI_MANIFEST, document))


def refer(upstream: FakeUpstream, image: Image) -> Image:
    """Have something at the upstream that refers to *image*."""
    made = referrer_of(image)
    upstream.add("team/app", made)
    return made


def listed(oci: OciCaller, image: Image) -> list[str]:
    path = f"/v2/{NAME}/referrers/{image.manifest.digest}"
    index = oci.expect(200, "GET", path).get_json(force=True)
    return [item["digest"] for item in index["manifests"]]


def by_api(ecr: Any, image: Image) -> list[str]:
    subject = {"imageDigest": image.manifest.digest}
    answer = ecr.list_image_referrers(repositoryName=NAME, subjectId=subject)
    return [item["digest"] for item in answer["referrers"]]


@pytest.mark.parametrize("door", ["oci", "api"])
def test_they_are_cached_whole(
    app: App, ecr: Any, oci: OciCaller, upstream: FakeUpstream, image: Image, door: str
) -> None:
    sbom = refer(upstream, image)
    found = listed(oci, image) if door == "oci" else by_api(ecr, image)
    assert found == [sbom.manifest.digest]
    upstream.close()
    assert listed(oci, image) == by_api(ecr, image) == found
    assert oci.expect(200, "GET", f"/v2/{NAME}/manifests/{found[0]}").data == sbom.manifest.data
    for blob in sbom.blobs:
        assert oci.expect(200, "GET", f"/v2/{NAME}/blobs/{blob.digest}").data == blob.data


def test_of_a_registry_without_the_api(
    oci: OciCaller, upstream: FakeUpstream, image: Image
) -> None:
    """It has an index by a tag, as clients write it there."""
    upstream.has_referrers_api = False
    sbom = refer(upstream, image)
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX}
    index["manifests"] = [sbom.manifest.descriptor(), {"digest": "none"}]
    tag = image.manifest.digest.replace(":", "-")
    upstream.add_manifest("team/app", json_blob(OCI_INDEX, index), tag)
    assert listed(oci, image) == [sbom.manifest.digest]


def test_none(oci: OciCaller, upstream: FakeUpstream, image: Image) -> None:
    upstream.has_referrers_api = False
    assert listed(oci, image) == []


def test_the_upstream_is_asked_once_a_day(
    app: App, oci: OciCaller, upstream: FakeUpstream, image: Image
) -> None:
    assert listed(oci, image) == []
    later = refer(upstream, image)
    assert listed(oci, image) == []
    assert upstream.count("GET /v2/team/app/referrers/") == 1
    app.clock.advance(timedelta(hours=24))
    assert listed(app.oci(), image) == [later.manifest.digest]


def test_an_upstream_that_does_not_answer(
    app: App, ecr: Any, oci: OciCaller, upstream: FakeUpstream, image: Image
) -> None:
    """What was never listed is not said to be nothing; what was listed is listed on."""
    sbom = refer(upstream, image)
    upstream.failing = 500
    subject = {"imageDigest": image.manifest.digest}
    code, message = refusal(ecr.list_image_referrers, repositoryName=NAME, subjectId=subject)
    assert code == "UnableToListUpstreamImageReferrersException"
    assert message.startswith("The referrer or referrers were unable to be listed using the pull")
    path = f"/v2/{NAME}/referrers/{image.manifest.digest}"
    oci.refused(503, "UNAVAILABLE", "GET", path)
    upstream.failing = 0
    assert listed(oci, image) == [sbom.manifest.digest]
    upstream.failing = 500
    app.clock.advance(timedelta(hours=24))
    assert listed(app.oci(), image) == [sbom.manifest.digest]


def test_credentials_that_cannot_be_read(app: App, ecr: Any, oci: OciCaller) -> None:
    arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:ecr-pullthroughcache/hub-AbCdEf"
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="gh", upstreamRegistryUrl="ghcr.io", credentialArn=arn
    )
    ecr.create_repository(repositoryName="gh/app")
    image = make_image()
    oci.push("gh/app", image, "1")
    subject = {"imageDigest": image.manifest.digest}
    code, _ = refusal(ecr.list_image_referrers, repositoryName="gh/app", subjectId=subject)
    assert code == "UnableToListUpstreamImageReferrersException"


def test_of_what_is_not_cached_nothing_is_asked(
    oci: OciCaller, ecr: Any, upstream: FakeUpstream, image: Image
) -> None:
    other = make_image()
    assert listed(oci, other) == []
    assert upstream.count("GET /v2/team/app/referrers/") == 0


def test_a_list_that_is_none(oci: OciCaller, upstream: FakeUpstream, image: Image) -> None:
    upstream.has_referrers_api = False
    tag = image.manifest.digest.replace(":", "-")
    upstream.add_manifest("team/app", Blob(OCI_INDEX, b'{"manifests": 5}'), tag)
    path = f"/v2/{NAME}/referrers/{image.manifest.digest}"
    oci.refused(503, "UNAVAILABLE", "GET", path)
