"""Every listing that has pages: its order is stable, and its tokens are good for itself alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecr_emulator.aws.model import load_service
from tests.aws.strategies import SERVICES, described
from tests.support.app import ACCOUNT, REGION, STRANGER, json_blob
from tests.support.images import OCI_MANIFEST, Blob, make_image
from tests.support.prepared import ELSEWHERE, Prepared

NAME = {"repositoryName": "team/app"}
REFUSED = (
    400,
    {
        "__type": "InvalidParameterException",
        "message": "Invalid parameter at 'NextToken' failed to satisfy constraint: "
        "'Invalid next token provided'",
    },
)
#: The listings, with what they are asked and where in an answer their items are.
LISTINGS: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    ("ecr", "DescribeImageScanFindings"): (
        {**NAME, "imageId": {"imageTag": "v2"}},
        "imageScanFindings.findings",
    ),
    ("ecr", "DescribeImages"): (NAME, "imageDetails"),
    ("ecr", "DescribePullThroughCacheRules"): ({}, "pullThroughCacheRules"),
    ("ecr", "DescribeReplicationBackfillResults"): (
        {"replicationBackfillId": "{replicationBackfillId}"},
        "results",
    ),
    ("ecr", "DescribeRepositories"): ({}, "repositories"),
    ("ecr", "DescribeRepositoryCreationTemplates"): ({}, "repositoryCreationTemplates"),
    ("ecr", "GetLifecyclePolicyPreview"): (NAME, "previewResults"),
    ("ecr", "ListImageReferrers"): (
        {**NAME, "subjectId": {"imageDigest": "{imageDigest}"}},
        "referrers",
    ),
    ("ecr", "ListImages"): (NAME, "imageIds"),
    ("ecr", "ListPullTimeUpdateExclusions"): ({}, "pullTimeUpdateExclusions"),
    ("ecr", "ListReplicationBackfills"): ({}, "backfills"),
    ("ecr-public", "DescribeImageTags"): (NAME, "imageTagDetails"),
    ("ecr-public", "DescribeImages"): (NAME, "imageDetails"),
    ("ecr-public", "DescribeRepositories"): ({}, "repositories"),
}
#: An account has one registry.
ONE_PAGE = {("ecr-public", "DescribeRegistries")}


class Listing:
    """A listing of an emulator with at least two items in it."""

    def __init__(self, prepared: Prepared, service: str, operation: str) -> None:
        self.prepared = prepared
        self.service = service
        self.operation = operation
        params, path = LISTINGS[service, operation]
        text = json.dumps(params)
        for member in ("imageDigest", "replicationBackfillId"):
            for value in prepared.known[service][member][:1]:
                text = text.replace(f"{{{member}}}", value)
        self.params = json.loads(text)
        self._path = path.split(".")

    def call(self, account: str = ACCOUNT, region: str = REGION, **more: Any) -> tuple[int, Any]:
        return self.prepared.app.call(
            self.operation,
            {**self.params, **more},
            account=account,
            region=region,
            target=load_service(self.service).target_prefix,
            service=self.service,
        )

    def page(self, **more: Any) -> tuple[list[Any], str | None]:
        """Return the items of a page, and the token for what follows."""
        status, answer = self.call(**more)
        assert status == 200, answer
        items = answer
        for step in self._path:
            items = items[step]
        return items, answer.get("nextToken")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    made = Prepared(tmp_path_factory.mktemp("listings") / "data")
    fill(made)
    yield made
    made.close()


def fill(prepared: Prepared) -> None:
    """Have a second item in each listing."""
    app = prepared.app
    ecr, public, oci = app.ecr(), app.ecr(service="ecr-public"), app.oci()
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io")
    images = ecr.batch_get_image(**NAME, imageIds=[{"imageTag": "v1"}, {"imageTag": "v2"}])
    subject, scanned = (item["imageId"]["imageDigest"] for item in images["images"])
    subject_size = len(images["images"][0]["imageManifest"])
    empty = Blob("application/vnd.oci.empty.v1+json", b"{}")
    signature = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/example.attestation",
        "config": empty.descriptor(),
        "layers": [empty.descriptor()],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": subject_size},
    }
    oci.push("team/app", json_blob(OCI_MANIFEST, signature))
    prepared.known["ecr"]["imageDigest"].insert(0, subject)
    pin = {
        "account": ACCOUNT,
        "region": REGION,
        "repositoryName": "team/app",
        "imageDigest": scanned,
        "findings": [
            {"name": f"CVE-{number}", "severity": "HIGH", "uri": "https://example.com"}
            for number in range(3)
        ],
    }
    answer = app.request(
        "PUT",
        "/_emulator/scan-findings",
        json.dumps(pin).encode(),
        environ={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert answer.status_code == 200, answer.text
    image = make_image(1, 100)
    for blob in image.blobs:
        prepared._upload(public, "team/app", blob.data, complete=True)
    public.put_image(**NAME, imageManifest=image.manifest.data.decode(), imageTag="v3")
    app.run_jobs()


@pytest.fixture(params=list(LISTINGS), ids="-".join)
def listing(prepared: Prepared, request: pytest.FixtureRequest) -> Listing:
    return Listing(prepared, *request.param)


def test_these_are_all() -> None:
    with_pages = {
        (service, name)
        for service in SERVICES
        for name, operation in described(service)["operations"].items()
        if "nextToken" in described(service)["shapes"][operation["input"]["shape"]]["members"]
    }
    assert with_pages == LISTINGS.keys() | ONE_PAGE


def test_pages_are_the_whole_in_its_order(listing: Listing) -> None:
    whole, token = listing.page()
    assert len(whole) > 1
    assert token is None
    assert listing.page()[0] == whole
    found, token = listing.page(maxResults=1)
    while token is not None:
        items, token = listing.page(maxResults=1, nextToken=token)
        assert len(items) == 1
        found += items
    assert found == whole


def test_a_token_is_good_for_its_own_listing_alone(listing: Listing) -> None:
    _, token = listing.page(maxResults=1)
    assert token is not None
    # Of another size, it is the same listing.
    assert listing.page(maxResults=2, nextToken=token)[0]
    middle = len(token) // 2
    other = "A" if token[middle] != "A" else "B"
    for spoiled in (
        "",
        "x",
        token[:-4],
        token + token,
        token[:middle] + other + token[middle + 1 :],
    ):
        assert listing.call(nextToken=spoiled) == REFUSED
    # Not for a listing of another operation, nor of another registry.
    for name in ("DescribeRepositories", "ListImages", "DescribeImages"):
        key = (listing.service, name)
        if key in LISTINGS and name != listing.operation:
            assert Listing(listing.prepared, *key).call(nextToken=token) == REFUSED
    if not listing.params:
        assert listing.call(account=STRANGER, nextToken=token) == REFUSED
        if listing.service == "ecr":
            assert listing.call(region=ELSEWHERE, nextToken=token) == REFUSED
