"""Tables of lifecycle policies and of their previews."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Index, Integer, String, Table, Text

from ecr_emulator.db.schema import Name, RowId, UtcTime, metadata, owner

lifecycle_policies = Table(
    "lifecycle_policies",
    metadata,
    owner("repositories", primary_key=True),
    #: As ECR echoes it (:func:`ecr_emulator.registry.lifecycle_policy.render_lifecycle_policy`).
    Column("policy_text", Text, nullable=False),
    Column("last_evaluated_at", UtcTime),
    #: The due time of the one queued job that is to run it: jobs of other times are void.
    Column("next_run_at", UtcTime, nullable=False),
)

#: A repository's last preview.
lifecycle_previews = Table(
    "lifecycle_previews",
    metadata,
    owner("repositories", primary_key=True),
    #: Tells it from the previews before it, for the job that makes it.
    Column("preview_id", String(36), nullable=False),
    #: To the byte as it was submitted.
    Column("policy_text", Text, nullable=False),
    Column("status", String, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("expiring", Integer, nullable=False),
    Column("transitioning", Integer, nullable=False),
)

#: What a preview found, image by image, in the order in which it is listed.
lifecycle_preview_results = Table(
    "lifecycle_preview_results",
    metadata,
    Column("id", RowId, primary_key=True),
    owner("repositories"),
    Column("digest", Name, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("is_tagged", Boolean, nullable=False),
    Column("pushed_at", UtcTime, nullable=False),
    Column("storage_class", String, nullable=False),
    Column("action", String, nullable=False),
    Column("target_storage_class", String),
    Column("rule_priority", Integer, nullable=False),
    Index(None, "repository_id", "id"),
)
