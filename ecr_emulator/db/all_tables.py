"""Every table of the database in one metadata: importing this module makes it complete."""

from __future__ import annotations

from ecr_emulator.db import (
    encryption_tables,
    event_tables,
    identity_tables,
    jobs_table,
    lifecycle_tables,
    public_tables,
    pull_exclusion_tables,
    replication_tables,
    scanning_tables,
    signing_tables,
    template_tables,
    upstream_tables,
)
from ecr_emulator.db.schema import metadata

__all__ = [
    "encryption_tables",
    "event_tables",
    "identity_tables",
    "jobs_table",
    "lifecycle_tables",
    "metadata",
    "public_tables",
    "pull_exclusion_tables",
    "replication_tables",
    "scanning_tables",
    "signing_tables",
    "template_tables",
    "upstream_tables",
]
