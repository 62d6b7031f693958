"""Every operation of both services, family by family, as a new user would try them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.aws.strategies import described
from tests.clients.caller import AwsError, Caller
from tests.clients.skopeo import Skopeo, anonymous_skopeo, oci_layout
from tests.clients.walk import REFUSED, Walk
from tests.conftest import MakeServer
from tests.scanning.osv_records import ALL
from tests.support.docker import Docker
from tests.support.fake_upstream import FakeUpstream
from tests.support.images import OCI_MANIFEST, Blob, Image, make_image, sha256, write_layout
from tests.support.rootfs import debian, image_of
from tests.support.server import ServerProcess, environment

pytestmark = pytest.mark.usefixtures("aws_command")

NAME = {"repositoryName": "team/app"}
V1 = {**NAME, "imageId": {"imageTag": "v1"}}
EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")
KEEP_ONE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "any",
                    "countType": "imageCountMoreThan",
                    "countNumber": 1,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)
ALLOW_PULLS = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}],
}


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    """A registry that the emulator takes for quay.io."""
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture
def server(make_server: MakeServer, upstream: FakeUpstream, tmp_path: Path) -> ServerProcess:
    """A server with an upstream to cache, and records of what is vulnerable."""
    started = make_server(upstreams=f"quay.io={upstream.url}")
    folder = tmp_path / "osv"
    folder.mkdir()
    for record in ALL:
        (folder / f"{record['id']}.json").write_text(json.dumps(record))
    subprocess.run(
        [
            *(sys.executable, "-m", "ecr_emulator", "vulndb", "import", str(folder)),
            *("--data-dir", str(started.data_dir)),
        ],
        env=environment(),
        check=True,
        capture_output=True,
    )
    return started


@pytest.fixture
def walk(caller: Caller, tmp_path: Path) -> Walk:
    return Walk(caller, "ecr", tmp_path)


@pytest.fixture
def push(caller: Caller, skopeo_command: None, tmp_path: Path) -> Callable[..., Image]:
    """Pushes an image with skopeo."""

    def copy(uri: str, tag: str) -> Image:
        image = image_of(debian([("libssl3", "3.0.11-1~deb12u1", "openssl")]))
        folder = tmp_path / f"layout-{tag}"
        write_layout(folder, image, tag)
        Skopeo(caller.password()).copy(oci_layout(folder, tag), f"docker://{uri}:{tag}")
        return image

    return copy


def test_ecr(
    walk: Walk, push: Callable[..., Image], upstream: FakeUpstream, skopeo: Skopeo, tmp_path: Path
) -> None:
    uri = repositories(walk)
    image = push(uri, "v1")
    images(walk, image)
    layers(walk)
    tags_and_policies(walk)
    lifecycle(walk, image, push(uri, "v2"))
    scanning(walk)
    replication(walk, push, uri)
    templates(walk, push)
    pull_through_cache(walk, upstream, skopeo, tmp_path)
    registry_settings(walk, push, uri)
    archive_and_restore(walk)
    delete(walk)
    assert walk.walked == set(described("ecr")["operations"])
    # As many as the oldest command that is tested with has.
    assert len(walk.by_command) >= 41


def repositories(walk: Walk) -> str:
    account = walk.caller.account
    assert walk("DescribeRepositories") == {"repositories": []}
    created = walk("CreateRepository", **NAME, tags=[{"Key": "env", "Value": "dev"}])["repository"]
    assert created.pop("createdAt")
    assert created == {
        "repositoryArn": f"arn:aws:ecr:us-east-1:{account}:repository/team/app",
        "registryId": account,
        "repositoryName": "team/app",
        "repositoryUri": f"{walk.caller.registry}/team/app",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    assert walk.refused("CreateRepository", **NAME) == (
        "RepositoryAlreadyExistsException",
        f"The repository with name 'team/app' already exists in the registry with id '{account}'",
    )
    described_now = walk("DescribeRepositories", repositoryNames=["team/app"])["repositories"]
    assert [item["repositoryName"] for item in described_now] == ["team/app"]
    (token,) = walk("GetAuthorizationToken")["authorizationData"]
    assert token["proxyEndpoint"] == walk.caller.url
    immutable = walk("PutImageTagMutability", **NAME, imageTagMutability="IMMUTABLE")
    assert immutable["imageTagMutability"] == "IMMUTABLE"
    walk("PutImageTagMutability", **NAME, imageTagMutability="MUTABLE")
    return str(created["repositoryUri"])


def images(walk: Walk, image: Image) -> None:
    digest = image.manifest.digest
    listed = walk("ListImages", **NAME)
    assert listed["imageIds"] == [{"imageDigest": digest, "imageTag": "v1"}]
    (detail,) = walk("DescribeImages", **NAME)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1"])
    assert detail["imageSizeInBytes"] == image.size
    got = walk("BatchGetImage", **NAME, imageIds=[{"imageTag": "v1"}, {"imageTag": "v9"}])
    assert [item["imageManifest"] for item in got["images"]] == [image.manifest.data.decode()]
    assert got["failures"] == [
        {
            "imageId": {"imageTag": "v9"},
            "failureCode": "ImageNotFound",
            "failureReason": "Requested image not found",
        }
    ]
    put = walk("PutImage", **NAME, imageTag="also", imageManifest=image.manifest.data.decode())
    assert put["image"]["imageId"] == {"imageDigest": digest, "imageTag": "also"}
    deleted = walk("BatchDeleteImage", **NAME, imageIds=[{"imageTag": "also"}])
    assert deleted["failures"] == []
    (available,) = walk("BatchCheckLayerAvailability", **NAME, layerDigests=[image.config.digest])[
        "layers"
    ]
    assert available["layerAvailability"] == "AVAILABLE"
    link = walk("GetDownloadUrlForLayer", **NAME, layerDigest=image.config.digest)
    with urllib.request.urlopen(link["downloadUrl"]) as response:
        assert response.read() == image.config.data


def layers(walk: Walk) -> None:
    upload = {**NAME, "uploadId": walk("InitiateLayerUpload", **NAME)["uploadId"]}
    part = walk("UploadLayerPart", **upload, partFirstByte=0, partLastByte=1, layerPartBlob=b"{}")
    assert part["lastByteReceived"] == 1
    done = walk("CompleteLayerUpload", **upload, layerDigests=[EMPTY.digest])
    assert done["layerDigest"] == sha256(b"{}")


def tags_and_policies(walk: Walk) -> None:
    (repository,) = walk("DescribeRepositories")["repositories"]
    arn = {"resourceArn": repository["repositoryArn"]}
    walk("TagResource", **arn, tags=[{"Key": "owner", "Value": "me"}])
    walk("UntagResource", **arn, tagKeys=["env"])
    assert walk("ListTagsForResource", **arn)["tags"] == [{"Key": "owner", "Value": "me"}]

    assert walk.refused("GetRepositoryPolicy", **NAME)[0] == "RepositoryPolicyNotFoundException"
    code, text = walk.refused("SetRepositoryPolicy", **NAME, policyText="{}")
    assert code == "InvalidParameterException"
    assert "Invalid repository policy provided" in text
    walk("SetRepositoryPolicy", **NAME, policyText=json.dumps(ALLOW_PULLS))
    stored = json.loads(walk("GetRepositoryPolicy", **NAME)["policyText"])
    assert stored["Statement"][0]["Action"] == "ecr:BatchGetImage"
    stranger = Walk(Caller(walk.caller.url, Path(os.devnull)), "ecr", Path(os.devnull))
    asked = {**NAME, "registryId": walk.caller.account, "imageIds": [{"imageTag": "v1"}]}
    assert len(stranger("BatchGetImage", **asked)["images"]) == 1
    walk("DeleteRepositoryPolicy", **NAME)
    assert stranger.refused("BatchGetImage", **asked)[0] == "AccessDeniedException"

    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": stranger.caller.account},
        "Action": "ecr:ReplicateImage",
        "Resource": "*",
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    walk("PutRegistryPolicy", policyText=json.dumps(policy))
    assert stranger.caller.account in walk("GetRegistryPolicy")["policyText"]
    walk("DeleteRegistryPolicy")


def lifecycle(walk: Walk, old: Image, young: Image) -> None:
    walk("PutLifecyclePolicy", **NAME, lifecyclePolicyText=KEEP_ONE)
    assert json.loads(walk("GetLifecyclePolicy", **NAME)["lifecyclePolicyText"])
    assert walk("StartLifecyclePolicyPreview", **NAME)["status"] == "IN_PROGRESS"
    walk.caller.aws(
        *("ecr", "wait", "lifecycle-policy-preview-complete", "--repository-name", "team/app")
    )
    preview = walk("GetLifecyclePolicyPreview", **NAME)
    assert preview["summary"] == {"expiringImageTotalCount": 1}
    assert [item["imageDigest"] for item in preview["previewResults"]] == [old.manifest.digest]
    # Or it would come true.
    walk("DeleteLifecyclePolicy", **NAME)
    assert walk.refused("GetLifecyclePolicy", **NAME)[0] == "LifecyclePolicyNotFoundException"
    assert len(walk("ListImages", **NAME)["imageIds"]) == 2, young


def scanning(walk: Walk) -> None:
    assert walk.refused("DescribeImageScanFindings", **V1)[0] == "ScanNotFoundException"
    assert walk("StartImageScan", **V1)["imageScanStatus"] == {"status": "IN_PROGRESS"}
    walk.caller.aws(
        *("ecr", "wait", "image-scan-complete", "--repository-name", "team/app"),
        *("--image-id", "imageTag=v1"),
    )
    found = walk("DescribeImageScanFindings", **V1)["imageScanFindings"]
    assert found["findingSeverityCounts"] == {"CRITICAL": 1, "UNDEFINED": 1}
    assert found["findings"][0]["name"] == "CVE-2026-1001"

    on_push = walk(
        "PutImageScanningConfiguration", **NAME, imageScanningConfiguration={"scanOnPush": True}
    )
    assert on_push["imageScanningConfiguration"] == {"scanOnPush": True}
    of_some = {"repositoryNames": ["team/app", "missing"]}
    answer = walk("BatchGetRepositoryScanningConfiguration", **of_some)
    assert answer["scanningConfigurations"][0]["scanFrequency"] == "SCAN_ON_PUSH"
    assert answer["failures"][0]["failureCode"] == "REPOSITORY_NOT_FOUND"
    filters = [{"filter": "*", "filterType": "WILDCARD"}]
    rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": filters}]
    walk("PutRegistryScanningConfiguration", scanType="BASIC", rules=rules)
    assert walk("GetRegistryScanningConfiguration")["scanningConfiguration"]["rules"] == rules


def replication(walk: Walk, push: Callable[..., Image], uri: str) -> None:
    """What is pushed from now on is replicated; a backfill brings what was there before."""
    destination = {"region": "eu-west-1", "registryId": walk.caller.account}
    configuration = {"rules": [{"destinations": [destination]}]}
    walk("PutReplicationConfiguration", replicationConfiguration=configuration)
    assert walk("DescribeRegistry")["replicationConfiguration"] == configuration
    push(uri, "v3")
    asked = {**NAME, "imageId": {"imageTag": "v3"}}
    complete = {**destination, "status": "COMPLETE"}
    wait_for(
        lambda: walk("DescribeImageReplicationStatus", **asked)["replicationStatuses"] == [complete]
    )
    backfill = walk("StartReplicationBackfill", destination=destination)["replicationBackfillId"]
    of_it = {"replicationBackfillId": backfill}
    wait_for(lambda: walk("DescribeReplicationBackfillResults", **of_it)["status"] == "COMPLETE")
    code, _ = walk.refused("StopReplicationBackfill", **of_it)
    assert code == "ReplicationBackfillInvalidStatusException"
    (listed,) = walk("ListReplicationBackfills")["backfills"]
    assert listed["progress"]["failedReplicationCount"] == 0
    there = walk.caller.aws_json(
        *("ecr", "list-images", "--repository-name", "team/app", "--region", "eu-west-1")
    )
    assert [item["imageTag"] for item in there["imageIds"]] == ["v3", "v1", "v2"]


def wait_for(happened: Callable[[], bool]) -> None:
    for _ in range(50):
        if happened():
            return
        time.sleep(0.5)
    raise AssertionError("it did not happen")


def templates(walk: Walk, push: Callable[..., Image]) -> None:
    prefix = {"prefix": "prod"}
    created = walk(
        "CreateRepositoryCreationTemplate",
        **prefix,
        appliedFor=["CREATE_ON_PUSH"],
        description="made by a push",
    )["repositoryCreationTemplate"]
    assert created["imageTagMutability"] == "MUTABLE"
    walk("UpdateRepositoryCreationTemplate", **prefix, imageTagMutability="IMMUTABLE")
    (listed,) = walk("DescribeRepositoryCreationTemplates")["repositoryCreationTemplates"]
    assert (listed["prefix"], listed["description"]) == ("prod", "made by a push")
    push(f"{walk.caller.registry}/prod/app", "made")
    (made,) = walk("DescribeRepositories", repositoryNames=["prod/app"])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    walk("DeleteRepositoryCreationTemplate", **prefix)
    code, _ = walk.refused("DeleteRepositoryCreationTemplate", **prefix)
    assert code == "TemplateNotFoundException"


def pull_through_cache(walk: Walk, upstream: FakeUpstream, skopeo: Skopeo, tmp_path: Path) -> None:
    prefix = {"ecrRepositoryPrefix": "quay"}
    rule = walk("CreatePullThroughCacheRule", **prefix, upstreamRegistryUrl="quay.io")
    # A command that is older than a member of an answer leaves it out.
    assert rule.get("upstreamRegistry", "quay") == "quay"
    assert walk("ValidatePullThroughCacheRule", **prefix)["isValid"] is True
    (listed,) = walk("DescribePullThroughCacheRules")["pullThroughCacheRules"]
    assert listed["upstreamRegistryUrl"] == "quay.io"
    upstream.add("org/tool", make_image(1), "1")
    source = f"docker://{walk.caller.registry}/quay/org/tool:1"
    skopeo.copy(source, oci_layout(tmp_path / "cached", "1"))
    cached = walk("ListImages", repositoryName="quay/org/tool")["imageIds"]
    assert [item["imageTag"] for item in cached] == ["1"]
    secret = f"arn:aws:secretsmanager:us-east-1:{walk.caller.account}:secret:ecr-pullthroughcache/q"
    code, text = walk.refused("UpdatePullThroughCacheRule", **prefix, credentialArn=secret)
    assert "doesn't require authentication" in text
    walk("DeletePullThroughCacheRule", **prefix)
    code, _ = walk.refused("DeletePullThroughCacheRule", **prefix)
    assert code == "PullThroughCacheRuleNotFoundException"


def registry_settings(walk: Walk, push: Callable[..., Image], uri: str) -> None:
    setting = {"name": "BLOB_MOUNTING"}
    assert walk("PutAccountSetting", **setting, value="ENABLED")["value"] == "ENABLED"
    assert walk("GetAccountSetting", **setting)["value"] == "ENABLED"

    principal = {"principalArn": f"arn:aws:iam::{walk.caller.account}:role/scanner"}
    walk("RegisterPullTimeUpdateExclusion", **principal)
    excluded = walk("ListPullTimeUpdateExclusions")["pullTimeUpdateExclusions"]
    assert excluded == [principal["principalArn"]]
    walk("DeregisterPullTimeUpdateExclusion", **principal)

    code, _ = walk.refused("GetSigningConfiguration")
    assert code == "SigningConfigurationNotFoundException"
    profile = f"arn:aws:signer:us-east-1:{walk.caller.account}:/signing-profiles/release"
    signing = {"rules": [{"signingProfileArn": profile}]}
    walk("PutSigningConfiguration", signingConfiguration=signing)
    assert walk("GetSigningConfiguration")["signingConfiguration"] == signing
    push(uri, "signed")
    asked = {**NAME, "imageId": {"imageTag": "signed"}}
    wait_for(
        lambda: (
            [
                status["status"]
                for status in walk("DescribeImageSigningStatus", **asked)["signingStatuses"]
            ]
            == ["COMPLETE"]
        )
    )
    digest = walk("DescribeImageSigningStatus", **asked)["imageId"]["imageDigest"]
    (signature,) = walk("ListImageReferrers", **NAME, subjectId={"imageDigest": digest})[
        "referrers"
    ]
    assert signature["artifactType"] == "application/vnd.cncf.notary.signature"
    walk("DeleteSigningConfiguration")


def archive_and_restore(walk: Walk) -> None:
    archived = walk("UpdateImageStorageClass", **V1, targetStorageClass="ARCHIVE")
    assert archived["imageStatus"] == "ARCHIVED"
    (failure,) = walk("BatchGetImage", **NAME, imageIds=[V1["imageId"]])["failures"]
    assert failure["failureCode"] == "ImageInaccessible"
    restored = walk("UpdateImageStorageClass", **V1, targetStorageClass="STANDARD")
    assert restored["imageStatus"] == "ACTIVATING"


def delete(walk: Walk) -> None:
    code, text = walk.refused("DeleteRepository", **NAME)
    assert code == "RepositoryNotEmptyException"
    assert text.endswith("cannot be deleted because it still contains images")
    assert walk("DeleteRepository", **NAME, force=True)["repository"]["repositoryName"]
    code, _ = walk.refused("ListImages", **NAME)
    assert code == "RepositoryNotFoundException"


def test_forms_of_output(caller: Caller) -> None:
    caller.create_repository("team/app")
    caller.create_repository("team/web")

    def describe(*options: str) -> str:
        return caller.aws("ecr", "describe-repositories", *options)

    table = describe("--output", "table")
    assert "|                               DescribeRepositories" in table
    assert (
        f"||  repositoryArn      |  arn:aws:ecr:us-east-1:{caller.account}:repository/team/web"
        in table
    )
    lines = describe("--output", "text").splitlines()
    assert [line.split("\t")[0] for line in lines].count("REPOSITORIES") == 2
    names = describe("--query", "repositories[].[repositoryName]", "--output", "text")
    assert names.split() == ["team/app", "team/web"]
    newest = "max_by(repositories, &createdAt).repositoryName"
    assert json.loads(describe("--query", newest)) == "team/web"
    with pytest.raises(AwsError) as refused:
        caller.aws("ecr", "list-images", "--repository-name", "missing", "--output", "table")
    assert refused.value.status in REFUSED
    assert str(refused.value).removeprefix("aws: [ERROR]: ") == (
        "An error occurred (RepositoryNotFoundException) when calling the ListImages operation: "
        "The repository with name 'missing' does not exist in the registry with id "
        f"'{caller.account}'"
    )


@pytest.mark.usefixtures("skopeo_command")
def test_ecr_public(caller: Caller, docker: Docker, tmp_path: Path) -> None:
    walk = Walk(caller, "ecr-public", tmp_path)
    assert walk("DescribeRegistries") == {"registries": []}
    created = walk(
        "CreateRepository",
        **NAME,
        catalogData={"description": "An app", "operatingSystems": ["Linux"]},
        tags=[{"Key": "env", "Value": "dev"}],
    )
    assert created["catalogData"] == {"description": "An app", "operatingSystems": ["Linux"]}
    uri, arn = created["repository"]["repositoryUri"], created["repository"]["repositoryArn"]
    (registry,) = walk("DescribeRegistries")["registries"]
    assert uri == f"{registry['registryUri']}/team/app"
    public_images(walk, docker, uri, registry["aliases"][0]["name"])
    public_settings(walk, arn)

    code, _ = walk.refused("DeleteRepository", **NAME)
    assert code == "RepositoryNotEmptyException"
    walk("DeleteRepository", **NAME, force=True)
    assert walk("DescribeRepositories") == {"repositories": []}
    with pytest.raises(AwsError, match=r"\(UnsupportedCommandException\).* only supported in us-e"):
        caller.aws("ecr-public", "describe-repositories", "--region", "us-west-2")
    assert walk.walked == walk.by_command == set(described("ecr-public")["operations"])


def public_images(walk: Walk, docker: Docker, uri: str, alias: str) -> None:
    """Push with a login, pull with none, and look at what there is."""
    assert walk("GetAuthorizationToken")["authorizationData"]["authorizationToken"]
    # The one line that `docker login --password-stdin` reads.
    password = walk.caller.aws("ecr-public", "get-login-password")
    assert len(password.splitlines()) == 1
    docker.login(walk.caller.registry, password.strip())
    docker.build(f"{uri}:v1", layers=1)
    docker.push(f"{uri}:v1")
    pulled = anonymous_skopeo(
        walk.caller.url, "inspect", "--tls-verify=false", f"docker://{uri}:v1"
    )
    assert pulled.returncode == 0, pulled.stderr

    (tag,) = walk("DescribeImageTags", **NAME)["imageTagDetails"]
    digest = tag["imageDetail"]["imageDigest"]
    assert tag["imageTag"] == "v1"
    assert json.loads(pulled.stdout)["Digest"] == digest
    (detail,) = walk("DescribeImages", **NAME)["imageDetails"]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1"])

    upload = {**NAME, "uploadId": walk("InitiateLayerUpload", **NAME)["uploadId"]}
    walk("UploadLayerPart", **upload, partFirstByte=0, partLastByte=1, layerPartBlob=b"{}")
    walk("CompleteLayerUpload", **upload, layerDigests=[EMPTY.digest])
    (layer,) = walk("BatchCheckLayerAvailability", **NAME, layerDigests=[EMPTY.digest])["layers"]
    assert layer["layerAvailability"] == "AVAILABLE"
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/example",
        "config": EMPTY.descriptor(),
        "layers": [EMPTY.descriptor()],
    }
    put = walk(
        "PutImage", **NAME, registryId=alias, imageTag="v2", imageManifest=json.dumps(manifest)
    )
    assert put["image"]["imageId"]["imageTag"] == "v2"
    deleted = walk("BatchDeleteImage", **NAME, imageIds=[{"imageTag": "v2"}])
    assert deleted["failures"] == []


def public_settings(walk: Walk, arn: str) -> None:
    resource = {"resourceArn": arn}
    walk("TagResource", **resource, tags=[{"Key": "owner", "Value": "me"}])
    walk("UntagResource", **resource, tagKeys=["env"])
    assert walk("ListTagsForResource", **resource)["tags"] == [{"Key": "owner", "Value": "me"}]

    statement = {"Effect": "Allow", "Principal": "*", "Action": "ecr-public:PutImage"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    walk("SetRepositoryPolicy", **NAME, policyText=policy)
    assert "ecr-public:PutImage" in walk("GetRepositoryPolicy", **NAME)["policyText"]
    walk("DeleteRepositoryPolicy", **NAME)
    assert walk.refused("GetRepositoryPolicy", **NAME)[0] == "RepositoryPolicyNotFoundException"

    logo = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
    data = {"aboutText": "# About", "logoImageBlob": logo}
    shown = walk("PutRepositoryCatalogData", **NAME, catalogData=data)["catalogData"]
    assert shown["aboutText"] == "# About"
    assert walk("GetRepositoryCatalogData", **NAME)["catalogData"] == shown
    walk("PutRegistryCatalogData", displayName="Us")
    assert walk("GetRegistryCatalogData") == {"registryCatalogData": {"displayName": "Us"}}
