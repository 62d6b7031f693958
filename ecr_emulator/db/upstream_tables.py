"""The tables of the pull-through cache: its rules, and what it has not got in whole yet."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text

from ecr_emulator.db.schema import Name, UtcTime, metadata, owner

pull_through_rules = Table(
    "pull_through_rules",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    #: The prefix without the slash that is assumed at its end: ``quay`` and ``quay/`` are one.
    Column("path", Name, primary_key=True),
    #: The prefix as the rule was created with it.
    Column("prefix", String, nullable=False),
    Column("upstream_url", Text, nullable=False),
    Column("upstream_registry", String, nullable=False),
    Column("upstream_prefix", String, nullable=False),
    Column("credential_arn", Text),
    Column("custom_role_arn", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

#: Cached images of which the repository lacks layers, or listed images, still; a row for each
#: tag they were pulled by (empty for none). What a push sets going waits until they are whole.
partial_images = Table(
    "partial_images",
    metadata,
    owner("images", primary_key=True),
    Column("tag", Name, primary_key=True),
)

#: When the upstream was last asked for the referrers of a cached image.
referrer_checks = Table(
    "referrer_checks",
    metadata,
    owner("images", primary_key=True),
    Column("checked_at", UtcTime, nullable=False),
)
