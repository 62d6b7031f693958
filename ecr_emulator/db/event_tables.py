"""Tables of events: what happened, and what of it is still to be told to whom."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table

from ecr_emulator.db.schema import Name, RowId, UtcTime, metadata

#: The log of events, the newest with the highest id. It has no other index: every change writes to
#: it, and it is kept short.
events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("happened_at", UtcTime, nullable=False),
    Column("account", Name, nullable=False),
    Column("region", Name, nullable=False),
    Column("detail_type", String, nullable=False),
    #: The whole event as EventBridge has it.
    Column("body", JSON, nullable=False),
    sqlite_autoincrement=True,
)

#: What each target was not told yet. A row goes when its event was delivered or given up.
event_deliveries = Table(
    "event_deliveries",
    metadata,
    Column("target", Name, primary_key=True),
    Column(
        "event_id",
        RowId,
        ForeignKey("events.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
)

#: Of each target that was ever told of something, how its deliveries stand.
event_targets = Table(
    "event_targets",
    metadata,
    Column("target", Name, primary_key=True),
    #: Counts the jobs: only the last one queued does anything, so there is never more than one.
    Column("run", Integer, nullable=False),
    #: Whether that job is queued or at work.
    Column("is_scheduled", Boolean, nullable=False),
    #: How often the oldest event that is due was tried in vain.
    Column("failures", Integer, nullable=False),
)
