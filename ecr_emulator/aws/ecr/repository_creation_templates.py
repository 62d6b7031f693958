"""Repository creation templates: create, describe, update, delete."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params, page_size
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.registry.creation_template_store import TemplateChange
from ecr_emulator.registry.creation_templates import CreationTemplate
from ecr_emulator.registry.prefixes import path_of
from ecr_emulator.registry.repositories import Encryption

_FILTERS = "imageTagMutabilityExclusionFilters"


@operation("CreateRepositoryCreationTemplate")
def create_repository_creation_template(context: EcrContext, params: Params) -> dict[str, Any]:
    """Create the template for a prefix."""
    template = context.registry.creation_templates.create(
        context.key(params), params["prefix"], _change(params)
    )
    return _output(context, template)


@operation("DescribeRepositoryCreationTemplates")
def describe_repository_creation_templates(context: EcrContext, params: Params) -> dict[str, Any]:
    """Describe the templates for the prefixes named, or all of them, a page at a time.

    Prefixes that have no template are left out: the operation models no exception for them.
    """
    key = context.key(params)
    paths = {path_of(prefix) for prefix in params.get("prefixes") or ()}
    bound_to = (
        "DescribeRepositoryCreationTemplates",
        key.account,
        key.region,
        sorted(paths),
    )
    after = context.position(params, *bound_to) or ""
    limit = page_size(params)
    left = [
        template
        for template in context.registry.creation_templates.all_of(key)
        if path_of(template.prefix) > after and (not paths or path_of(template.prefix) in paths)
    ]
    output: dict[str, Any] = {
        "registryId": key.account,
        "repositoryCreationTemplates": [_template(template) for template in left[:limit]],
    }
    if len(left) > limit:
        output["nextToken"] = context.next_token(path_of(left[limit - 1].prefix), *bound_to)
    return output


@operation("UpdateRepositoryCreationTemplate")
def update_repository_creation_template(context: EcrContext, params: Params) -> dict[str, Any]:
    """Change what the call names of the template for a prefix."""
    template = context.registry.creation_templates.update(
        context.key(params), params["prefix"], _change(params)
    )
    return _output(context, template)


@operation("DeleteRepositoryCreationTemplate")
def delete_repository_creation_template(context: EcrContext, params: Params) -> dict[str, Any]:
    """Delete the template for a prefix; the repositories it created stay."""
    template = context.registry.creation_templates.delete(context.key(params), params["prefix"])
    return _output(context, template)


def _change(params: Params) -> TemplateChange:
    encryption, tags = params.get("encryptionConfiguration"), params.get("resourceTags")
    filters = params.get(_FILTERS)
    return TemplateChange(
        applied_for=params.get("appliedFor"),
        description=params.get("description"),
        tag_mutability_mode=params.get("imageTagMutability"),
        tag_mutability_filters=(None if filters is None else [item["filter"] for item in filters]),
        encryption=(
            None
            if encryption is None
            else Encryption(encryption["encryptionType"], encryption.get("kmsKey") or None)
        ),
        tags=None if tags is None else {tag["Key"]: tag["Value"] for tag in tags},
        repository_policy=params.get("repositoryPolicy"),
        lifecycle_policy=params.get("lifecyclePolicy"),
        custom_role_arn=params.get("customRoleArn"),
    )


def _output(context: EcrContext, template: CreationTemplate) -> dict[str, Any]:
    return {
        "registryId": context.home.account,
        "repositoryCreationTemplate": _template(template),
    }


def _template(template: CreationTemplate) -> dict[str, Any]:
    encryption, mutability = template.encryption, template.tag_mutability
    return {
        "prefix": template.prefix,
        "description": template.description or None,
        "encryptionConfiguration": {
            "encryptionType": encryption.type,
            "kmsKey": encryption.kms_key,
        },
        "resourceTags": [{"Key": key, "Value": value} for key, value in template.tags.items()]
        or None,
        "imageTagMutability": mutability.mode,
        _FILTERS: [{"filterType": "WILDCARD", "filter": item} for item in mutability.filters]
        or None,
        "repositoryPolicy": template.repository_policy or None,
        "lifecyclePolicy": template.lifecycle_policy or None,
        "appliedFor": list(template.applied_for),
        "customRoleArn": template.custom_role_arn or None,
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    }
