"""Brings a database's schema up to date, once, before any worker starts."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.engine import make_url

from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import installation

_MIGRATIONS = Path(__file__).with_name("migrations")
#: The PostgreSQL advisory lock that keeps two nodes from migrating at once.
_ADVISORY_LOCK = 4_566_2015_09_21
_SECRET = "secret"


class SchemaTooNew(Exception):
    """The database was made by a newer version of the emulator."""


def upgrade(database_url: str) -> str:
    """Create the schema or bring it to the newest revision, and give the installation a secret.

    Safe to call from several processes at once: one does the work, the others wait.

    :returns: a name of the database that no other has, and that is no secret.
    :raises SchemaTooNew: when the database has a revision that this version does not know.
    """
    database = Database(database_url)
    try:
        with _alone(database_url, database):
            _upgrade(database)
        return hashlib.sha256(b"name\0" + installation_secret(database)).hexdigest()[:32]
    finally:
        database.close()


def alembic_config() -> Config:
    """Return Alembic's configuration for the package's own migrations."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def installation_secret(database: Database) -> bytes:
    """Return the secret that signs this installation's tokens, links and paging positions."""
    query = select(installation.c.value).where(installation.c.name == _SECRET)
    with database.read() as connection:
        return bytes.fromhex(connection.execute(query).scalar_one())


def _upgrade(database: Database) -> None:
    script = ScriptDirectory.from_config(alembic_config())
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    if current is not None and current not in {r.revision for r in script.walk_revisions()}:
        raise SchemaTooNew(
            f"the database is at revision {current}, which this version does not know; "
            "use a newer version or another data folder"
        )
    config = alembic_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _ensure_secret(connection)


def _ensure_secret(connection: Connection) -> None:
    query = select(installation.c.value).where(installation.c.name == _SECRET)
    if connection.execute(query).scalar() is None:
        values = {"name": _SECRET, "value": secrets.token_hex(32)}
        connection.execute(insert(installation).values(**values))


@contextmanager
def _alone(database_url: str, database: Database) -> Iterator[None]:
    """Keep every other process from migrating this database for the length of the block."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_name(path.name + ".migrate.lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
        return
    with database.engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
