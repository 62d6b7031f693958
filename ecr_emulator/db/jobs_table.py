"""The table of work that is to be done after an answer."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Integer, String, Table, Text

from ecr_emulator.db.schema import RowId, UtcTime, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("kind", String, nullable=False),
    Column("payload", JSON, nullable=False),
    #: Not before this time; a worker that takes the job moves it to the end of its claim.
    Column("due_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("last_error", Text),
    #: Set when the job is given up: it stays for a look, and is not taken again.
    Column("failed_at", UtcTime),
    Index(None, "due_at"),
    sqlite_autoincrement=True,
)
