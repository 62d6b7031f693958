"""Repositories: create, describe, delete, settings."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size, refuse_paging_with
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.operation_calls import CallContext, tags_of
from ecr_emulator.registry.errors import KmsFailure
from ecr_emulator.registry.repositories import AES256, Encryption
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.tag_mutability import TagMutability, tag_mutability

_FILTERS = "imageTagMutabilityExclusionFilters"


@operation("CreateRepository")
def create_repository(context: EcrContext, params: Params) -> dict[str, Any]:
    """Create a repository."""
    encryption = params.get("encryptionConfiguration") or {}
    repository = context.registry.repositories.create(
        context.key(params),
        params["repositoryName"],
        tags=tags_of(params),
        tag_mutability=_tag_mutability(params),
        scan_on_push=_scan_on_push(params),
        encryption=Encryption(encryption.get("encryptionType", AES256), encryption.get("kmsKey")),
    )
    return {"repository": _repository(context, repository)}


@operation("DescribeRepositories")
def describe_repositories(context: EcrContext, params: Params) -> dict[str, Any]:
    """Describe the repositories named, or all of them, a page at a time."""
    found, next_token = find_repositories(context, params)
    return {
        "repositories": [_repository(context, repository) for repository in found],
        "nextToken": next_token,
    }


def find_repositories(context: CallContext, params: Params) -> tuple[list[Repository], str | None]:
    """Return the repositories that DescribeRepositories asks for, and its next token.

    It is the same with private and with public registries.
    """
    key = context.key(params)
    names = params.get("repositoryNames")
    if names:
        refuse_paging_with(params, "repositoryNames")
        return context.registry.repositories.get_many(key, names), None
    bound_to = ("DescribeRepositories", key.account, key.region)
    limit = page_size(params)
    after = context.position(params, *bound_to) or ""
    found = context.registry.repositories.page(key, after=after, limit=limit + 1)
    if len(found) <= limit:
        return found, None
    return found[:limit], context.next_token(found[limit - 1].name, *bound_to)


@operation("DeleteRepository")
def delete_repository(context: EcrContext, params: Params) -> dict[str, Any]:
    """Delete a repository, with what it holds if the call is forced."""
    key, name = context.key(params), params["repositoryName"]
    repository = context.registry.repositories.delete(key, name, force=params.get("force", False))
    kms_key = repository.kms_key
    if kms_key and context.permit(key, name).refusal("kms:RetireGrant", kms_key):
        raise KmsFailure(
            # The console's text (user guide, "Encryption at rest", "Troubleshooting").
            f"The repository [{name}] has been deleted successfully but the grants created by the"
            f" kmsKey [{kms_key}] failed to be retired",
            kmsError="AccessDeniedException",
        )
    return {"repository": _repository(context, repository)}


@operation("PutImageTagMutability")
def put_image_tag_mutability(context: EcrContext, params: Params) -> dict[str, Any]:
    """Change which tags of a repository may be moved."""
    repository = context.registry.repositories.set_tag_mutability(
        context.key(params), params["repositoryName"], _tag_mutability(params)
    )
    return {
        "registryId": repository.key.account,
        "repositoryName": repository.name,
        **_tag_mutability_members(repository.tag_mutability),
    }


@operation("PutImageScanningConfiguration")
def put_image_scanning_configuration(context: EcrContext, params: Params) -> dict[str, Any]:
    """Change whether a push starts a scan."""
    repository = context.registry.repositories.set_scan_on_push(
        context.key(params), params["repositoryName"], _scan_on_push(params)
    )
    return {
        "registryId": repository.key.account,
        "repositoryName": repository.name,
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
    }


def _scan_on_push(params: Params) -> bool:
    return bool((params.get("imageScanningConfiguration") or {}).get("scanOnPush", False))


def _tag_mutability(params: Params) -> TagMutability:
    filters = params.get(_FILTERS)
    return tag_mutability(
        params.get("imageTagMutability"),
        None if filters is None else [item["filter"] for item in filters],
    )


def _tag_mutability_members(setting: TagMutability) -> dict[str, Any]:
    members: dict[str, Any] = {"imageTagMutability": setting.mode}
    if setting.filters:
        members[_FILTERS] = [
            {"filterType": "WILDCARD", "filter": pattern} for pattern in setting.filters
        ]
    return members


def _repository(context: EcrContext, repository: Repository) -> dict[str, Any]:
    host = context.services.addresses.host(repository.key, context.endpoint)
    return {
        "repositoryArn": repository.arn,
        "registryId": repository.key.account,
        "repositoryName": repository.name,
        "repositoryUri": f"{host}/{repository.name}",
        "createdAt": repository.created_at,
        **_tag_mutability_members(repository.tag_mutability),
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": {
            "encryptionType": repository.encryption_type,
            "kmsKey": repository.kms_key,
        },
    }
