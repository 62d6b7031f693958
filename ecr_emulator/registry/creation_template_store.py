"""Repository creation templates: create, list, update, delete.

Sources: API reference ``CreateRepositoryCreationTemplate`` and the operations around it. What
an update leaves out stays, and an empty text takes one away: that is how Terraform's provider
uses the operation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.template_tables import creation_templates
from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.repository_policy import validate_repository_policy
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.creation_template_errors import TemplateAlreadyExists, TemplateNotFound
from ecr_emulator.registry.creation_templates import CreationTemplate
from ecr_emulator.registry.errors import InvalidParameter, InvalidTagParameter, LimitExceeded
from ecr_emulator.registry.lifecycle_policies import check_lifecycle_policy
from ecr_emulator.registry.prefixed_rows import PrefixedRows
from ecr_emulator.registry.repositories import AES256, Encryption, effective_kms_key
from ecr_emulator.registry.resource_tags import TAGS_PER_REPOSITORY, check_tags
from ecr_emulator.registry.roles import check_custom_role
from ecr_emulator.registry.tag_mutability import TagMutability, tag_mutability


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """What a request says about a template; ``None`` is what it does not speak of."""

    applied_for: Sequence[str] | None = None
    description: str | None = None
    tag_mutability_mode: str | None = None
    tag_mutability_filters: Sequence[str] | None = None
    encryption: Encryption | None = None
    tags: Mapping[str, str] | None = None
    repository_policy: str | None = None
    lifecycle_policy: str | None = None
    custom_role_arn: str | None = None


_ROWS = PrefixedRows(creation_templates)


class CreationTemplates:
    """The templates of every registry.

    :param known_actions: the names of ECR's actions (``ecr:PutImage``, …) a policy may name.
    """

    def __init__(
        self,
        database: Database,
        known_actions: Collection[str],
        quotas: ServiceQuotas,
        clock: Clock,
    ) -> None:
        self._database = database
        self._known_actions = known_actions
        self._quotas = quotas
        self._clock = clock

    def create(self, key: RegistryKey, prefix: str, change: TemplateChange) -> CreationTemplate:
        """Create the template for *prefix* with the settings of *change*, and return it.

        :raises TemplateAlreadyExists: there is one.
        :raises InvalidParameter: a setting cannot be had.
        :raises LimitExceeded: the registry has as many as it may have.
        """
        now = self._clock.now()
        template = self._changed(key, CreationTemplate(prefix, now, now), change)
        with self._database.write() as connection:
            if not _ROWS.insert(connection, key, prefix, template.to_row()):
                raise TemplateAlreadyExists(prefix, key.account)
            # Counted after the insert, so that an existing prefix is named first.
            quota = self._quotas.of(key).repository_creation_templates
            if _ROWS.count(connection, key) > quota:
                # Likeliest.
                raise LimitExceeded(
                    "The maximum number of repository creation templates "
                    f"({quota}) in the registry with id '{key.account}' has "
                    "been reached"
                )
        return template

    def all_of(self, key: RegistryKey) -> list[CreationTemplate]:
        """Return all templates of a registry in the order of their prefixes."""
        rows = _ROWS.all(self._database.reader(), key)
        return [CreationTemplate.from_row(row) for row in rows]

    def update(self, key: RegistryKey, prefix: str, change: TemplateChange) -> CreationTemplate:
        """Change the template for *prefix* and return it as it is now.

        :raises TemplateNotFound: there is none.
        :raises InvalidParameter: a setting cannot be had.
        """
        with self._database.write() as connection:
            template = _find(connection, key, prefix)
            template = replace(self._changed(key, template, change), updated_at=self._clock.now())
            _ROWS.update(connection, key, prefix, template.to_row())
        return template

    def delete(self, key: RegistryKey, prefix: str) -> CreationTemplate:
        """Delete the template for *prefix* and return it as it was.

        :raises TemplateNotFound: there is none.
        """
        with self._database.write() as connection:
            template = _find(connection, key, prefix)
            _ROWS.delete(connection, key, prefix)
        return template

    def _changed(
        self, key: RegistryKey, template: CreationTemplate, change: TemplateChange
    ) -> CreationTemplate:
        """Return *template* after *change*, each setting of which is checked."""
        changes: dict[str, Any] = {}
        if change.applied_for is not None:
            changes["applied_for"] = tuple(dict.fromkeys(change.applied_for))
        if change.description is not None:
            changes["description"] = change.description
        if change.tag_mutability_mode is not None or change.tag_mutability_filters is not None:
            changes["tag_mutability"] = _tag_mutability(template.tag_mutability, change)
        if change.encryption is not None:
            if change.encryption.type == AES256:
                effective_kms_key(key, change.encryption)  # there must be none
            changes["encryption"] = change.encryption
        if change.tags is not None:
            _check_tags(change.tags)
            changes["tags"] = dict(change.tags)
        if change.repository_policy is not None:
            self._check_repository_policy(change.repository_policy)
            changes["repository_policy"] = change.repository_policy
        if change.lifecycle_policy is not None:
            if change.lifecycle_policy:
                check_lifecycle_policy(change.lifecycle_policy)
            changes["lifecycle_policy"] = change.lifecycle_policy
        if change.custom_role_arn is not None:
            if change.custom_role_arn:
                check_custom_role(key, change.custom_role_arn)
            changes["custom_role_arn"] = change.custom_role_arn
        return replace(template, **changes)

    def _check_repository_policy(self, text: str) -> None:
        try:
            if text:
                validate_repository_policy(text, self._known_actions)
        except InvalidPolicy:
            # Likeliest: what SetRepositoryPolicy says.
            raise InvalidParameter.at("PolicyText", "Invalid repository policy provided") from None


def _find(connection: Connection, key: RegistryKey, prefix: str) -> CreationTemplate:
    row = _ROWS.find(connection, key, prefix)
    if row is None:
        raise TemplateNotFound(prefix, key.account)
    return CreationTemplate.from_row(row)


def _tag_mutability(present: TagMutability, change: TemplateChange) -> TagMutability:
    mode = change.tag_mutability_mode or present.mode
    filters = change.tag_mutability_filters
    if filters is None and present.filters and mode.endswith("_WITH_EXCLUSION"):
        filters = present.filters
    return tag_mutability(mode, filters)


def _check_tags(tags: Mapping[str, str]) -> None:
    try:
        check_tags(tags)
    except InvalidTagParameter as error:
        # The service model gives these operations no exception for tags.
        raise InvalidParameter(error.message) from None
    if len(tags) > TAGS_PER_REPOSITORY:
        # Likeliest.
        raise InvalidParameter.at(
            "resourceTags", f"Member must have length less than or equal to {TAGS_PER_REPOSITORY}"
        )
