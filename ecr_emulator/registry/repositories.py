"""Repositories: create, list, change, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError

from ecr_emulator.arns import RegistryKey, kms_key_arn
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.hot_writes import HotInsert
from ecr_emulator.db.schema import images, repositories
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.encryption_keys import check_enabled
from ecr_emulator.registry.errors import (
    InvalidParameter,
    KmsFailure,
    LimitExceeded,
    RepositoryAlreadyExists,
    RepositoryNotEmpty,
    TooManyTags,
)
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.resource_tags import TAGS_PER_REPOSITORY, add_tags, check_tags
from ecr_emulator.registry.tag_mutability import TagMutability

AES256 = "AES256"
_DEFAULT_KMS_ALIAS = "alias/aws/ecr"


@dataclass(frozen=True, slots=True)
class Encryption:
    """How a repository's contents are encrypted: the type, and the key unless it is AES256."""

    type: str = AES256
    kms_key: str | None = None


_INSERT = HotInsert(repositories)
_NTH = HotQuery(
    select(repositories.c.id)
    .where(
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
    )
    .offset(bindparam("number"))
    .limit(1)
)
_MUTABLE = TagMutability()
_ENCRYPTED_WITH_AES256 = Encryption()


class Repositories:
    """The repositories of every registry."""

    def __init__(self, database: Database, quotas: ServiceQuotas, clock: Clock) -> None:
        self._database = database
        self._quotas = quotas
        self._clock = clock

    def create(
        self,
        key: RegistryKey,
        name: str,
        *,
        tags: Mapping[str, str] | None = None,
        tag_mutability: TagMutability = _MUTABLE,
        scan_on_push: bool = False,
        encryption: Encryption = _ENCRYPTED_WITH_AES256,
        then: Callable[[Connection, Repository], None] | None = None,
    ) -> Repository:
        """Create the repository *name* in the registry *key* and return it.

        :param then: what else is to be written with it, in the same transaction.
        :raises RepositoryAlreadyExists: there is one of that name.
        :raises InvalidTagParameter, TooManyTags: *tags* break AWS's rules.
        :raises InvalidParameter, KmsFailure: *encryption* cannot be had.
        :raises LimitExceeded: the registry has as many repositories as it may have.
        """
        tags = tags or {}
        check_tags(tags)
        if len(tags) > TAGS_PER_REPOSITORY:
            raise TooManyTags(name, TAGS_PER_REPOSITORY)
        kms_key = effective_kms_key(key, encryption)
        created_at = self._clock.now()
        values = {
            "account": key.account,
            "region": key.region,
            "name": name,
            "created_at": created_at,
            "tag_mutability": tag_mutability.mode,
            "tag_mutability_filters": list(tag_mutability.filters),
            "scan_on_push": scan_on_push,
            "encryption_type": encryption.type,
            "kms_key": kms_key,
        }

        def insert(connection: Connection) -> Repository:
            if kms_key is not None:
                check_enabled(connection, kms_key)
            repository_id = _INSERT.run(connection, values)
            # Counted after the insert, so that an existing repository is named first.
            quota = self._quotas.of(key).repositories_per_registry
            if has_more_repositories_than(connection, key, quota, newest=repository_id):
                raise LimitExceeded.of_repositories(key.account, quota)
            repository = Repository(
                id=repository_id,
                key=key,
                name=name,
                created_at=created_at,
                tag_mutability=tag_mutability,
                scan_on_push=scan_on_push,
                encryption_type=encryption.type,
                kms_key=kms_key,
                policy_text=None,
            )
            add_tags(connection, repository_id, tags)
            if then is not None:
                then(connection, repository)
            return repository

        try:
            return self._database.write_together(insert)
        except IntegrityError:
            raise RepositoryAlreadyExists(name, key.account) from None

    def get(self, key: RegistryKey, name: str) -> Repository:
        """Return one repository.

        :raises RepositoryNotFound: there is none of that name.
        """
        return find_repository(self._database, key, name)

    def get_many(self, key: RegistryKey, names: Sequence[str]) -> list[Repository]:
        """Return the repositories *names*, each once, in the order asked for.

        :raises RepositoryNotFound: one of them does not exist; then none is returned.
        """
        if len(names) == 1:
            return [find_repository(self._database, key, names[0])]
        with self._database.read() as connection:
            return [find_repository(connection, key, name) for name in dict.fromkeys(names)]

    def page(self, key: RegistryKey, *, after: str, limit: int) -> list[Repository]:
        """Return up to *limit* repositories in the order of their names.

        :param after: the name that the page before ended with; empty for the first page.
        """
        query = (
            select(repositories)
            .where(
                repositories.c.account == key.account,
                repositories.c.region == key.region,
                repositories.c.name > after,
            )
            .order_by(repositories.c.name)
            .limit(limit)
        )
        return [Repository.from_row(row) for row in self._database.reader().execute(query)]

    def delete(self, key: RegistryKey, name: str, *, force: bool = False) -> Repository:
        """Delete a repository and return it as it was.

        :param force: delete it even though it holds images.
        :raises RepositoryNotFound: there is none.
        :raises RepositoryNotEmpty: it holds images and *force* is not set.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            if not force and _has_images(connection, repository):
                raise RepositoryNotEmpty(name, key.account)
            connection.execute(delete(repositories).where(repositories.c.id == repository.id))
        return repository

    def set_tag_mutability(
        self, key: RegistryKey, name: str, tag_mutability: TagMutability
    ) -> Repository:
        """Change which tags may be moved; return the repository as it is now."""
        return self._change(
            key,
            name,
            tag_mutability=tag_mutability.mode,
            tag_mutability_filters=list(tag_mutability.filters),
        )

    def set_scan_on_push(self, key: RegistryKey, name: str, scan_on_push: bool) -> Repository:
        """Change whether a push starts a scan; return the repository as it is now."""
        return self._change(key, name, scan_on_push=scan_on_push)

    def _change(self, key: RegistryKey, name: str, **values: object) -> Repository:
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            connection.execute(
                update(repositories).where(repositories.c.id == repository.id).values(**values)
            )
            return find_repository(connection, key, name)


def has_more_repositories_than(
    connection: Connection, key: RegistryKey, number: int, *, newest: int
) -> bool:
    """Tell whether a registry has more than *number* repositories.

    :param newest: the row id of one that was made just now.
    """
    if newest <= number:
        # There were not so many in all registries together: no need to count.
        return False
    parameters = {"account": key.account, "region": key.region, "number": number}
    return _NTH.first(connection, parameters) is not None


def _has_images(connection: Connection, repository: Repository) -> bool:
    query = select(images.c.id).where(images.c.repository_id == repository.id).limit(1)
    return connection.execute(query).first() is not None


def effective_kms_key(key: RegistryKey, encryption: Encryption) -> str | None:
    """Return the ARN of the key that ECR would encrypt with, and show.

    Sources: API reference ``EncryptionConfiguration``; texts as the live service gave them.
    """
    if encryption.type == AES256:
        if encryption.kms_key is not None:
            raise InvalidParameter(
                "Invalid encryption configuration: Encryption key should not be set for "
                "AES256 encryption."
            )
        return None
    arn = kms_key_arn(key, encryption.kms_key or _DEFAULT_KMS_ALIAS)
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "kms" or not parts[5].startswith("key/"):
        raise KmsFailure(f"Invalid keyId {encryption.kms_key}", kmsError="NotFoundException")
    if parts[3] != key.region:
        raise KmsFailure(f"Invalid arn {parts[3]}", kmsError="NotFoundException")
    return arn
