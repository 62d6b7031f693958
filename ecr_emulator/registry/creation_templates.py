"""Repository creation templates, and the repositories that ECR creates by them.

Sources: user guide "Templates to control repositories created during a pull through cache,
create on push, or replication action"; API reference ``RepositoryCreationTemplate``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.schema import repositories
from ecr_emulator.db.template_tables import creation_templates
from ecr_emulator.db.upsert import insert_once
from ecr_emulator.policy.rendering import render_policy
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.encryption_keys import check_enabled
from ecr_emulator.registry.errors import LimitExceeded, RepositoryNotFound
from ecr_emulator.registry.lifecycle_policies import store_lifecycle_policy
from ecr_emulator.registry.lifecycle_policy import parse_lifecycle_policy
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.prefixed_rows import PrefixedRows
from ecr_emulator.registry.repositories import (
    AES256,
    Encryption,
    effective_kms_key,
    has_more_repositories_than,
)
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.repository_names import is_repository_name
from ecr_emulator.registry.resource_tags import add_tags
from ecr_emulator.registry.tag_mutability import TagMutability

PULL_THROUGH_CACHE = "PULL_THROUGH_CACHE"
REPLICATION = "REPLICATION"
CREATE_ON_PUSH = "CREATE_ON_PUSH"


@dataclass(frozen=True, slots=True)
class CreationTemplate:
    """A template as it is stored.

    :ivar prefix: of the repositories' names, as the template was created with it.
    :ivar applied_for: what makes ECR create the repositories: :data:`PULL_THROUGH_CACHE`,
        :data:`REPLICATION`, :data:`CREATE_ON_PUSH`.
    :ivar repository_policy: the policy's text as it was given; empty for none.
    :ivar lifecycle_policy: likewise.
    :ivar custom_role_arn: the role that ECR creates the repositories with; empty for its own.
    """

    prefix: str
    created_at: datetime
    updated_at: datetime
    applied_for: tuple[str, ...] = ()
    description: str = ""
    tag_mutability: TagMutability = field(default_factory=TagMutability)
    encryption: Encryption = field(default_factory=Encryption)
    tags: Mapping[str, str] = field(default_factory=dict)
    repository_policy: str = ""
    lifecycle_policy: str = ""
    custom_role_arn: str = ""

    @property
    def lacks_role(self) -> bool:
        """Whether ECR cannot create repositories by it for want of a role.

        Encryption by a KMS key and resource tags need one, "otherwise the repository creation
        will fail" (user guide).
        """
        wants_role = self.encryption.type != AES256 or bool(self.tags)
        return wants_role and not self.custom_role_arn

    @classmethod
    def from_row(cls, row: Row[Any]) -> CreationTemplate:
        """Build a template from a row of its table."""
        return cls(
            prefix=row.prefix,
            created_at=row.created_at,
            updated_at=row.updated_at,
            applied_for=tuple(row.applied_for),
            description=row.description,
            tag_mutability=TagMutability(row.tag_mutability, tuple(row.tag_mutability_filters)),
            encryption=Encryption(row.encryption_type, row.kms_key),
            tags=dict(row.resource_tags),
            repository_policy=row.repository_policy,
            lifecycle_policy=row.lifecycle_policy,
            custom_role_arn=row.custom_role_arn,
        )

    def to_row(self) -> dict[str, Any]:
        """Return the columns that hold the template, its key apart."""
        return {
            "prefix": self.prefix,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "applied_for": list(self.applied_for),
            "description": self.description,
            "tag_mutability": self.tag_mutability.mode,
            "tag_mutability_filters": list(self.tag_mutability.filters),
            "encryption_type": self.encryption.type,
            "kms_key": self.encryption.kms_key,
            "resource_tags": [[key, value] for key, value in self.tags.items()],
            "repository_policy": self.repository_policy,
            "lifecycle_policy": self.lifecycle_policy,
            "custom_role_arn": self.custom_role_arn,
        }


_ROWS = PrefixedRows(creation_templates)


def settings_for(
    connection: Connection, key: RegistryKey, repository_name: str, applied_for: str
) -> CreationTemplate | None:
    """Return the template for a repository that ECR is to create, or ``None``.

    Of the templates that are applied for *applied_for*, it is the one with the longest prefix
    that covers the name; the one for ``ROOT`` covers what no other does.

    :param applied_for: what makes ECR create it, as :data:`CREATE_ON_PUSH`.
    """
    for row in _ROWS.covering(connection, key, repository_name):
        if applied_for in row.applied_for:
            return CreationTemplate.from_row(row)
    return None


def create_from_template(
    connection: Connection,
    key: RegistryKey,
    name: str,
    applied_for: str,
    now: datetime,
    quotas: ServiceQuotas,
) -> Repository:
    """Create the repository *name* for ECR itself, with the settings of its template.

    Without a template it gets the default settings (mutable tags, AES-256, no policies), but
    for a push it is not created then. When it is there already, it is returned as it is. The
    row of the repository is locked until the transaction ends.

    :param applied_for: what makes ECR create it: :data:`PULL_THROUGH_CACHE`,
        :data:`REPLICATION` or :data:`CREATE_ON_PUSH`.
    :raises RepositoryNotFound: ECR does not create it: there is no template to create it by on
        a push, the template lacks a role it needs, or no repository may have the name.
    :raises KmsFailure: the template's encryption key cannot be used.
    :raises LimitExceeded: the registry has as many repositories as it may have.
    """
    if not is_repository_name(name):
        raise RepositoryNotFound(name, key.account)
    template = settings_for(connection, key, name, applied_for)
    if template is None:
        if applied_for == CREATE_ON_PUSH:
            raise RepositoryNotFound(name, key.account)
        template = CreationTemplate(prefix="", created_at=now, updated_at=now)
    if template.lacks_role:
        # What a caller sees is a repository that is missing still (public issue threads).
        raise RepositoryNotFound(name, key.account)
    kms_key = effective_kms_key(key, template.encryption)
    if kms_key is not None:
        check_enabled(connection, kms_key)
    is_new = insert_once(
        connection,
        repositories,
        account=key.account,
        region=key.region,
        name=name,
        created_at=now,
        tag_mutability=template.tag_mutability.mode,
        tag_mutability_filters=list(template.tag_mutability.filters),
        scan_on_push=False,
        encryption_type=template.encryption.type,
        kms_key=kms_key,
        policy_text=_rendered(template.repository_policy, key),
    )
    repository = find_repository(connection, key, name, for_update=True)
    if is_new:
        quota = quotas.of(key).repositories_per_registry
        if has_more_repositories_than(connection, key, quota, newest=repository.id):
            raise LimitExceeded.of_repositories(key.account, quota)
        add_tags(connection, repository.id, template.tags)
        if template.lifecycle_policy:
            policy = parse_lifecycle_policy(template.lifecycle_policy)
            store_lifecycle_policy(connection, repository, policy, now)
    return repository


def check_creation(
    connection: Connection, key: RegistryKey, name: str, applied_for: str, permit: Permit
) -> None:
    """Refuse unless the caller may have ECR create the repository *name* by its template.

    User guide, "IAM permissions required to sync an upstream registry": ``CreateRepository``,
    and ``TagResource`` where the template sets tags.
    """
    template = settings_for(connection, key, name, applied_for)
    tags = template.tags if template is not None else {}
    permit("CreateRepository", tags=tags)
    if tags:
        permit("TagResource", tags=tags)


def repository_for_push(
    connection: Connection,
    key: RegistryKey,
    name: str,
    now: datetime,
    permit: Permit | None,
    quotas: ServiceQuotas,
) -> Repository:
    """Return the repository that a push goes to; create it where a template says so.

    Both doors push through this: ``InitiateLayerUpload`` and ``PutImage`` are what a push is,
    whichever way it comes. The row of the repository is locked until the transaction ends.

    :param permit: asked before a repository is created; ``None`` for ECR's own pushes.
    :raises RepositoryNotFound: it does not exist, and no template creates it.
    :raises KmsFailure: the encryption key of the template cannot be used.
    :raises LimitExceeded: the registry has as many repositories as it may have.
    """
    try:
        return find_repository(connection, key, name, for_update=True)
    except RepositoryNotFound:
        if settings_for(connection, key, name, CREATE_ON_PUSH) is None:
            raise
        if permit is not None:
            check_creation(connection, key, name, CREATE_ON_PUSH, permit)
        return create_from_template(connection, key, name, CREATE_ON_PUSH, now, quotas)


def _rendered(policy_text: str, key: RegistryKey) -> str | None:
    return render_policy(policy_text, partition=key.partition) if policy_text else None
