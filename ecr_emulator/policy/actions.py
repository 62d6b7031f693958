"""Which actions an operation needs, on what kind of resource, under which condition keys.

The tables "API operations", "Actions", "Permission-only actions", "Resource types" and "Condition
keys" of "Actions, resources, and condition keys for Amazon Elastic Container Registry" and of the
page for ECR Public (Service Authorization Reference).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class ResourceType(enum.Enum):
    """What an action is checked on."""

    #: ``arn:<partition>:ecr:<region>:<account>:repository/<name>``; a listing that names no
    #: repository is checked on ``repository/*``. ECR Public has no region in it.
    REPOSITORY = "repository"
    #: ECR Public: ``arn:<partition>:ecr-public::<account>:registry/<registry id>``.
    REGISTRY = "registry"
    #: The action knows no resource: it is checked on ``*``.
    NONE = "*"
    # Of other services, which an operation needs besides its own:
    ROLE = "the role that the request names"
    SERVICE_LINKED_ROLE = "the role that ECR makes for itself"
    KMS_KEY = "the key that the repository is encrypted with"
    SIGNING_PROFILE = "the signing profile of the rule"


class When(enum.Enum):
    """In which requests an operation needs an action."""

    ALWAYS = "always"
    TAGS = "the request or the creation template sets tags"
    CACHE_MISS = "a pull through cache rule fetches the image"
    CACHE_REPOSITORY = "a pull through cache rule creates the repository"
    REPOSITORY_POLICY = "the template holds a repository policy"
    LIFECYCLE_POLICY = "the template holds a lifecycle policy"
    CUSTOM_ROLE = "the request names a role for the service to use"
    CREATE_ON_PUSH = "the push creates the repository by a creation template"
    MOUNT = "the upload mounts a layer of another repository, on that repository"
    FIRST_USE = "the account does not have ECR's service-linked role yet"
    CUSTOMER_KEY = "the repository is encrypted with a KMS key of the customer's"
    KMS = "the repository is encrypted with a KMS key"
    SIGNED = "a rule of the signing configuration covers the repository"


@dataclass(frozen=True)
class Requirement:
    """An action that an operation needs, and when it does.

    :ivar service: whom a role is passed to, or whose service-linked role it is.
    """

    action: str
    resource: ResourceType
    when: When = When.ALWAYS
    service: str = ""


@dataclass(frozen=True)
class Action:
    """An action as policies can name it.

    :ivar condition_keys: the keys it supports besides the global ones; of a ``/<key>`` family
        the part before the slash.
    """

    name: str
    resource: ResourceType
    condition_keys: tuple[str, ...] = ()
    permission_only: bool = False


_REPOSITORY_OPERATIONS = {
    "ecr": (
        "BatchCheckLayerAvailability BatchDeleteImage BatchGetImage"
        " BatchGetRepositoryScanningConfiguration CompleteLayerUpload CreateRepository"
        " DeleteLifecyclePolicy DeleteRepository DeleteRepositoryPolicy"
        " DescribeImageReplicationStatus DescribeImageScanFindings DescribeImageSigningStatus"
        " DescribeImages DescribeRepositories GetDownloadUrlForLayer GetLifecyclePolicy"
        " GetLifecyclePolicyPreview GetRepositoryPolicy InitiateLayerUpload ListImages"
        " ListTagsForResource PutImage PutImageScanningConfiguration PutImageTagMutability"
        " PutLifecyclePolicy SetRepositoryPolicy StartImageScan StartLifecyclePolicyPreview"
        " TagResource UntagResource UpdateImageStorageClass UploadLayerPart"
    ),
    "ecr-public": (
        "BatchCheckLayerAvailability BatchDeleteImage CompleteLayerUpload CreateRepository"
        " DeleteRepository DeleteRepositoryPolicy DescribeImageTags DescribeImages"
        " DescribeRepositories GetRepositoryCatalogData GetRepositoryPolicy InitiateLayerUpload"
        " ListTagsForResource PutImage PutRepositoryCatalogData SetRepositoryPolicy TagResource"
        " UntagResource UploadLayerPart"
    ),
}
_REGISTRY_OPERATIONS = {
    "ecr": "",
    "ecr-public": "DescribeRegistries GetRegistryCatalogData PutRegistryCatalogData",
}
_OPERATIONS_WITHOUT_RESOURCE = {
    "ecr": (
        "CreatePullThroughCacheRule CreateRepositoryCreationTemplate DeletePullThroughCacheRule"
        " DeleteRegistryPolicy DeleteRepositoryCreationTemplate DeleteSigningConfiguration"
        " DeregisterPullTimeUpdateExclusion DescribePullThroughCacheRules DescribeRegistry"
        " DescribeRepositoryCreationTemplates GetAccountSetting GetAuthorizationToken"
        " GetRegistryPolicy GetRegistryScanningConfiguration GetSigningConfiguration"
        " ListPullTimeUpdateExclusions PutAccountSetting PutRegistryPolicy"
        " PutRegistryScanningConfiguration PutReplicationConfiguration PutSigningConfiguration"
        " RegisterPullTimeUpdateExclusion UpdatePullThroughCacheRule"
        " UpdateRepositoryCreationTemplate ValidatePullThroughCacheRule"
        # The reference does not list the backfill operations yet; they are the registry's, as
        # the replication configuration is.
        " DescribeReplicationBackfillResults ListReplicationBackfills StartReplicationBackfill"
        " StopReplicationBackfill"
    ),
    "ecr-public": "GetAuthorizationToken",
}

#: Actions that are checked but have no operation of that name.
PERMISSION_ONLY: dict[str, tuple[str, ...]] = {
    "ecr": ("BatchImportUpstreamImage", "GetImageCopyStatus", "ReplicateImage"),
    "ecr-public": (),
}

_REQUEST_TAGS = ("aws:RequestTag", "aws:TagKeys")
_EXTRA_KEYS: dict[str, tuple[str, ...]] = {
    "ecr:CreateRepository": _REQUEST_TAGS,
    "ecr:TagResource": _REQUEST_TAGS,
    "ecr:ListTagsForResource": _REQUEST_TAGS,
    "ecr:UntagResource": ("aws:TagKeys",),
    "ecr:GetAccountSetting": ("ecr:AccountSetting",),
    "ecr:PutAccountSetting": ("ecr:AccountSetting",),
    "ecr-public:CreateRepository": _REQUEST_TAGS,
    "ecr-public:TagResource": _REQUEST_TAGS,
    "ecr-public:UntagResource": ("aws:TagKeys",),
}

#: Who assumes the roles that rules and templates name, and ECR's service-linked roles.
PULL_THROUGH_SERVICE = "pullthroughcache.ecr.amazonaws.com"
TEMPLATE_SERVICE = "ecr.amazonaws.com"
REPLICATION_SERVICE = "replication.ecr.amazonaws.com"
#: The names of the service-linked roles (user guide, "Using service-linked roles").
SERVICE_LINKED_ROLES = {
    PULL_THROUGH_SERVICE: "AWSServiceRoleForECRPullThroughCache",
    TEMPLATE_SERVICE: "AWSServiceRoleForECRTemplate",
    REPLICATION_SERVICE: "AWSServiceRoleForECRReplication",
}


def _service_linked_role(service: str) -> Requirement:
    """Return what whoever makes ECR need its role for the first time must be allowed.

    User guide, "Service-linked role permissions": ECR makes it, "you must configure permissions
    to allow an IAM entity to create" it.
    """
    return Requirement(
        "iam:CreateServiceLinkedRole",
        ResourceType.SERVICE_LINKED_ROLE,
        When.FIRST_USE,
        service,
    )


def _pass_role(service: str) -> Requirement:
    return Requirement("iam:PassRole", ResourceType.ROLE, When.CUSTOM_ROLE, service)


_REPOSITORY = ResourceType.REPOSITORY
#: User guide, "IAM permissions required to sync an upstream registry".
_UPSTREAM = Requirement("ecr:BatchImportUpstreamImage", _REPOSITORY, When.CACHE_MISS)
_CACHE_REPOSITORY = (
    Requirement("ecr:CreateRepository", _REPOSITORY, When.CACHE_REPOSITORY),
    Requirement("ecr:TagResource", _REPOSITORY, When.TAGS),
)
#: User guide, "Templates to control repositories created …".
CREATE_ON_PUSH = (
    Requirement("ecr:CreateRepository", _REPOSITORY, When.CREATE_ON_PUSH),
    Requirement("ecr:TagResource", _REPOSITORY, When.TAGS),
)
#: User guide, "IAM permissions for creating repository creation templates".
_TEMPLATE = (
    Requirement("ecr:CreateRepository", _REPOSITORY),
    Requirement("ecr:PutLifecyclePolicy", _REPOSITORY, When.LIFECYCLE_POLICY),
    Requirement("ecr:SetRepositoryPolicy", _REPOSITORY, When.REPOSITORY_POLICY),
    _pass_role(TEMPLATE_SERVICE),
    _service_linked_role(TEMPLATE_SERVICE),
)
#: User guide, "Encryption at rest", "Required IAM permissions".
_CUSTOMER_KEY = tuple(
    Requirement(f"kms:{name}", ResourceType.KMS_KEY, When.CUSTOMER_KEY)
    for name in ("DescribeKey", "CreateGrant", "RetireGrant")
)
#: What an operation needs besides the action of its own name. The secret of a pull through cache
#: rule is read by ECR's service-linked role, not by the caller ("Amazon ECR service-linked role
#: for pull through cache"), and keys are used by ECR's grants once a repository is there.
_DEPENDENT: dict[str, tuple[Requirement, ...]] = {
    "ecr:BatchGetImage": (_UPSTREAM, *_CACHE_REPOSITORY),
    "ecr:GetDownloadUrlForLayer": (_UPSTREAM,),
    "ecr:InitiateLayerUpload": CREATE_ON_PUSH,
    "ecr:PutImage": (
        *CREATE_ON_PUSH,
        # Images are signed "using the identity of the entity pushing the image" (user guide,
        # "Managed signing").
        Requirement("signer:SignPayload", ResourceType.SIGNING_PROFILE, When.SIGNED),
    ),
    "ecr:CreatePullThroughCacheRule": (
        _pass_role(PULL_THROUGH_SERVICE),
        _service_linked_role(PULL_THROUGH_SERVICE),
    ),
    "ecr:UpdatePullThroughCacheRule": (_pass_role(PULL_THROUGH_SERVICE),),
    "ecr:CreateRepository": (
        Requirement("ecr:TagResource", _REPOSITORY, When.TAGS),
        *_CUSTOMER_KEY,
    ),
    "ecr:DeleteRepository": (Requirement("kms:RetireGrant", ResourceType.KMS_KEY, When.KMS),),
    "ecr:CreateRepositoryCreationTemplate": _TEMPLATE,
    "ecr:UpdateRepositoryCreationTemplate": _TEMPLATE,
    "ecr:PutReplicationConfiguration": (_service_linked_role(REPLICATION_SERVICE),),
    "ecr-public:CreateRepository": (Requirement("ecr-public:TagResource", _REPOSITORY, When.TAGS),),
    "ecr-public:GetAuthorizationToken": (
        Requirement("sts:GetServiceBearerToken", ResourceType.NONE),
    ),
}


def _actions(service: str) -> dict[str, Action]:
    tag_keys = ("aws:ResourceTag", f"{service}:ResourceTag")
    actions: dict[str, Action] = {}
    for resource, names in (
        (ResourceType.REPOSITORY, _REPOSITORY_OPERATIONS[service].split()),
        (ResourceType.REGISTRY, _REGISTRY_OPERATIONS[service].split()),
        (ResourceType.NONE, _OPERATIONS_WITHOUT_RESOURCE[service].split()),
        (ResourceType.REPOSITORY, PERMISSION_ONLY[service]),
    ):
        for name in names:
            action = f"{service}:{name}"
            keys = tag_keys if resource is ResourceType.REPOSITORY else ()
            actions[action] = Action(
                name=action,
                resource=resource,
                condition_keys=keys + _EXTRA_KEYS.get(action, ()),
                permission_only=name in PERMISSION_ONLY[service],
            )
    return actions


def _operations(service: str, actions: dict[str, Action]) -> dict[str, tuple[Requirement, ...]]:
    operations = {
        name.partition(":")[2]: (
            Requirement(name, action.resource),
            *_DEPENDENT.get(name, ()),
        )
        for name, action in actions.items()
        if not action.permission_only
    }
    if service == "ecr":
        # It has no action of its own name.
        operations["ListImageReferrers"] = (
            Requirement("ecr:BatchGetImage", ResourceType.REPOSITORY),
            _UPSTREAM,
            *_CACHE_REPOSITORY,
        )
    return operations


#: Every action of a service by its full name (``ecr:PutImage``).
ACTIONS: dict[str, dict[str, Action]] = {
    service: _actions(service) for service in ("ecr", "ecr-public")
}
#: What every operation of a service needs, the action of its own name first.
OPERATIONS: dict[str, dict[str, tuple[Requirement, ...]]] = {
    service: _operations(service, ACTIONS[service]) for service in ("ecr", "ecr-public")
}


def action_names(service: str, operations: Iterable[str]) -> frozenset[str]:
    """Return every action of *service* (``ecr`` or ``ecr-public``), as ``ecr:PutImage``.

    :param operations: the names of the operations in the service's model.
    """
    names = {*operations, *PERMISSION_ONLY[service]}
    return frozenset(f"{service}:{name}" for name in names)
