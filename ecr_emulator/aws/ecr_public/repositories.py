"""Repositories: create, describe, delete."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.repositories import find_repositories
from ecr_emulator.aws.ecr_public.catalog import catalog_data_input, catalog_data_output
from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.ecr_public.operation import operation
from ecr_emulator.aws.operation_calls import Params, tags_of
from ecr_emulator.registry.repository import Repository


@operation("CreateRepository")
def create_repository(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Create a repository, with its catalog data if there is any."""
    data, logo = catalog_data_input(params.get("catalogData") or {})
    repository, stored = context.registry.public_repositories.create(
        context.home,
        params["repositoryName"],
        tags=tags_of(params),
        catalog_data=data,
        logo=logo,
    )
    return {
        "repository": _repository(repository, context.registry_uri(repository.key.account)),
        "catalogData": catalog_data_output(context, stored),
    }


@operation("DescribeRepositories")
def describe_repositories(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Describe the repositories named, or all of them, a page at a time."""
    found, next_token = find_repositories(context, params)
    registry_uri = context.registry_uri(context.key(params).account)
    return {
        "repositories": [_repository(repository, registry_uri) for repository in found],
        "nextToken": next_token,
    }


@operation("DeleteRepository")
def delete_repository(context: EcrPublicContext, params: Params) -> dict[str, Any]:
    """Delete a repository, with what it holds if the call is forced."""
    repository = context.registry.repositories.delete(
        context.key(params), params["repositoryName"], force=params.get("force", False)
    )
    registry_uri = context.registry_uri(repository.key.account)
    return {"repository": _repository(repository, registry_uri)}


def _repository(repository: Repository, registry_uri: str | None) -> dict[str, Any]:
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.key.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{registry_uri}/{repository.name}",
        "createdAt": repository.created_at,
    }
