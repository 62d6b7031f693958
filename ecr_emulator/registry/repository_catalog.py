"""Catalog data: what the public gallery shows of a repository.

Sources: API reference of ECR Public, ``RepositoryCatalogDataInput`` and
``RepositoryCatalogData``. Architectures and operating systems may have any name; those that
the reference lists are only what the gallery can search for.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.public_tables import repository_catalog_data as catalog_table
from ecr_emulator.db.upsert import put_row
from ecr_emulator.registry.repository import Repository, find_repository

#: Image formats by the bytes they begin with, and the suffix of the logo's name for each.
_FORMATS = ((b"\x89PNG\r\n\x1a\n", ".png"), (b"\xff\xd8\xff", ".jpg"))
#: What :func:`_logo_name` makes. PostgreSQL refuses to be asked for some texts.
_LOGO_NAME = re.compile(r"[0-9a-f-]{36}[.a-z]{0,8}")


@dataclass(frozen=True, slots=True)
class CatalogData:
    """What a repository's owner says of it; what was not given is ``None``.

    :ivar logo_name: under which name :meth:`RepositoryCatalog.logo` has the logo.
    """

    description: str | None = None
    architectures: Sequence[str] | None = None
    operating_systems: Sequence[str] | None = None
    about_text: str | None = None
    usage_text: str | None = None
    logo_name: str | None = None


_NONE = CatalogData()
_COLUMNS = tuple(catalog_table.c[name] for name in CatalogData.__slots__)


class RepositoryCatalog:
    """The catalog data of every public repository."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: RegistryKey, name: str) -> CatalogData:
        """Return a repository's catalog data; it is empty when none was given.

        AWS models an error for catalog data that is missing. Yet a repository that was created
        without any has it, and empty (CreateRepository in the AWS CLI's samples; Terraform's
        provider reads it of every repository and stops at any error).

        :raises RepositoryNotFound: there is no such repository.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            query = select(*_COLUMNS).where(catalog_table.c.repository_id == repository.id)
            row = connection.execute(query).one_or_none()
        return _NONE if row is None else CatalogData(*row)

    def put(self, key: RegistryKey, name: str, data: CatalogData, logo: bytes) -> CatalogData:
        """Give a repository catalog data in place of what it has, and return it.

        :param logo: an image; empty for none.
        :raises RepositoryNotFound: there is no such repository.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            return store_catalog_data(connection, repository, data, logo)

    def logo(self, logo_name: str) -> bytes | None:
        """Return a logo by the name that :class:`CatalogData` gives it."""
        if not _LOGO_NAME.fullmatch(logo_name):
            return None
        query = select(catalog_table.c.logo).where(catalog_table.c.logo_name == logo_name)
        logo: bytes | None = self._database.reader().execute(query).scalar()
        return logo


def store_catalog_data(
    connection: Connection, repository: Repository, data: CatalogData, logo: bytes
) -> CatalogData:
    """Store a repository's catalog data and return it, with the name that its logo got.

    :param logo: an image; empty for none.
    """
    stored = CatalogData(
        description=data.description,
        architectures=_listed(data.architectures),
        operating_systems=_listed(data.operating_systems),
        about_text=data.about_text,
        usage_text=data.usage_text,
        logo_name=_logo_name(logo) if logo else None,
    )
    values = {name: getattr(stored, name) for name in CatalogData.__slots__}
    put_row(connection, catalog_table, repository_id=repository.id, logo=logo or None, **values)
    return stored


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _logo_name(logo: bytes) -> str:
    suffix = next((suffix for start, suffix in _FORMATS if logo.startswith(start)), "")
    return f"{uuid.uuid4()}{suffix}"
