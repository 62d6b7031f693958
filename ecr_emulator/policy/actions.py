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


@dataclass(frozen=True)
class Requirement:
    """An action that an operation needs, and when it does."""

    action: str
    resource: ResourceType
    when: When = When.ALWAYS


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

_UPSTREAM = Requirement("ecr:BatchImportUpstreamImage", ResourceType.REPOSITORY, When.CACHE_MISS)
_CACHE_REPOSITORY = Requirement(
    "ecr:CreateRepository", ResourceType.REPOSITORY, When.CACHE_REPOSITORY
)
_PASS_ROLE = Requirement("iam:PassRole", ResourceType.NONE, When.CUSTOM_ROLE)
_TEMPLATE = (
    Requirement("ecr:CreateRepository", ResourceType.REPOSITORY),
    Requirement("ecr:PutLifecyclePolicy", ResourceType.REPOSITORY, When.LIFECYCLE_POLICY),
    Requirement("ecr:SetRepositoryPolicy", ResourceType.REPOSITORY, When.REPOSITORY_POLICY),
    _PASS_ROLE,
)
#: What an operation needs besides the action of its own name.
_DEPENDENT: dict[str, tuple[Requirement, ...]] = {
    "ecr:BatchGetImage": (
        _UPSTREAM,
        _CACHE_REPOSITORY,
        Requirement("ecr:TagResource", ResourceType.REPOSITORY, When.TAGS),
    ),
    "ecr:GetDownloadUrlForLayer": (_UPSTREAM,),
    "ecr:CreatePullThroughCacheRule": (_PASS_ROLE,),
    "ecr:UpdatePullThroughCacheRule": (_PASS_ROLE,),
    "ecr:CreateRepository": (Requirement("ecr:TagResource", ResourceType.REPOSITORY, When.TAGS),),
    "ecr:CreateRepositoryCreationTemplate": _TEMPLATE,
    "ecr:UpdateRepositoryCreationTemplate": _TEMPLATE,
    "ecr-public:CreateRepository": (
        Requirement("ecr-public:TagResource", ResourceType.REPOSITORY, When.TAGS),
    ),
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
            _CACHE_REPOSITORY,
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
