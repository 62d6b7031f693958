"""The table of principals whose pulls leave no trace in ``lastRecordedPullTime``."""

from __future__ import annotations

from sqlalchemy import Column, Table

from ecr_emulator.db.schema import Name, UtcTime, metadata

pull_time_update_exclusions = Table(
    "pull_time_update_exclusions",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("principal_arn", Name, primary_key=True),
    Column("created_at", UtcTime, nullable=False),
)
