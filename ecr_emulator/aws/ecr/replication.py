"""Replication: the registry's configuration, and how it went for an image."""

from __future__ import annotations

from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import named_image
from ecr_emulator.registry.replication_rules import ReplicationRule


@operation("DescribeRegistry")
def describe_registry(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return the registry's settings, which are its replication configuration."""
    key = context.key(params)
    rules = context.registry.replication.get(key)
    return {"registryId": key.account, "replicationConfiguration": _configuration(rules)}


@operation("PutReplicationConfiguration")
def put_replication_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give the registry a replication configuration in place of the one it has."""
    rules = [_parse_rule(rule) for rule in params["replicationConfiguration"]["rules"]]
    context.registry.replication.put(context.key(params), rules)
    return {"replicationConfiguration": _configuration(rules)}


@operation("DescribeImageReplicationStatus")
def describe_image_replication_status(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return how the replication of an image to each destination went, or that it goes on."""
    asked, name = params["imageId"], params["repositoryName"]
    image, replications = context.registry.replication_log.of_image(
        context.key(params), name, named_image(asked)
    )
    return {
        "repositoryName": name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.get("imageTag")},
        "replicationStatuses": [
            {
                **destination_output(replication.destination),
                "status": replication.status,
                "failureCode": replication.failure_code,
            }
            for replication in replications
        ],
    }


def parse_destination(destination: dict[str, Any]) -> RegistryKey:
    """Return the registry that a ``ReplicationDestination`` names."""
    return RegistryKey(destination["registryId"], destination["region"])


def destination_output(key: RegistryKey) -> dict[str, Any]:
    """Return a registry as a ``ReplicationDestination``."""
    return {"region": key.region, "registryId": key.account}


def _parse_rule(rule: dict[str, Any]) -> ReplicationRule:
    filters, deletes = rule.get("repositoryFilters"), rule.get("deleteReplication")
    return ReplicationRule(
        destinations=tuple(parse_destination(item) for item in rule["destinations"]),
        prefixes=None if filters is None else tuple(item["filter"] for item in filters),
        deletes=None if deletes is None else deletes["enabled"],
    )


def _configuration(rules: list[ReplicationRule] | tuple[ReplicationRule, ...]) -> dict[str, Any]:
    return {"rules": [_rule(rule) for rule in rules]}


def _rule(rule: ReplicationRule) -> dict[str, Any]:
    output: dict[str, Any] = {
        "destinations": [destination_output(key) for key in rule.destinations]
    }
    if rule.prefixes is not None:
        output["repositoryFilters"] = [
            {"filter": prefix, "filterType": "PREFIX_MATCH"} for prefix in rule.prefixes
        ]
    if rule.deletes is not None:
        output["deleteReplication"] = {"enabled": rule.deletes}
    return output
