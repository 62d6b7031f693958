"""Managed signing: the registry's configuration, and how it went for an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import named_image
from ecr_emulator.registry.signing_rules import SigningRule


@operation("PutSigningConfiguration")
def put_signing_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give the registry a signing configuration in place of the one it has."""
    rules = [_parse_rule(rule) for rule in params["signingConfiguration"]["rules"]]
    context.registry.signing.put(context.key(params), rules)
    return {"signingConfiguration": _configuration(rules)}


@operation("GetSigningConfiguration")
def get_signing_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return the registry's signing configuration."""
    key = context.key(params)
    rules = context.registry.signing.get(key)
    return {"registryId": key.account, "signingConfiguration": _configuration(rules)}


@operation("DeleteSigningConfiguration")
def delete_signing_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Remove the registry's signing configuration and return it."""
    key = context.key(params)
    rules = context.registry.signing.delete(key)
    return {"registryId": key.account, "signingConfiguration": _configuration(rules)}


@operation("DescribeImageSigningStatus")
def describe_image_signing_status(context: EcrContext, params: Params) -> dict[str, Any]:
    """Return how the signing of an image by each profile went, or that it goes on."""
    key, name, asked = context.key(params), params["repositoryName"], params["imageId"]
    image, statuses = context.registry.signing_log.of_image(key, name, named_image(asked))
    return {
        "repositoryName": name,
        "imageId": {"imageDigest": image.digest, "imageTag": asked.get("imageTag")},
        "registryId": key.account,
        "signingStatuses": [
            {
                "signingProfileArn": status.profile_arn,
                "failureCode": status.failure_code,
                "failureReason": status.failure_reason,
                "status": status.status,
            }
            for status in statuses
        ],
    }


def _parse_rule(rule: dict[str, Any]) -> SigningRule:
    filters = rule.get("repositoryFilters")
    return SigningRule(
        rule["signingProfileArn"],
        None if filters is None else tuple(item["filter"] for item in filters),
    )


def _configuration(rules: Sequence[SigningRule]) -> dict[str, Any]:
    return {"rules": [_rule(rule) for rule in rules]}


def _rule(rule: SigningRule) -> dict[str, Any]:
    output: dict[str, Any] = {"signingProfileArn": rule.profile_arn}
    if rule.filters is not None:
        output["repositoryFilters"] = [
            {"filter": pattern, "filterType": "WILDCARD_MATCH"} for pattern in rule.filters
        ]
    return output
