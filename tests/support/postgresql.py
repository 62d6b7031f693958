"""Databases of a PostgreSQL server for tests, if ``ECR_EMULATOR_TEST_POSTGRESQL`` names one.

The variable holds the URL of a database from which others may be made. The in-process tests then
run over databases of that server, instead of SQLite's.
"""

from __future__ import annotations

import atexit
import os
from functools import lru_cache
from uuid import uuid4

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from ecr_emulator.db import migrate
from ecr_emulator.setting_values import database_url

SERVER = os.environ.get("ECR_EMULATOR_TEST_POSTGRESQL", "")


def new_database(*, migrated: bool) -> str:
    """Make a database and return its URL; it goes when the tests end.

    :param migrated: whether it is a copy of one with the schema, and so with the same secret.
    """
    url = _create(_template() if migrated else None)
    if not migrated:
        migrate.upgrade(url)
    return url


@lru_cache(maxsize=1)
def _template() -> str:
    url = _create(None)
    migrate.upgrade(url)
    return str(make_url(url).database)


def _create(template: str | None) -> str:
    name = f"test_{uuid4().hex}"
    _execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template1'} STRATEGY file_copy")
    atexit.register(_execute, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    url = make_url(str(database_url(SERVER))).set(database=name)
    return url.render_as_string(hide_password=False)


def _execute(statement: str) -> None:
    engine = create_engine(str(database_url(SERVER)), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
