"""Tables of managed signing: configurations, how it went for each image, and the keys."""

from __future__ import annotations

from sqlalchemy import JSON, Column, LargeBinary, String, Table, Text

from ecr_emulator.db.schema import Name, UtcTime, metadata, owner

signing_configurations = Table(
    "signing_configurations",
    metadata,
    Column("account", Name, primary_key=True),
    Column("region", Name, primary_key=True),
    #: As :mod:`ecr_emulator.registry.signing_rules` writes and reads them.
    Column("rules", JSON, nullable=False),
)

#: How the signing of an image by one signing profile went, or that it is under way.
image_signings = Table(
    "image_signings",
    metadata,
    owner("images", primary_key=True),
    Column("profile_arn", Name, primary_key=True),
    Column("status", String, nullable=False),
    Column("failure_code", String),
    Column("failure_reason", Text),
)

#: The key that stands for a signing profile in this installation, and its certificate.
signing_keys = Table(
    "signing_keys",
    metadata,
    Column("profile_arn", Name, primary_key=True),
    #: PKCS #8, DER.
    Column("private_key", LargeBinary, nullable=False),
    #: X.509, DER.
    Column("certificate", LargeBinary, nullable=False),
    Column("created_at", UtcTime, nullable=False),
)
