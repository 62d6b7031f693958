"""Creating public repositories: with its first one, a public registry comes to be."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.public_registries import assign_alias
from ecr_emulator.registry.repositories import Repositories
from ecr_emulator.registry.repository import Repository
from ecr_emulator.registry.repository_catalog import CatalogData, store_catalog_data


class PublicRepositories:
    """What is particular to the repositories of public registries."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories

    def create(
        self,
        key: RegistryKey,
        name: str,
        *,
        tags: Mapping[str, str],
        catalog_data: CatalogData,
        logo: bytes,
    ) -> tuple[Repository, CatalogData]:
        """Create a repository in the public registry *key*; the registry's first gets an alias.

        :param logo: an image for the catalog; empty for none.
        :returns: the repository, and its catalog data as stored.
        :raises RepositoryAlreadyExists: there is one of that name.
        :raises InvalidTagParameter, TooManyTags: *tags* break AWS's rules.
        """
        stored = catalog_data

        def write_the_rest(connection: Connection, repository: Repository) -> None:
            nonlocal stored
            assign_alias(connection, key.account)
            stored = store_catalog_data(connection, repository, catalog_data, logo)

        repository = self._repositories.create(key, name, tags=tags, then=write_the_rest)
        return repository, stored
