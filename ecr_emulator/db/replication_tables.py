"""Tables of a registry's own policy, of replication and of replication backfills."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ecr_emulator.db.schema import Name, RowId, UtcTime, metadata, owner

registry_policies = Table(
    "registry_policies",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("policy_text", Text, nullable=False),
)

replication_configurations = Table(
    "replication_configurations",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    #: As :mod:`ecr_emulator.registry.replication_rules` writes and reads them.
    Column("rules", JSON, nullable=False),
)

#: How the replication of an image to one destination went, or that it is under way.
image_replications = Table(
    "image_replications",
    metadata,
    owner("images", primary_key=True),
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("status", String, nullable=False),
    Column("failure_code", String),
    #: Counts the pushes of the image (one for each tag it is given): only the work for the
    #: last of them ends what is under way.
    Column("push_number", Integer, nullable=False),
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("backfill_id", String(36), nullable=False, unique=True),
    Column("account", Name, nullable=False),
    Column("region", Name, nullable=False),
    Column("destination_account", Name, nullable=False),
    Column("destination_region", Name, nullable=False),
    #: The destination's region until the backfill ends, then null: one at a time for a region.
    Column("active_region", Name),
    Column("status", String, nullable=False),
    Column("failure_code", String),
    #: Null until the images to replicate are known.
    Column("total", Integer),
    Column("completed", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("failure_codes", JSON, nullable=False),
    #: Whether a worker is replicating an image of it now.
    Column("is_replicating", Boolean, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    UniqueConstraint("account", "region", "active_region"),
)

#: One replication of a backfill: an image with one of its tags, or without any.
backfill_items = Table(
    "backfill_items",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("backfill_id", RowId, ForeignKey("backfills.id", ondelete="CASCADE"), nullable=False),
    Column("repository_name", Name, nullable=False),
    Column("digest", Name, nullable=False),
    Column("tag", Name),
    #: Null until it is done; then COMPLETE or FAILED.
    Column("status", String),
    Column("failure_code", String),
    #: Of the images that an index lists; null for what is no index.
    Column("child_failure_codes", JSON),
    Index(None, "backfill_id", "id"),
)
