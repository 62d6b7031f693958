"""Pull-through cache rules: create, describe, update, delete, validate."""

from __future__ import annotations

from typing import Any

from ecr_emulator.arns import RegistryKey
from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.prefixes import path_of
from ecr_emulator.registry.pull_through_errors import UnsupportedUpstream
from ecr_emulator.registry.pull_through_rules import PullThroughRule


@operation("CreatePullThroughCacheRule")
def create_pull_through_cache_rule(context: EcrContext, params: Params) -> dict[str, Any]:
    """Create a rule that caches an upstream registry."""
    key = context.key(params)
    rule = context.registry.pull_through_rules.create(
        key,
        params["ecrRepositoryPrefix"],
        params["upstreamRegistryUrl"],
        upstream_registry=params.get("upstreamRegistry"),
        upstream_prefix=params.get("upstreamRepositoryPrefix"),
        credential_arn=params.get("credentialArn"),
        custom_role_arn=params.get("customRoleArn") or None,
    )
    return {
        **_members(key, rule),
        "upstreamRegistryUrl": rule.upstream_url,
        "upstreamRegistry": rule.upstream_registry,
        "createdAt": rule.created_at,
    }


@operation("DescribePullThroughCacheRules")
def describe_pull_through_cache_rules(context: EcrContext, params: Params) -> dict[str, Any]:
    """Describe the rules named, or all of them, a page at a time."""
    key = context.key(params)
    prefixes = params.get("ecrRepositoryPrefixes") or []
    bound_to = ("DescribePullThroughCacheRules", key.account, key.region, sorted(set(prefixes)))
    after = context.position(params, *bound_to) or ""
    limit = page_size(params)
    rules = (
        context.registry.pull_through_rules.named(key, prefixes)
        if prefixes
        else context.registry.pull_through_rules.all_of(key)
    )
    left = [rule for rule in rules if path_of(rule.prefix) > after]
    output: dict[str, Any] = {"pullThroughCacheRules": [_rule(key, rule) for rule in left[:limit]]}
    if len(left) > limit:
        output["nextToken"] = context.next_token(path_of(left[limit - 1].prefix), *bound_to)
    return output


@operation("UpdatePullThroughCacheRule")
def update_pull_through_cache_rule(context: EcrContext, params: Params) -> dict[str, Any]:
    """Give a rule other credentials."""
    key = context.key(params)
    try:
        rule = context.registry.pull_through_rules.update(
            key,
            params["ecrRepositoryPrefix"],
            credential_arn=params.get("credentialArn"),
            custom_role_arn=params.get("customRoleArn") or None,
        )
    except UnsupportedUpstream as error:
        # The operation does not model that exception; what it answers instead is likeliest.
        raise InvalidParameter(error.message) from None
    return {**_members(key, rule), "updatedAt": rule.updated_at}


@operation("DeletePullThroughCacheRule")
def delete_pull_through_cache_rule(context: EcrContext, params: Params) -> dict[str, Any]:
    """Delete a rule and return it; what it cached stays."""
    key = context.key(params)
    rule = context.registry.pull_through_rules.delete(key, params["ecrRepositoryPrefix"])
    return {
        **_members(key, rule),
        "upstreamRegistryUrl": rule.upstream_url,
        "createdAt": rule.created_at,
    }


@operation("ValidatePullThroughCacheRule")
def validate_pull_through_cache_rule(context: EcrContext, params: Params) -> dict[str, Any]:
    """Say whether a rule's upstream registry can be reached and lets the registry in."""
    key = context.key(params)
    rule, failure = context.registry.pull_through_validation.validate(
        key, params["ecrRepositoryPrefix"]
    )
    return {
        **_members(key, rule),
        "upstreamRegistryUrl": rule.upstream_url,
        "isValid": failure is None,
        "failure": failure,
    }


def _rule(key: RegistryKey, rule: PullThroughRule) -> dict[str, Any]:
    return {
        **_members(key, rule),
        "upstreamRegistryUrl": rule.upstream_url,
        "upstreamRegistry": rule.upstream_registry,
        "createdAt": rule.created_at,
        "updatedAt": rule.updated_at,
    }


def _members(key: RegistryKey, rule: PullThroughRule) -> dict[str, Any]:
    """Return the members that every output has."""
    return {
        "ecrRepositoryPrefix": rule.prefix,
        "registryId": key.account,
        "credentialArn": rule.credential_arn,
        "customRoleArn": rule.custom_role_arn,
        "upstreamRepositoryPrefix": rule.upstream_prefix,
    }
