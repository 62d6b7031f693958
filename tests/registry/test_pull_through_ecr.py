"""Pulls through the cache from ECR itself: of the same account, and of another by a role.

Source: user guide, "Setting up permissions for cross-account ECR to ECR PTC": the role is the
downstream account's and trusts the service; its own policies and the upstream's registry or
repository policy must both allow.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.caller import Caller
from tests.conftest import MakeServer
from tests.registry.test_pull_through_referrers import referrer_of
from tests.support.app import ACCOUNT, REGION, STRANGER, App, OciCaller, app, ecr, oci
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import Image, make_image

__all__ = ["app", "ecr", "oci"]

UPSTREAM = f"{STRANGER}.dkr.ecr.{REGION}.amazonaws.com"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/cache"
SERVICE = "pullthroughcache.ecr.amazonaws.com"
READS = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
FAILED = (
    "The authentication to the upstream registry failed. Verify that the credentials provided "
    "in the pull through cache rule are correct, and try again."
)


def policy(actions: list[str], *, principal: Any = None, resource: str | None = "*") -> str:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": actions}
    if principal is not None:
        statement["Principal"] = principal
    if resource is not None:
        statement["Resource"] = resource
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(service: str = SERVICE) -> str:
    return policy(["sts:AssumeRole"], principal={"Service": service}, resource=None)


def make_role(app: App, trust_policy: str, *policies: str) -> None:
    role = {
        "trust_policy": trust_policy,
        "policies": {str(number): text for number, text in enumerate(policies)},
    }
    body = json.dumps({"accounts": {ACCOUNT: {"roles": {"cache": role}}}}).encode()
    answer = app.request("PUT", "/_emulator/identities", body)
    assert answer.status_code == 200, answer.text


ALLOWED = policy(["ecr:GetAuthorizationToken", *READS])
BY_REPOSITORY = policy(READS, principal={"AWS": ROLE}, resource=None)


@pytest.fixture
def image(app: App) -> Image:
    """An image of the other account's, ``team/app:1``."""
    app.ecr(STRANGER).create_repository(repositoryName="team/app")
    made = make_image()
    app.oci(STRANGER).push("team/app", made, "1")
    return made


@pytest.fixture
def rule(ecr: Any) -> None:
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="theirs", upstreamRegistryUrl=UPSTREAM, customRoleArn=ROLE
    )


def allow_by_repository(app: App) -> None:
    app.ecr(STRANGER).set_repository_policy(repositoryName="team/app", policyText=BY_REPOSITORY)


def pull(oci: OciCaller, image: Image) -> None:
    manifest = oci.expect(200, "GET", "/v2/theirs/team/app/manifests/1")
    assert manifest.data == image.manifest.data
    for blob in image.blobs:
        path = f"/v2/theirs/team/app/blobs/{blob.digest}"
        assert oci.expect(200, "GET", path).data == blob.data


def validated(ecr: Any) -> tuple[bool, str | None]:
    answer = ecr.validate_pull_through_cache_rule(ecrRepositoryPrefix="theirs")
    return answer["isValid"], answer.get("failure")


@pytest.mark.usefixtures("rule")
class TestOfAnotherAccount:
    def test_by_the_repositorys_policy(
        self, app: App, ecr: Any, oci: OciCaller, image: Image
    ) -> None:
        make_role(app, trust(), ALLOWED)
        allow_by_repository(app)
        assert validated(ecr) == (True, None)
        pull(oci, image)

    def test_by_the_registrys_policy(self, app: App, oci: OciCaller, image: Image) -> None:
        make_role(app, trust(), ALLOWED)
        resource = f"arn:aws:ecr:{REGION}:{STRANGER}:repository/*"
        text = policy(READS, principal={"AWS": ROLE}, resource=resource)
        app.ecr(STRANGER).put_registry_policy(policyText=text)
        pull(oci, image)

    def test_what_refers_to_it(self, app: App, ecr: Any, oci: OciCaller, image: Image) -> None:
        make_role(app, trust(), ALLOWED)
        allow_by_repository(app)
        sbom = referrer_of(image)
        app.oci(STRANGER).push("team/app", sbom)
        oci.expect(200, "GET", "/v2/theirs/team/app/manifests/1")
        answer = ecr.list_image_referrers(
            repositoryName="theirs/team/app", subjectId={"imageDigest": image.manifest.digest}
        )
        assert [item["digest"] for item in answer["referrers"]] == [sbom.manifest.digest]

    def test_the_upstream_does_not_let_the_role(
        self, app: App, ecr: Any, oci: OciCaller, image: Image
    ) -> None:
        make_role(app, trust(), ALLOWED)
        message = oci.refused(403, "DENIED", "GET", "/v2/theirs/team/app/manifests/1")
        assert message == FAILED
        answer = ecr.batch_get_image(repositoryName="theirs/team/app", imageIds=[{"imageTag": "1"}])
        (failure,) = answer["failures"]
        assert failure["failureCode"] == "UpstreamAccessDenied"
        # It shows when something is pulled: the role may log in.
        assert validated(ecr) == (True, None)

    @pytest.mark.parametrize(
        ("trust_policy", "identity_policy"),
        [
            (trust("ecs-tasks.amazonaws.com"), ALLOWED),
            (policy(["sts:AssumeRole"], principal={"AWS": ACCOUNT}, resource=None), ALLOWED),
            (trust(), policy(READS)),
            (trust(), policy(["s3:GetObject"])),
        ],
        ids=["another-service", "the-account", "no-login", "nothing"],
    )
    def test_a_role_that_does_not_do(
        self,
        app: App,
        ecr: Any,
        oci: OciCaller,
        image: Image,
        trust_policy: str,
        identity_policy: str,
    ) -> None:
        make_role(app, trust_policy, identity_policy)
        allow_by_repository(app)
        assert validated(ecr) == (False, FAILED)
        oci.refused(403, "DENIED", "GET", "/v2/theirs/team/app/manifests/1")

    def test_a_role_that_may_not_read_layers(self, app: App, oci: OciCaller, image: Image) -> None:
        make_role(app, trust(), policy(["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]))
        allow_by_repository(app)
        oci.expect(200, "GET", "/v2/theirs/team/app/manifests/1")
        path = f"/v2/theirs/team/app/blobs/{image.blobs[0].digest}"
        oci.refused(403, "DENIED", "GET", path)

    def test_a_role_that_is_not_there(
        self, app: App, ecr: Any, oci: OciCaller, image: Image
    ) -> None:
        allow_by_repository(app)
        assert validated(ecr) == (False, FAILED)
        oci.refused(403, "DENIED", "GET", "/v2/theirs/team/app/manifests/1")

    def test_what_is_not_there(self, app: App, oci: OciCaller, image: Image) -> None:
        make_role(app, trust(), ALLOWED)
        allow_by_repository(app)
        oci.refused(404, "NAME_UNKNOWN", "GET", "/v2/theirs/team/app/manifests/none")


def test_a_role_decides_for_the_same_account_too(
    app: App, ecr: Any, oci: OciCaller, tmp_path: Path
) -> None:
    app.ecr(region="eu-west-1").create_repository(repositoryName="team/app")
    image = make_image()
    app.oci(region="eu-west-1").push("team/app", image, "1")
    ecr.create_pull_through_cache_rule(
        ecrRepositoryPrefix="theirs",
        upstreamRegistryUrl=f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com",
        customRoleArn=ROLE,
    )
    oci.refused(403, "DENIED", "GET", "/v2/theirs/team/app/manifests/1")
    make_role(app, trust(), ALLOWED)
    pull(oci, image)


def test_one_that_stands_in_for_ecr_is_not_logged_in_to(tmp_path: Path) -> None:
    """It asks for no credentials."""
    upstream, image = FakeUpstream(), make_image()
    upstream.add("team/app", image, "1")
    app = App(tmp_path / "data", upstreams={UPSTREAM: upstream.url})
    try:
        app.ecr().create_pull_through_cache_rule(
            ecrRepositoryPrefix="theirs", upstreamRegistryUrl=UPSTREAM, customRoleArn=ROLE
        )
        assert validated(app.ecr()) == (True, None)
        pull(app.oci(), image)
        assert set(upstream.authorizations.values()) == {None}
    finally:
        app.close()
        upstream.close()


def test_of_the_same_account_at_another_emulator(tmp_path: Path, make_server: MakeServer) -> None:
    """By the account's key, also after the other began anew."""
    far = make_server(tmp_path / "far", workers=1)
    host = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
    app = App(tmp_path / "data", upstreams={host: far.url})
    try:
        app.ecr().create_pull_through_cache_rule(
            ecrRepositoryPrefix="theirs", upstreamRegistryUrl=host
        )
        for folder in ("far", "fresh"):
            if folder == "fresh":
                far.stop()
                far = make_server(tmp_path / folder, far.port, workers=1)
            there = Caller(far.url, tmp_path, account=ACCOUNT, region="eu-west-1")
            there.create_repository("team/app")
            image = make_image()
            there.oci().push("team/app", image, folder)
            path = f"/v2/theirs/team/app/manifests/{folder}"
            assert app.oci().expect(200, "GET", path).data == image.manifest.data
            path = f"/v2/theirs/team/app/blobs/{image.blobs[-1].digest}"
            assert app.oci().expect(200, "GET", path).data == image.blobs[-1].data
    finally:
        app.close()
