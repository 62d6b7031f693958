"""Tables of image scanning: configurations, scans, findings and the vulnerability database."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from ecr_emulator.db.schema import Name, RowId, UtcTime, metadata, owner

registry_scanning_configurations = Table(
    "registry_scanning_configurations",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("scan_type", String, nullable=False),
    #: As :mod:`ecr_emulator.registry.scanning_rules` writes and reads them.
    Column("rules", JSON, nullable=False),
)

#: The last scan of an image by each type of scanning: basic and enhanced scans are kept side
#: by side, as a registry that goes back to a type finds its scans again.
image_scans = Table(
    "image_scans",
    metadata,
    owner("images", primary_key=True),
    Column("scan_type", String, primary_key=True),
    #: Of the image's registry, for its quota.
    Column("account", Name, nullable=False),
    Column("region", Name, nullable=False),
    #: Counts the scans of the image: only the work for the last of them ends it.
    Column("number", Integer, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("status", String, nullable=False),
    Column("description", Text),
    #: What a caller must know of the last completed scan, such as that nothing was looked up.
    Column("note", Text),
    #: Of the last scan that was completed; null before there was one.
    Column("completed_at", UtcTime),
    Column("source_updated_at", UtcTime),
    Column("severity_counts", JSON),
    Index(None, "account", "region", "started_at"),
)

#: What the last completed scan found, in the order of the answers.
scan_findings = Table(
    "scan_findings",
    metadata,
    Column("image_id", RowId, primary_key=True),
    Column("scan_type", String, primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    #: In the API's shape, with times as text.
    Column("finding", JSON, nullable=False),
    ForeignKeyConstraint(
        ["image_id", "scan_type"],
        ["image_scans.image_id", "image_scans.scan_type"],
        ondelete="CASCADE",
    ),
)

#: What a test wants to be found in an image, which need not be there yet.
pinned_findings = Table(
    "pinned_findings",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("repository_name", Name, primary_key=True),
    Column("digest", Name, primary_key=True),
    Column("document", JSON, nullable=False),
)

#: Emptying the registries leaves these: they were loaded for all of them.
_OUTLIVES_RESET = {"outlives_reset": True}

vulnerabilities = Table(
    "vulnerabilities",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("osv_id", Name, nullable=False, unique=True),
    Column("modified_at", UtcTime, nullable=False),
    #: What findings tell of it: :class:`ecr_emulator.scanning.osv.Advisory`.
    Column("advisory", JSON, nullable=False),
    info=_OUTLIVES_RESET,
)

#: Which packages a vulnerability affects, and in which versions.
vulnerable_packages = Table(
    "vulnerable_packages",
    metadata,
    Column("id", RowId, primary_key=True),
    Column(
        "vulnerability_id",
        RowId,
        ForeignKey("vulnerabilities.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("ecosystem", Name, nullable=False),
    Column("name", Name, nullable=False),
    #: :class:`ecr_emulator.scanning.osv.Affected`.
    Column("affected", JSON, nullable=False),
    Index(None, "ecosystem", "name"),
    info=_OUTLIVES_RESET,
)

#: Which ecosystems the database covers, and how recent what it says of them is.
vulnerability_ecosystems = Table(
    "vulnerability_ecosystems",
    metadata,
    Column("ecosystem", Name, primary_key=True),
    Column("imported_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    info=_OUTLIVES_RESET,
)
