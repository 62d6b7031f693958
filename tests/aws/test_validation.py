"""Inputs held against the model's constraints, and the words of each refusal."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator.aws import validation
from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.model import load_service

from .strategies import SERVICES, as_json, described, least, operation_names, shape_name, values

DIGEST = "sha256:" + "0" * 64
UPLOAD = "12345678-1234-1234-1234-123456789012"
PRIVATE_NAME = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
PUBLIC_NAME = r"(?:[a-z0-9]+(?:[._-][a-z0-9]+)*/)*[a-z0-9]+(?:[._-][a-z0-9]+)*"
PREFIX = r"^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\/?|ROOT)$"
UUID = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

# An input of each operation tried below that the model allows.
GOOD: dict[tuple[str, str], dict[str, Any]] = {
    ("ecr", "BatchGetImage"): {"repositoryName": "app", "imageIds": [{"imageTag": "latest"}]},
    ("ecr", "CompleteLayerUpload"): {
        "repositoryName": "app",
        "uploadId": UPLOAD,
        "layerDigests": [DIGEST],
    },
    ("ecr", "CreatePullThroughCacheRule"): {
        "ecrRepositoryPrefix": "hub",
        "upstreamRegistryUrl": "registry-1.docker.io",
    },
    ("ecr", "CreateRepository"): {"repositoryName": "app"},
    ("ecr", "CreateRepositoryCreationTemplate"): {"prefix": "ROOT", "appliedFor": ["REPLICATION"]},
    ("ecr", "DescribeImages"): {"repositoryName": "app"},
    ("ecr", "DescribeRepositories"): {},
    ("ecr", "GetAuthorizationToken"): {},
    ("ecr", "GetDownloadUrlForLayer"): {"repositoryName": "app", "layerDigest": DIGEST},
    ("ecr", "GetAccountSetting"): {"name": "BLOB_MOUNTING"},
    ("ecr", "ListReplicationBackfills"): {},
    ("ecr", "PutImage"): {"repositoryName": "app", "imageManifest": "{}"},
    ("ecr", "PutImageTagMutability"): {"repositoryName": "app", "imageTagMutability": "MUTABLE"},
    ("ecr", "PutLifecyclePolicy"): {"repositoryName": "app", "lifecyclePolicyText": "x" * 100},
    ("ecr", "PutRegistryScanningConfiguration"): {},
    ("ecr", "PutReplicationConfiguration"): {"replicationConfiguration": {"rules": []}},
    ("ecr", "TagResource"): {"resourceArn": "a", "tags": []},
    ("ecr", "UploadLayerPart"): {
        "repositoryName": "app",
        "uploadId": UPLOAD,
        "partFirstByte": 0,
        "partLastByte": 1,
        "layerPartBlob": b"ab",
    },
    ("ecr-public", "CreateRepository"): {"repositoryName": "app"},
    ("ecr-public", "InitiateLayerUpload"): {"repositoryName": "app"},
    ("ecr-public", "TagResource"): {"resourceArn": "a", "tags": []},
}


def check(service: str, operation: str, params: dict[str, Any]) -> None:
    load_service(service).operations[operation].validate(params)


def refusal(service: str, operation: str, changes: dict[str, Any]) -> AwsError:
    """Return the refusal of the good input with *changes*; None takes a member away."""
    params = {**GOOD[service, operation], **changes}
    params = {name: value for name, value in params.items() if value is not None}
    with pytest.raises(AwsError) as caught:
        check(service, operation, params)
    assert caught.value.status == 400
    assert caught.value.message_key == "message"
    return caught.value


@pytest.mark.parametrize(("service", "operation"), GOOD)
def test_the_inputs_that_are_spoiled_below_are_good(service: str, operation: str) -> None:
    check(service, operation, GOOD[service, operation])


def same(count: int, value: Any) -> list[Any]:
    return [value] * count


@pytest.mark.parametrize(
    ("service", "operation", "changes", "path", "constraint"),
    [
        # A repository's name, in words of its own.
        ("ecr", "CreateRepository", {"repositoryName": None}, "repositoryName", "must not be null"),
        (
            "ecr", "CreateRepository", {"repositoryName": "a"},
            "repositoryName", "must have length greater than or equal to 2",
        ),
        (
            "ecr", "CreateRepository", {"repositoryName": ""},
            "repositoryName", "must have length greater than or equal to 2",
        ),
        (
            "ecr", "CreateRepository", {"repositoryName": "a" * 257},
            "repositoryName", "must have length less than or equal to 256",
        ),
        (
            "ecr", "CreateRepository", {"repositoryName": "Team/App"},
            "repositoryName", f"must satisfy regular expression '{PRIVATE_NAME}'",
        ),
        (
            "ecr", "DescribeImages", {"repositoryName": "app\n"},
            "repositoryName", f"must satisfy regular expression '{PRIVATE_NAME}'",
        ),
        (
            "ecr-public", "CreateRepository", {"repositoryName": "a__b"},
            "repositoryName", f"must satisfy regular expression '{PUBLIC_NAME}'",
        ),
        (
            "ecr-public", "CreateRepository", {"repositoryName": "a" * 206},
            "repositoryName", "must have length less than or equal to 205",
        ),
        # The other members with words of their own.
        (
            "ecr", "CreateRepository", {"registryId": "12345678901"},
            "registryId", "must satisfy regular expression '[0-9]{12}'",
        ),
        (
            "ecr", "CreateRepository", {"registryId": "١٢٣٤٥٦٧٨٩٠١٢"},
            "registryId", "must satisfy regular expression '[0-9]{12}'",
        ),
        (
            "ecr-public", "InitiateLayerUpload", {"registryId": "a"},
            "registryId", "must have length greater than or equal to 2",
        ),
        (
            "ecr", "UploadLayerPart", {"uploadId": "x"},
            "uploadId", f"must satisfy regular expression '{UUID}'",
        ),
        (
            "ecr", "GetDownloadUrlForLayer", {"layerDigest": "sha256"},
            "layerDigest", "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        # Other scalars.
        (
            "ecr", "DescribeRepositories", {"maxResults": 1001},
            "maxResults", "Member must have value less than or equal to 1000",
        ),
        (
            "ecr", "DescribeRepositories", {"maxResults": 0},
            "maxResults", "Member must have value greater than or equal to 1",
        ),
        (
            "ecr", "UploadLayerPart", {"partFirstByte": -1},
            "partFirstByte", "Member must have value greater than or equal to 0",
        ),
        (
            "ecr", "UploadLayerPart", {"layerPartBlob": b"x" * 20971521},
            "layerPartBlob", "Member must have length less than or equal to 20971520",
        ),
        (
            "ecr", "UploadLayerPart", {"layerPartBlob": None},
            "layerPartBlob", "Member must not be null",
        ),
        (
            "ecr", "PutImageTagMutability", {"imageTagMutability": "SOMETIMES"},
            "imageTagMutability",
            "Member must satisfy enum value set: "
            "[IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]",
        ),
        (
            "ecr", "PutImageTagMutability", {"imageTagMutability": None},
            "imageTagMutability", "Member must not be null",
        ),
        (
            "ecr", "PutImage", {"imageTag": ""},
            "imageTag", "Member must have length greater than or equal to 1",
        ),
        (
            "ecr", "PutImage", {"imageTag": "x" * 301},
            "imageTag", "Member must have length less than or equal to 300",
        ),
        (
            "ecr", "PutLifecyclePolicy", {"lifecyclePolicyText": "{}"},
            "lifecyclePolicyText", "Member must have length greater than or equal to 100",
        ),
        (
            "ecr", "CreatePullThroughCacheRule", {"ecrRepositoryPrefix": "Hub"},
            "ecrRepositoryPrefix", f"Member must satisfy regular expression pattern: {PREFIX}",
        ),
        (
            "ecr", "CreatePullThroughCacheRule", {"upstreamRegistry": "mine"},
            "upstreamRegistry",
            "Member must satisfy enum value set: [ecr, ecr-public, quay, k8s, docker-hub, "
            "github-container-registry, azure-container-registry, gitlab-container-registry, "
            "chainguard]",
        ),
        # Lists, and their members.
        (
            "ecr", "BatchGetImage", {"imageIds": []},
            "imageIds", "Member must have length greater than or equal to 1",
        ),
        (
            "ecr", "BatchGetImage", {"imageIds": same(101, {})},
            "imageIds", "Member must have length less than or equal to 100",
        ),
        (
            "ecr", "BatchGetImage", {"imageIds": [{}, {"imageTag": ""}]},
            "imageIds.2.member.imageTag", "Member must have length greater than or equal to 1",
        ),
        (
            "ecr", "GetAuthorizationToken", {"registryIds": ["123456789012", "1"]},
            "registryIds",
            "Member must satisfy constraint: "
            "[Member must satisfy regular expression pattern: [0-9]{12}]",
        ),
        (
            "ecr", "DescribeRepositories", {"repositoryNames": ["app", "x"]},
            "repositoryNames",
            "Member must satisfy constraint: [Member must have length less than or equal to 256, "
            "Member must have length greater than or equal to 2, "
            f"Member must satisfy regular expression pattern: {PRIVATE_NAME}]",
        ),
        (
            "ecr", "CompleteLayerUpload", {"layerDigests": ["x"]},
            "layerDigests",
            "Member must satisfy constraint: "
            "[Member must satisfy regular expression pattern: [a-zA-Z0-9-_+.]+:[a-fA-F0-9]+]",
        ),
        # Structures, and structures in lists.
        (
            "ecr", "CreateRepository", {"encryptionConfiguration": {}},
            "encryptionConfiguration.encryptionType", "Member must not be null",
        ),
        (
            "ecr", "CreateRepository",
            {"encryptionConfiguration": {"encryptionType": "KMS", "kmsKey": ""}},
            "encryptionConfiguration.kmsKey", "Member must have length greater than or equal to 1",
        ),
        (
            "ecr", "CreateRepository",
            {"imageTagMutabilityExclusionFilters": [{"filterType": "WILDCARD", "filter": "a b"}]},
            "imageTagMutabilityExclusionFilters.1.member.filter",
            "Member must satisfy regular expression pattern: ^[0-9a-zA-Z._*-]{1,128}$",
        ),
        (
            "ecr", "CreateRepository", {"tags": [{"Key": "a", "Value": "b"}, {"Value": "b"}]},
            "tags.2.member.key", "Member must not be null",
        ),
        (
            "ecr", "TagResource", {"tags": [{"Key": "a"}]},
            "tags.1.member.value", "Member must not be null",
        ),
        (
            "ecr-public", "TagResource", {"tags": [{"Key": "a" * 129}]},
            "tags.1.member.key", "Member must have length less than or equal to 128",
        ),
        (
            "ecr", "DescribeImages", {"filter": {"tagStatus": "SOME"}},
            "filter.tagStatus", "Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]",
        ),
        # Of several, the first in the model's order.
        (
            "ecr", "CreateRepository",
            {"imageTagMutability": "x", "repositoryName": "A", "registryId": "x", "tags": [{}]},
            "registryId", "must satisfy regular expression '[0-9]{12}'",
        ),
        (
            "ecr", "BatchGetImage", {"imageIds": same(101, {"imageTag": ""})},
            "imageIds", "Member must have length less than or equal to 100",
        ),
    ],
)  # fmt: skip
def test_a_broken_constraint_is_an_invalid_parameter(
    service: str, operation: str, changes: dict[str, Any], path: str, constraint: str
) -> None:
    error = refusal(service, operation, changes)
    assert error.code == "InvalidParameterException"
    assert error.message == (
        f"Invalid parameter at '{path}' failed to satisfy constraint: '{constraint}'"
    )


@pytest.mark.parametrize(
    ("operation", "changes", "message"),
    [
        (
            "GetAccountSetting", {"name": None},
            "1 validation error detected: Value null at 'name' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            "GetAccountSetting", {"name": ""},
            "1 validation error detected: Value '' at 'name' "
            "failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            "CreateRepositoryCreationTemplate", {"prefix": "Root"},
            "1 validation error detected: Value 'Root' at 'prefix' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {PREFIX}",
        ),
        (
            "CreateRepositoryCreationTemplate", {"prefix": "", "appliedFor": ["PUSH", "PULL"]},
            "3 validation errors detected: "
            "Value '' at 'prefix' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1; "
            "Value '' at 'prefix' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {PREFIX}; "
            "Value '[PUSH, PULL]' at 'appliedFor' failed to satisfy constraint: "
            "Member must satisfy constraint: [Member must satisfy enum value set: "
            "[REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH]]",
        ),
        (
            # Too long a text is not put to the pattern.
            "CreateRepositoryCreationTemplate", {"prefix": "A" * 257},
            f"1 validation error detected: Value '{'A' * 257}' at 'prefix' "
            "failed to satisfy constraint: Member must have length less than or equal to 256",
        ),
        (
            "ListReplicationBackfills", {"maxResults": 51, "registryId": "1"},
            "2 validation errors detected: Value '1' at 'registryId' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [0-9]{12}; "
            "Value '51' at 'maxResults' failed to satisfy constraint: "
            "Member must have value less than or equal to 50",
        ),
        (
            "PutReplicationConfiguration",
            {"replicationConfiguration": {"rules": [{"destinations": []}, {"destinations": [
                {"region": "eu-west-1"}, {"region": "x", "registryId": "123456789012"}]}]}},
            "3 validation errors detected: Value null at "
            "'replicationConfiguration.rules.2.member.destinations.1.member.registryId' "
            "failed to satisfy constraint: Member must not be null; "
            "Value 'x' at 'replicationConfiguration.rules.2.member.destinations.2.member.region' "
            "failed to satisfy constraint: Member must have length greater than or equal to 2; "
            "Value 'x' at 'replicationConfiguration.rules.2.member.destinations.2.member.region' "
            "failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [0-9a-z-]{2,25}",
        ),
        (
            "PutReplicationConfiguration", {"replicationConfiguration": {"rules": [
                {"destinations": [], "repositoryFilters": []}]}},
            "1 validation error detected: Value '[]' at "
            "'replicationConfiguration.rules.1.member.repositoryFilters' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1",
        ),
    ],
)  # fmt: skip
def test_newer_operations_count_all_that_is_broken(
    operation: str, changes: dict[str, Any], message: str
) -> None:
    error = refusal("ecr", operation, changes)
    assert (error.code, error.message) == ("ValidationException", message)


def test_the_count_is_bounded() -> None:
    changes = {"resourceTags": same(10_000, {})}
    error = refusal("ecr", "CreateRepositoryCreationTemplate", changes)
    assert error.message is not None
    assert error.message.startswith("100 validation errors detected: ")
    assert error.message.count("Member must not be null") == 100


def test_a_list_of_structures_is_shown_whole() -> None:
    rules = same(26, {"destinations": [{"region": "eu-west-1", "registryId": "123456789012"}]})
    error = refusal(
        "ecr", "PutReplicationConfiguration", {"replicationConfiguration": {"rules": rules}}
    )
    rule = "{destinations=[{region=eu-west-1, registryId=123456789012}]}"
    assert error.message == (
        f"1 validation error detected: Value '[{', '.join(same(26, rule))}]' at "
        "'replicationConfiguration.rules' failed to satisfy constraint: "
        "Member must have length less than or equal to 25"
    )


def test_lengths_are_of_characters_not_of_bytes() -> None:
    check("ecr", "PutImage", {**GOOD["ecr", "PutImage"], "imageTag": "\U0001f600" * 300})
    check("ecr", "GetAccountSetting", {"name": "é" * 64})


@pytest.mark.parametrize("name", ["a__b", "a--b", "a---b/c.d_e", "0/1", "ab" * 128])
def test_names_are_matched_by_the_current_pattern(name: str) -> None:
    check("ecr", "CreateRepository", {"repositoryName": name})


@pytest.mark.parametrize(
    "name", ["a___b", "a_-b", "_a", "a_", "a//b", "a..b", "/ab", "ab/", "Ab", "a b", "ab\n", "aé"]
)
def test_other_names_are_not(name: str) -> None:
    refusal("ecr", "CreateRepository", {"repositoryName": name})


def test_what_is_not_ascii_is_no_word_character() -> None:
    arn = "arn:aws:iam::123456789012:role/{}"
    check("ecr", "RegisterPullTimeUpdateExclusion", {"principalArn": arn.format("build_1")})
    with pytest.raises(AwsError, match="Member must satisfy regular expression pattern"):
        check("ecr", "RegisterPullTimeUpdateExclusion", {"principalArn": arn.format("é")})


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_a_refusal_is_an_error_that_the_operation_models(service: str, operation: str) -> None:
    counted = operation in validation.COUNTED_FORM
    code = "ValidationException" if counted else "InvalidParameterException"
    constrained = described(service)["shapes"][shape_name(service, operation, "input")]["members"]
    assert not constrained or code in load_service(service).operations[operation].errors


def test_the_tables_speak_of_what_there_is() -> None:
    names = {name for service, name in operation_names() if service == "ecr"}
    assert names >= validation.COUNTED_FORM
    shapes = [shape for service in SERVICES for shape in described(service)["shapes"].values()]
    patterns = {shape["pattern"] for shape in shapes if "pattern" in shape}
    assert patterns >= validation.PRINTED_PATTERNS.keys()
    assert patterns >= validation.SAFE_PATTERNS.keys()
    enums = {frozenset(shape["enum"]) for shape in shapes if "enum" in shape}
    assert enums >= set(map(frozenset, validation.PRINTED_ENUMS))
    members = {name for shape in shapes for name in shape.get("members", ())}
    assert members >= validation.OWN_WORDS


def test_a_constraint_within_a_map_is_refused_at_compile_time() -> None:
    shapes = {
        "Input": {"type": "structure", "members": {"labels": {"shape": "Labels"}}},
        "Labels": {"type": "map", "key": {"shape": "Key"}, "value": {"shape": "Value"}, "max": 1},
        "Key": {"type": "string"},
        "Value": {"type": "string"},
    }
    validate = validation.compile_validator(shapes, "Do", "Input")
    validate({"labels": {"a": "b"}})
    with pytest.raises(AwsError, match="Member must have length less than or equal to 1"):
        validate({"labels": {"a": "b", "c": "d"}})
    shapes["Key"]["min"] = 1
    with pytest.raises(ValueError, match="within maps"):
        validation.compile_validator(shapes, "Do", "Input")


@settings(deadline=None)
@given(st.data())
def test_every_good_input_is_read_as_it_was_meant_and_passes(data: st.DataObject) -> None:
    service, name = data.draw(st.sampled_from(operation_names()))
    meant = data.draw(values(service, shape_name(service, name, "input")))
    operation = load_service(service).operations[name]
    assert operation.parse(json.dumps(as_json(meant)).encode()) == meant
    operation.validate(meant)


@pytest.mark.parametrize(("service", "operation"), operation_names())
def test_each_required_member_is_asked_for_in_turn(service: str, operation: str) -> None:
    shape = described(service)["shapes"][shape_name(service, operation, "input")]
    params: dict[str, Any] = {}
    for member, reference in shape["members"].items():
        if member in shape.get("required", ()):
            with pytest.raises(AwsError, match=f"at '{member}' failed .*must not be null"):
                check(service, operation, params)
            params[member] = least(service, reference["shape"])
    check(service, operation, params)


# Patterns that could be matched in exponential time.

SEPARATORS_ALONE = r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$"


def test_the_safe_pattern_is_equal_to_the_models_on_all_short_texts() -> None:
    model, safe = map(re.compile, (SEPARATORS_ALONE, validation.SAFE_PATTERNS[SEPARATORS_ALONE]))
    for length in range(7):
        for signs in itertools.product("a*.-/!", repeat=length):
            text = "".join(signs)
            assert bool(model.fullmatch(text)) == bool(safe.fullmatch(text)), text


@given(st.text("az09*._-/ \n", max_size=16))
def test_the_safe_pattern_is_equal_to_the_models(text: str) -> None:
    safe = validation.SAFE_PATTERNS[SEPARATORS_ALONE]
    assert bool(re.fullmatch(SEPARATORS_ALONE, text)) == bool(re.fullmatch(safe, text))


# Every pattern of both models (also those of answers: a later model may use them for inputs)
# against repetitions that end in a sign which none allows. An exponential one would take longer
# than the universe has, so the generous limit is no measure of speed.
ATTACK = """
import itertools
from botocore.loaders import Loader
from ecr_emulator.aws.validation import _matcher

heads = ["", "a", "-", "arn:aws", "arn:aws:secretsmanager:", "arn:aws:iam::123456789012:role/",
         "arn:aws:secretsmanager:a:1:secret:ecr-pullthroughcache/",
         "arn:aws:kms:a:123456789012:key/", "arn:aws:signer:a:123456789012:/signing-profiles/"]
signs = "a0_-./:*"
pumps = ["".join(p) for size in (1, 2) for p in itertools.product(signs, repeat=size)]
pumps += ["a.a/", "a-a/", "a__b"]
count = 0
for service in ("ecr", "ecr-public"):
    for shape in Loader().load_service_model(service, "service-2")["shapes"].values():
        if "pattern" in shape:
            matches = _matcher(shape["pattern"])
            size = min(shape.get("max", 4096), 4096)
            for head in heads:
                for pump in pumps:
                    for tail in ("!", "", "\\n"):
                        text = head + pump * (size // len(pump))
                        matches(text[: size - len(tail)] + tail)
                        count += 1
print(count)
"""


def test_no_pattern_takes_exponential_time() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ATTACK], capture_output=True, text=True, timeout=300, check=True
    )
    assert int(done.stdout) > 10_000
