"""The tables that only public registries need; what they share with private ones they share."""

from __future__ import annotations

from sqlalchemy import JSON, Column, LargeBinary, Table, Text

from ecr_emulator.db.schema import Name, metadata, owner

#: The name by which a public registry is reached: one each, and each once.
public_registry_aliases = Table(
    "public_registry_aliases",
    metadata,
    Column("alias", Name, primary_key=True),
    Column("account", Name, nullable=False, unique=True),
)

public_registry_catalog_data = Table(
    "public_registry_catalog_data",
    metadata,
    Column("account", Name, primary_key=True),
    Column("display_name", Text),
)

#: What the gallery shows of a repository. A column is NULL where the caller gave nothing.
repository_catalog_data = Table(
    "repository_catalog_data",
    metadata,
    owner("repositories", primary_key=True),
    Column("description", Text),
    Column("architectures", JSON(none_as_null=True)),
    Column("operating_systems", JSON(none_as_null=True)),
    Column("about_text", Text),
    Column("usage_text", Text),
    #: The last part of the logo's URL: a random id and the suffix of the image's format.
    Column("logo_name", Name, unique=True),
    Column("logo", LargeBinary),
)
