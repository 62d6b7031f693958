"""Actions of other services that an operation needs: on which resource, under which keys."""

from __future__ import annotations

from typing import Any

from ecr_emulator.arns import RegistryKey, kms_key_arn
from ecr_emulator.auth.access import Access, AccessDenied
from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.service_linked_roles import ServiceLinkedRoles, service_linked_role_arn
from ecr_emulator.policy.actions import OPERATIONS, Requirement, ResourceType, When
from ecr_emulator.policy.context import Origin, Value
from ecr_emulator.registry.errors import KmsFailure
from ecr_emulator.registry.prefixes import ROOT, path_of

Params = dict[str, Any]

#: The alias of the key that AWS manages, which anyone may use who may create a repository.
_AWS_MANAGED_KEY = "alias/aws/ecr"
#: The member of a request that makes an action needed.
_MEMBERS = {
    When.TAGS: "tags",
    When.CUSTOM_ROLE: "customRoleArn",
    When.REPOSITORY_POLICY: "repositoryPolicy",
    When.LIFECYCLE_POLICY: "lifecyclePolicy",
}


_ANY_REQUEST = (When.ALWAYS, When.FIRST_USE)
#: What an operation needs as far as a request tells, by service and operation.
_TOLD_BY_REQUEST = {
    service: {
        name: [
            requirement
            for requirement in requirements
            if requirement.when in (*_ANY_REQUEST, When.CUSTOMER_KEY, *_MEMBERS)
        ]
        for name, requirements in operations.items()
    }
    for service, operations in OPERATIONS.items()
}


def needed(service: str, operation: str, params: Params) -> list[Requirement]:
    """Return the actions that a request needs, as far as its own members tell.

    What depends on more than the request is asked for where that is known.
    """
    return [
        requirement
        for requirement in _TOLD_BY_REQUEST[service][operation]
        if requirement.when in _ANY_REQUEST or _calls_for(requirement.when, params)
    ]


def _calls_for(when: When, params: Params) -> bool:
    if when is When.CUSTOMER_KEY:
        return _customer_key(params) is not None
    return bool(params.get(_MEMBERS[when]))


def repositories_of(params: Params) -> list[str | None]:
    """Return the repositories that a request names; ``None`` stands for the registry.

    A creation template is checked on the repositories below its prefix (likeliest).
    """
    if "prefix" in params:
        path = path_of(params["prefix"])
        return [None if path == ROOT else f"{path}/*"]
    names: list[str | None] | None = params.get("repositoryNames")
    return names or [params.get("repositoryName")]


def check_other_service(
    access: Access,
    roles: ServiceLinkedRoles,
    requirement: Requirement,
    principal: Principal,
    key: RegistryKey,
    params: Params,
    origin: Origin,
) -> None:
    """Let the caller do an action of IAM's or KMS's that its request needs, or refuse.

    :raises AccessDenied: with AWS's text.
    :raises KmsFailure: KMS refuses the caller, for whom ECR asks it.
    """

    def check(resource: str, keys: dict[str, Value]) -> None:
        access.check_resource(principal, requirement.action, resource, origin=origin, keys=keys)

    if requirement.resource is ResourceType.ROLE:
        check(params["customRoleArn"], {"iam:PassedToService": requirement.service})
    elif requirement.resource is ResourceType.SERVICE_LINKED_ROLE:
        if not roles.exists(key.account, requirement.service):
            arn = service_linked_role_arn(key.account, requirement.service)
            check(arn, {"iam:AWSServiceName": requirement.service})
            roles.create(key.account, requirement.service)
    else:
        try:
            check(kms_key_arn(key, _customer_key(params) or ""), kms_keys(key))
        except AccessDenied as error:
            raise KmsFailure(error.message, kmsError="AccessDeniedException") from None


def kms_keys(key: RegistryKey) -> dict[str, Value]:
    """Return the condition keys of what a registry asks of KMS for a caller."""
    return {"kms:ViaService": f"ecr.{key.region}.amazonaws.com"}


def _customer_key(params: Params) -> str | None:
    """Return the customer's key that a repository is to be encrypted with, if with one."""
    reference: str | None = (params.get("encryptionConfiguration") or {}).get("kmsKey")
    return None if reference is None or reference.endswith(_AWS_MANAGED_KEY) else reference
