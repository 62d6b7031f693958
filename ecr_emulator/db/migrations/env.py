"""Alembic's entry point: runs the revisions on the connection that migrate.py hands over."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.schema import UtcTime


def _render(kind: str, item: Any, _autogen_context: Any) -> str | Literal[False]:
    """Write plain types into revisions, so that they do not follow the package's own types."""
    return "sa.BigInteger()" if kind == "type" and isinstance(item, UtcTime) else False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
