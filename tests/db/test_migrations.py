"""The migrations: they make the schema, once, whoever asks and how often."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from ecr_emulator.db import migrate
from ecr_emulator.db.all_tables import metadata
from ecr_emulator.db.engine import Database
from ecr_emulator.db.migrate import SchemaTooNew, alembic_config, installation_secret, upgrade


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite3"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database that is brought up to date."""
    upgrade(url)
    made = Database(url)
    yield made
    made.close()


def head() -> str | None:
    return ScriptDirectory.from_config(alembic_config()).get_current_head()


def test_they_make_the_schema(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert context.get_current_revision() == head()
        assert compare_metadata(context, metadata) == []


def test_they_make_constraints_and_indexes(database: Database) -> None:
    """What the comparison does not look at: keys, and what goes with what."""
    found = inspect(database.engine)
    for table in metadata.sorted_tables:
        columns = found.get_columns(table.name)
        assert [column["name"] for column in columns] == [column.name for column in table.columns]
        key = found.get_pk_constraint(table.name)["constrained_columns"]
        assert key == [column.name for column in table.primary_key]
        references = {
            (reference["constrained_columns"][0], reference["referred_table"]): reference[
                "options"
            ].get("ondelete")
            for reference in found.get_foreign_keys(table.name)
        }
        assert references == {
            (constraint.column_keys[0], constraint.referred_table.name): constraint.ondelete
            for constraint in table.foreign_key_constraints
        }


def test_there_is_one_line_of_revisions() -> None:
    script = ScriptDirectory.from_config(alembic_config())
    assert len(script.get_heads()) == len(script.get_bases()) == 1


@pytest.mark.parametrize("name", ["repositories", "images", "jobs"])
def test_ids_are_not_given_anew(database: Database, name: str) -> None:
    """A page's position, a job's claim or an upload's repository must not mean another row."""
    query = text("SELECT sql FROM sqlite_master WHERE name = :name")
    with database.read() as connection:
        statement = connection.execute(query, {"name": name}).scalar_one()
    assert "AUTOINCREMENT" in statement


def test_again_changes_nothing(url: str, database: Database) -> None:
    secret = installation_secret(database)
    assert len(secret) == 32
    for _ in range(2):
        upgrade(url)
        assert installation_secret(database) == secret


def test_every_installation_has_its_own_secret(database: Database, tmp_path: Path) -> None:
    other_url = f"sqlite:///{tmp_path}/deep/in/there/other.sqlite3"
    upgrade(other_url)
    other = Database(other_url)
    try:
        assert installation_secret(other) != installation_secret(database)
    finally:
        other.close()


@pytest.mark.parametrize("folder", ["with blank", "50%", "100%s", "\u00fcml#ut"])
def test_folders_with_odd_names(tmp_path: Path, folder: str) -> None:
    upgrade(f"sqlite:///{tmp_path}/{folder}/registry.sqlite3")
    assert (tmp_path / folder / "registry.sqlite3").exists()


def test_one_that_fails_leaves_nothing(
    url: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> NoReturn:
        raise RuntimeError("as if the process died")

    with monkeypatch.context() as patch:
        patch.setattr(migrate, "_ensure_secret", fail)
        with pytest.raises(RuntimeError):
            upgrade(url)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    connection.close()
    upgrade(url)


def test_of_a_newer_version(url: str, database: Database, path: Path) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = path.read_bytes()
    with pytest.raises(SchemaTooNew) as caught:
        upgrade(url)
    assert str(caught.value) == (
        "the database is at revision 9999, which this version does not know; use a newer version "
        "or another data folder"
    )
    assert path.read_bytes() == before


def test_several_processes_at_once(url: str, path: Path) -> None:
    """One does the work; the others wait, and find it done."""
    program = (
        "import sys\n"
        "from ecr_emulator.db.engine import Database\n"
        "from ecr_emulator.db.migrate import installation_secret, upgrade\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "upgrade(sys.argv[1])\n"
        "print(installation_secret(Database(sys.argv[1])).hex())\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        # Released together.
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=60) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [error for _, error in answers] == [""] * 4
    assert len({secret for secret, _ in answers}) == 1
    assert [process.returncode for process in processes] == [0] * 4
