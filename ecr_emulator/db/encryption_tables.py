"""The keys that blobs are sealed by (see :mod:`ecr_emulator.registry.encryption_keys`)."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, Table

from ecr_emulator.db.schema import Name, UtcTime, metadata

#: A key is made when something is first sealed by it. Its id is the ARN of the KMS key that it
#: stands for, or the one name of the installation's own.
encryption_keys = Table(
    "encryption_keys",
    metadata,
    Column("id", Name, primary_key=True),
    Column("is_disabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

#: The last version wraps data keys; earlier ones open what they have wrapped.
encryption_key_versions = Table(
    "encryption_key_versions",
    metadata,
    Column("key_id", Name, ForeignKey("encryption_keys.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    #: The key itself, wrapped by the master key.
    Column("material", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
