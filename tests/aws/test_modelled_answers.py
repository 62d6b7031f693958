"""What every operation answers alike: values that its model does not allow, and faults of ours.

Also members of answers that no family's own tests have a reason to look at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from ecr_emulator.aws.model import load_service
from ecr_emulator.aws.operations import Operations
from ecr_emulator.aws.validation import COUNTED_FORM
from tests.aws.strategies import as_json, described, full, least, operation_names, shape_name
from tests.support.app import ACCOUNT, REGION, App, app, ecr, oci
from tests.support.images import make_image
from tests.support.prepared import ELSEWHERE, LIFECYCLE, Prepared
from tests.support.proofs import SERVED
from tests.support.public import push_layers

__all__ = ["app", "ecr", "oci"]

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/cache"


def call(app: App, service: str, operation: str, params: dict[str, Any]) -> tuple[int, Any]:
    target = load_service(service).target_prefix
    return app.call(operation, as_json(params), target=target, service=service)


def outside(shape: dict[str, Any]) -> Iterator[Any]:
    """Yield a value that is of the shape's type and breaks its constraint, if it has one."""
    kind = shape["type"]
    if kind == "string" and "enum" in shape:
        yield "NO_SUCH_VALUE"
    elif kind == "string" and "pattern" in shape:
        yield "\n" * max(1, shape.get("min", 1))
    elif kind in ("string", "list", "blob") and shape.get("min"):
        yield {"string": "", "list": [], "blob": b""}[kind]
    elif kind == "string" and "max" in shape:
        yield "x" * (shape["max"] + 1)
    elif kind in ("integer", "long") and "min" in shape:
        yield shape["min"] - 1


def broken_inputs() -> Iterator[Any]:
    """Yield a value that its model does not allow for each member of each operation's input."""
    for service, operation in operation_names():
        shapes = described(service)["shapes"]
        members = shapes[shape_name(service, operation, "input")]["members"]
        for member, reference in members.items():
            for value in outside(shapes[reference["shape"]]):
                name = f"{service}-{operation}-{member}"
                yield pytest.param(service, operation, member, value, id=name)


@pytest.mark.parametrize(("service", "operation", "member", "value"), list(broken_inputs()))
def test_a_value_that_the_model_does_not_allow(
    app: App, service: str, operation: str, member: str, value: Any
) -> None:
    good = least(service, shape_name(service, operation, "input"))
    status, answer = call(app, service, operation, {**good, member: value})
    form = "ValidationException" if operation in COUNTED_FORM else "InvalidParameterException"
    assert (status, answer["__type"]) == (400, form)
    assert answer.keys() == {"__type", "message"}
    assert "failed to satisfy constraint" in answer["message"]
    assert form in load_service(service).operations[operation].errors


def patterns(service: str, shape: str) -> Iterator[str]:
    """Yield the pattern of each text in a shape."""
    described_shape = described(service)["shapes"][shape]
    for reference in (
        *described_shape.get("members", {}).values(),
        *(described_shape[part] for part in ("member", "key", "value") if part in described_shape),
    ):
        yield from patterns(service, reference["shape"])
    if described_shape["type"] == "string" and "pattern" in described_shape:
        yield described_shape["pattern"]


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_a_pattern_takes_no_nul(service: str, operation: str) -> None:
    """So what has one is refused for its pattern; other texts, by the parser."""
    for pattern in patterns(service, shape_name(service, operation, "input")):
        allows = re.compile(pattern, re.ASCII).fullmatch
        assert not any(map(allows, ["\0", "a\0", "\0a", "a\0a"])), pattern


def test_a_nul_in_free_text(app: App, ecr: Any) -> None:
    ecr.create_repository(repositoryName="app")
    for operation, params in [
        (
            "CreateRepositoryCreationTemplate",
            {"prefix": "app", "appliedFor": ["REPLICATION"], "description": "of \0"},
        ),
        ("PutImage", {"repositoryName": "app", "imageManifest": "{}\0"}),
    ]:
        assert call(app, "ecr", operation, params) == (400, {"__type": "SerializationException"})
    answer = call(app, "ecr", "ListImages", {"repositoryName": "app\0"})
    assert answer[1]["__type"] == "InvalidParameterException"


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_a_fault_of_ours(
    app: App, monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    def fail(context: object, params: object) -> dict[str, Any]:
        raise RuntimeError("to be seen in the log alone")

    monkeypatch.setattr(Operations, "handler", lambda self, name: fail)
    given = least(service, shape_name(service, operation, "input"))
    assert call(app, service, operation, given) == (500, {"__type": "ServerException"})
    assert SERVED[service].service.operations[operation].errors["ServerException"] == 500


def test_every_member_of_enhanced_findings(app: App, ecr: Any, oci: Any) -> None:
    ecr.put_registry_scanning_configuration(
        scanType="ENHANCED",
        rules=[
            {
                "scanFrequency": "SCAN_ON_PUSH",
                "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
            }
        ],
    )
    ecr.create_repository(repositoryName="app")
    image = make_image()
    oci.push("app", image, "v1")
    finding = full("ecr", "EnhancedImageScanFinding")
    body = {
        "account": ACCOUNT,
        "region": REGION,
        "repositoryName": "app",
        "imageDigest": image.manifest.digest,
        "enhancedFindings": [_with_times_as_text(finding)],
    }
    pinned = app.request(
        "PUT",
        "/_emulator/scan-findings",
        json.dumps(body).encode(),
        environ={"REMOTE_ADDR": "127.0.0.1"},
    )
    assert pinned.status_code == 200, pinned.text
    answer = ecr.describe_image_scan_findings(repositoryName="app", imageId={"imageTag": "v1"})
    assert answer["imageScanFindings"]["enhancedFindings"] == [finding]


def _with_times_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _with_times_as_text(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_times_as_text(item) for item in value]
    return value.astimezone(timezone.utc).isoformat() if isinstance(value, datetime) else value


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    """An emulator with something of everything in it."""
    made = Prepared(tmp_path_factory.mktemp("prepared") / "data")
    yield made
    made.close()


NAME = {"repositoryName": "team/app"}
IMAGE = {**NAME, "imageId": {"imageTag": "v1"}}
DESTINATION = {"region": ELSEWHERE, "registryId": ACCOUNT}
#: Calls with the least that they take; what is written in braces is the prepared emulator's.
LEAST: list[tuple[str, str, dict[str, Any]]] = [
    ("ecr", "BatchCheckLayerAvailability", {**NAME, "layerDigests": ["{layerDigest}"]}),
    ("ecr", "BatchDeleteImage", {**NAME, "imageIds": [{"imageTag": "v2"}]}),
    ("ecr", "BatchGetImage", {**NAME, "imageIds": [{"imageTag": "v1"}]}),
    ("ecr", "DeleteLifecyclePolicy", NAME),
    ("ecr", "DeletePullThroughCacheRule", {"ecrRepositoryPrefix": "mirror"}),
    ("ecr", "DeleteRepository", {"repositoryName": "empty"}),
    ("ecr", "DeleteRepositoryPolicy", NAME),
    ("ecr", "DescribeImageReplicationStatus", IMAGE),
    ("ecr", "DescribeImageScanFindings", IMAGE),
    ("ecr", "DescribeImageSigningStatus", IMAGE),
    ("ecr", "DescribeImages", NAME),
    (
        "ecr",
        "DescribeReplicationBackfillResults",
        {"replicationBackfillId": "{replicationBackfillId}"},
    ),
    ("ecr", "GetDownloadUrlForLayer", {**NAME, "layerDigest": "{layerDigest}"}),
    ("ecr", "GetLifecyclePolicyPreview", NAME),
    ("ecr", "PutLifecyclePolicy", {**NAME, "lifecyclePolicyText": json.dumps(LIFECYCLE)}),
    ("ecr", "StartImageScan", {**NAME, "imageId": {"imageTag": "v2"}}),
    ("ecr", "StartLifecyclePolicyPreview", NAME),
    ("ecr", "StartReplicationBackfill", {"destination": DESTINATION}),
    ("ecr", "UpdateImageStorageClass", {**IMAGE, "targetStorageClass": "ARCHIVE"}),
    ("ecr-public", "DeleteRepositoryPolicy", NAME),
    ("ecr-public", "DescribeImages", NAME),
    ("ecr-public", "GetRepositoryPolicy", NAME),
]


@pytest.mark.of_sqlite
@pytest.mark.parametrize(
    ("service", "operation", "params"), [pytest.param(*row, id="-".join(row[:2])) for row in LEAST]
)
def test_the_callers_own_registry_need_not_be_named(
    prepared: Prepared, service: str, operation: str, params: dict[str, Any]
) -> None:
    text = json.dumps(params)
    for member in ("layerDigest", "replicationBackfillId"):
        known = prepared.known[service][member]
        text = text.replace(f"{{{member}}}", known[0] if known else "")
    answers = []
    for more in ({}, {"registryId": ACCOUNT}):
        status, answer = call(prepared.app, service, operation, {**json.loads(text), **more})
        prepared.restore()
        assert status == 200, answer
        assert answer.get("registryId", ACCOUNT) == ACCOUNT
        answers.append(answer)
    assert answers[0].keys() == answers[1].keys()


@pytest.mark.of_sqlite
def test_a_backfill_stopped_in_the_registry_that_is_named(prepared: Prepared) -> None:
    status, started = call(
        prepared.app, "ecr", "StartReplicationBackfill", {"destination": DESTINATION}
    )
    named = {
        "registryId": ACCOUNT,
        "replicationBackfillId": started["replicationBackfillId"],
    }
    stopped = call(prepared.app, "ecr", "StopReplicationBackfill", named)
    prepared.restore()
    assert (status, stopped[0]) == (200, 200)
    assert stopped[1]["replicationBackfillId"] == started["replicationBackfillId"]


def test_a_public_image_put_with_its_manifest_alone(app: App) -> None:
    public = app.ecr(service="ecr-public")
    public.create_repository(repositoryName="app")
    image = make_image(1, 100)
    push_layers(public, "app", image)
    answer = public.put_image(repositoryName="app", imageManifest=image.manifest.data.decode())
    assert answer["image"]["imageId"] == {"imageDigest": image.manifest.digest}


def test_what_is_deleted_is_told_whole(ecr: Any) -> None:
    rule = {
        "ecrRepositoryPrefix": "team",
        "upstreamRegistryUrl": f"210987654321.dkr.ecr.{REGION}.amazonaws.com",
        "customRoleArn": ROLE,
        "upstreamRepositoryPrefix": "shared",
    }
    created = ecr.create_pull_through_cache_rule(**rule)
    deleted = ecr.delete_pull_through_cache_rule(ecrRepositoryPrefix="team")
    assert {name: deleted[name] for name in rule} == rule
    assert deleted["createdAt"] == created["createdAt"]

    repository = ecr.create_repository(
        repositoryName="app",
        imageTagMutability="MUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "v*"}],
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": KEY},
    )["repository"]
    assert ecr.delete_repository(repositoryName="app")["repository"] == repository


def test_a_public_repository_with_a_logo(app: App) -> None:
    public = app.ecr(service="ecr-public")
    created = public.create_repository(
        repositoryName="app", catalogData={"logoImageBlob": b"\x89PNG\r\n\x1a\n"}
    )
    stored = public.get_repository_catalog_data(repositoryName="app")
    assert created["catalogData"]["logoUrl"] == stored["catalogData"]["logoUrl"]
