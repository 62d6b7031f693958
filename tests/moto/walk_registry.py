"""The walk through what a registry has as a whole: policy, replication, scanning, tokens."""

from __future__ import annotations

import json
from typing import Any

from tests.moto.recording import APART, Side
from tests.moto.walk_repositories import ACCOUNT, STRANGER

APP = {"repositoryName": "team/app"}


def registry_policy(side: Side) -> None:
    """The registry's policy."""
    side.call("registry-policy-none", "GetRegistryPolicy")
    side.call("registry-policy-delete-none", "DeleteRegistryPolicy")
    statement = {
        "Sid": "replication",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
        "Action": ["ecr:CreateRepository", "ecr:ReplicateImage"],
        "Resource": f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/*",
    }
    side.call("registry-policy-put", "PutRegistryPolicy", policyText=_policy(statement))
    stored = side.call("registry-policy-get", "GetRegistryPolicy")["policyText"]
    side.note("registry-policy-text", {"text": stored})
    side.call("registry-policy-delete", "DeleteRegistryPolicy")
    for step, action in (
        ("pull-through", "ecr:BatchImportUpstreamImage"),
        ("other-action", "ecr:DeleteRepository"),
        ("other-service", "s3:GetObject"),
    ):
        text = _policy({**statement, "Action": [action]})
        side.call(f"registry-policy-{step}", "PutRegistryPolicy", APART, policyText=text)
    side.call("registry-policy-no-json", "PutRegistryPolicy", APART, policyText="{")


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def replication(side: Side) -> None:
    """Replication configurations."""
    side.call("registry", "DescribeRegistry")
    here = {"region": "us-east-1", "registryId": ACCOUNT}
    there = {"region": "eu-west-1", "registryId": ACCOUNT}
    filtered = [{"filter": "team", "filterType": "PREFIX_MATCH"}]
    for step, rules in (
        ("elsewhere", [{"destinations": [there]}]),
        ("filtered", [{"destinations": [there], "repositoryFilters": filtered}]),
        ("to-itself", [{"destinations": [here]}]),
    ):
        side.call(
            f"replicate-{step}",
            "PutReplicationConfiguration",
            replicationConfiguration={"rules": rules},
        )
    side.call("registry-after", "DescribeRegistry")
    two: dict[str, Any] = {"rules": [{"destinations": [there]}] * 2}
    side.call("replicate-twice", "PutReplicationConfiguration", replicationConfiguration=two)
    nothing: dict[str, Any] = {"rules": []}
    side.call("replicate-nothing", "PutReplicationConfiguration", replicationConfiguration=nothing)


def scanning(side: Side) -> None:
    """Scanning configurations and scans."""
    side.call("scanning", "GetRegistryScanningConfiguration")
    filters = [{"filter": "team/*", "filterType": "WILDCARD"}]
    rule = {"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": filters}
    both = {"repositoryNames": ["team/app", "missing"]}
    side.call("scanning-of", "BatchGetRepositoryScanningConfiguration", **both)
    full = {"repositoryNames": ["full"]}
    side.call("scanning-of-full", "BatchGetRepositoryScanningConfiguration", **full)
    configure = "PutRegistryScanningConfiguration"
    side.call("scanning-put", configure, scanType="BASIC", rules=[rule])
    side.call("scanning-get", "GetRegistryScanningConfiguration")
    side.call("scanning-of-filtered", "BatchGetRepositoryScanningConfiguration", **both)
    side.call("scanning-put-nothing", configure, scanType="BASIC", rules=[])
    side.call("scanning-of-unfiltered", "BatchGetRepositoryScanningConfiguration", **both)
    often = {**rule, "scanFrequency": "CONTINUOUS_SCAN"}
    side.call("scanning-put-continuous", configure, APART, scanType="BASIC", rules=[often])
    side.call("scanning-put-twice", configure, APART, scanType="BASIC", rules=[rule, rule])
    on_push = {"imageScanningConfiguration": {"scanOnPush": True}}
    side.call("scan-on-push", "PutImageScanningConfiguration", **APP, **on_push)
    side.call(
        "scan-on-push-missing", "PutImageScanningConfiguration", repositoryName="missing", **on_push
    )
    tagged = {**APP, "imageId": {"imageTag": "v1"}}
    side.call("findings-none", "DescribeImageScanFindings", **tagged)
    side.call("scan", "StartImageScan", **tagged)
    side.call("scan-again", "StartImageScan", **tagged)
    side.finish_scans()
    side.call("findings", "DescribeImageScanFindings", **tagged)
    missing = {**APP, "imageId": {"imageTag": "missing"}}
    side.call("scan-missing", "StartImageScan", **missing)
    side.call("findings-missing", "DescribeImageScanFindings", **missing)


def tokens(side: Side) -> None:
    """Registry tokens."""
    (own,) = side.call("token", "GetAuthorizationToken")["authorizationData"]
    side.note("token-proxy-endpoint", {"scheme": own["proxyEndpoint"].partition(":")[0]})
    both = [ACCOUNT, STRANGER]
    side.call("token-of-two", "GetAuthorizationToken", registryIds=both)
