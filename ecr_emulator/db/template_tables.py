"""The table of repository creation templates."""

from __future__ import annotations

from sqlalchemy import JSON, Column, String, Table, Text

from ecr_emulator.db.schema import Name, UtcTime, metadata

creation_templates = Table(
    "creation_templates",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    #: The prefix without the slash that is assumed at its end: ``prod`` and ``prod/`` are one.
    Column("path", Name, primary_key=True),
    #: The prefix as the template was created with it.
    Column("prefix", String, nullable=False),
    Column("applied_for", JSON, nullable=False),
    Column("description", Text, nullable=False),
    Column("tag_mutability", String, nullable=False),
    Column("tag_mutability_filters", JSON, nullable=False),
    Column("encryption_type", String, nullable=False),
    Column("kms_key", Text),
    Column("resource_tags", JSON, nullable=False),
    #: The policies as they were given; empty when there is none, as the role is.
    Column("repository_policy", Text, nullable=False),
    Column("lifecycle_policy", Text, nullable=False),
    Column("custom_role_arn", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
