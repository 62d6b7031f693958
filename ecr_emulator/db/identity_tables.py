"""Tables of IAM's side: users and roles, their policies and their access keys."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, String, Table, Text, UniqueConstraint

from ecr_emulator.db.schema import Name, RowId, UtcTime, metadata

identities = Table(
    "identities",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("account", Name, nullable=False),
    #: ``user`` or ``role``.
    Column("kind", String, nullable=False),
    Column("name", Name, nullable=False),
    Column("path", Name, nullable=False),
    Column("unique_id", String(21), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("permissions_boundary", Text),
    #: A role's trust policy.
    Column("trust_policy", Text),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account", "kind", "name"),
)


def _identity(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "identity_id",
        RowId,
        ForeignKey("identities.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


identity_policies = Table(
    "identity_policies",
    metadata,
    _identity(primary_key=True),
    Column("name", Name, primary_key=True),
    Column("policy_text", Text, nullable=False),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("access_key_id", Name, primary_key=True),
    Column("secret", String, nullable=False),
    _identity(),
)

#: Which organization an account belongs to (``aws:PrincipalOrgID``).
account_organizations = Table(
    "account_organizations",
    metadata,
    Column("account", Name, primary_key=True),
    Column("organization_id", String, nullable=False),
)
