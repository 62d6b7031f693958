"""Every table, with the rules that must hold across processes as constraints.

Times are integers, microseconds since the epoch in UTC: they sort and compare the same in
every database. Strings that clients choose compare by bytes in SQLite; migrations give the
same collation to PostgreSQL.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    column,
)
from sqlalchemy.engine import Dialect

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime kept as integer microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn an aware datetime into microseconds."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Turn microseconds into an aware datetime."""
        return None if value is None else utc_time(value)


def microseconds(moment: datetime) -> int:
    """Return how long after the epoch an aware time is."""
    return (moment - _EPOCH) // _MICROSECOND


def utc_time(since_epoch: int) -> datetime:
    """Return the aware UTC time so many microseconds after the epoch."""
    return _EPOCH + timedelta(0, 0, since_epoch)


#: SQLite gives a 64-bit row id only to INTEGER PRIMARY KEY; elsewhere ids must be BIGINT.
#: Its tables say ``sqlite_autoincrement`` too: SQLite would give the id of the last row anew
#: once that row is gone, to whom a listing's position or a job still means the old one.
RowId = BigInteger().with_variant(Integer, "sqlite")
#: A table with another primary key says ``sqlite_with_rowid=False``: its rows are then kept in the
#: key's own tree, and each writes a page less.
#: Names compare and sort by code point everywhere (the OCI tag list is in that order).
Name = String().with_variant(String(collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def owner(table: str, *, primary_key: bool = False, index: bool = False) -> Column[int]:
    """A reference to the row of *table* that owns this one and takes it along when it goes."""
    return Column(
        f"{'repository' if table == 'repositories' else 'image'}_id",
        RowId,
        ForeignKey(f"{table}.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
        index=index,
    )


#: What belongs to this installation alone, above all its secret.
installation = Table(
    "installation",
    metadata,
    Column("name", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

account_settings = Table(
    "account_settings",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

repositories = Table(
    "repositories",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Name, nullable=False),
    Column("region", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("tag_mutability", String, nullable=False),
    Column("tag_mutability_filters", JSON, nullable=False),
    Column("scan_on_push", Boolean, nullable=False),
    Column("encryption_type", String, nullable=False),
    Column("kms_key", Text),
    Column("policy_text", Text),
    UniqueConstraint("account", "region", "name"),
    sqlite_autoincrement=True,
)

repository_tags = Table(
    "repository_tags",
    metadata,
    owner("repositories", primary_key=True),
    Column("key", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

#: Every blob the store holds, once, whichever repositories link to it.
blobs = Table(
    "blobs",
    metadata,
    Column("digest", Name, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("stored_at", UtcTime, nullable=False),
)

#: A repository's links to blobs; only a link gives access.
layers = Table(
    "layers",
    metadata,
    owner("repositories", primary_key=True),
    Column("digest", Name, ForeignKey("blobs.digest"), primary_key=True, index=True),
    Column("linked_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", String(36), primary_key=True),
    owner("repositories", index=True),
    Column("started_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("size", BigInteger, nullable=False),
    #: The sha256 digest of the first ``size`` bytes.
    Column("digest", String, nullable=False),
    Column("last_part_size", BigInteger),
    #: The smallest part that another part followed (LayerPartTooSmallException).
    Column("smallest_part_size", BigInteger),
    Column("parts", Integer, nullable=False),
    #: The key that the bytes are sealed by; null for plain ones.
    Column("key_id", Name),
)

images = Table(
    "images",
    metadata,
    Column("id", RowId, primary_key=True),
    owner("repositories"),
    Column("digest", Name, nullable=False),
    Column("media_type", String, nullable=False),
    Column("artifact_media_type", String),
    #: Of the image as ECR counts it: configuration and layers, or the largest child.
    Column("size", BigInteger, nullable=False),
    Column("manifest_size", Integer, nullable=False),
    Column("pushed_at", UtcTime, nullable=False),
    Column("last_pulled_at", UtcTime),
    Column("subject_digest", Name),
    Column("status", String, nullable=False),
    Column("last_archived_at", UtcTime),
    Column("last_activated_at", UtcTime),
    UniqueConstraint("repository_id", "digest"),
    # Most images have no subject: they are not in it.
    Index(
        None,
        "repository_id",
        "subject_digest",
        sqlite_where=column("subject_digest").is_not(None),
        postgresql_where=column("subject_digest").is_not(None),
    ),
    # A page of a repository's images, in the order of their pushes.
    Index(None, "repository_id", "id"),
    sqlite_autoincrement=True,
)

#: Apart from ``images``, so that a listing of many images does not read their manifests.
manifests = Table(
    "manifests",
    metadata,
    owner("images", primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

image_tags = Table(
    "image_tags",
    metadata,
    owner("repositories", primary_key=True),
    Column("tag", Name, primary_key=True),
    owner("images", index=True),
    Column("tagged_at", UtcTime, nullable=False),
    #: When the upstream registry was last asked what the tag names there; null for a tag that
    #: is no cached one.
    Column("upstream_checked_at", UtcTime),
    sqlite_with_rowid=False,
)

#: The blobs that an image's manifest names: its configuration and its layers.
image_layers = Table(
    "image_layers",
    metadata,
    owner("images", primary_key=True),
    Column("digest", Name, primary_key=True, index=True),
    Column("media_type", String, nullable=False),
    sqlite_with_rowid=False,
)

#: The images that an index lists.
image_children = Table(
    "image_children",
    metadata,
    owner("images", primary_key=True),
    Column("digest", Name, primary_key=True, index=True),
    sqlite_with_rowid=False,
)
