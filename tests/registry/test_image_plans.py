"""How the database finds the indexes that list an image: never by all images of a repository.

Every delete and every archiving asks for them. By all images, emptying a repository of
100,000 would take hours.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import event

from ecr_emulator.db.engine import Database
from ecr_emulator.registry.image_deletes import parents_of
from tests.support.app import App, app

__all__ = ["app"]


def test_by_what_is_listed(app: App) -> None:
    database = Database(app.settings.database_url)
    asked: list[tuple[str, Any]] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def remember(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with database.read() as connection:
        for digests in (["sha256:1"], ["sha256:1", "sha256:2"]):
            for archived in (True, False):
                assert parents_of(connection, 1, digests, archived=archived) == []
                plan = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {asked[-1][0]}", asked[-1][1]
                )
                steps = [row[3] for row in plan]
                assert "ix_image_children_digest (digest=?)" in steps[0], steps
    database.close()
