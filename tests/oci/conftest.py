"""The application in process, and a repository in it, for this folder's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.app import App, OciCaller, app, ecr, elsewhere, oci

__all__ = ["app", "ecr", "elsewhere", "oci"]

REPOSITORY = "team/app"


@pytest.fixture
def repository(ecr: Any) -> str:
    """The name of a repository of the caller's."""
    ecr.create_repository(repositoryName=REPOSITORY)
    return REPOSITORY


@pytest.fixture
def strict_app(app: App) -> App:
    """The application in another process that does as ECR does."""
    return app.another_process(strict_ecr=True)


@pytest.fixture
def strict(strict_app: App) -> OciCaller:
    """A caller at the OCI door that does as ECR does, over the same store."""
    return strict_app.oci()


@pytest.fixture
def stored(app: App) -> StoredFiles:
    """The files of the store."""
    return StoredFiles(app.folder)


class StoredFiles:
    """What the blob store has on disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def blobs(self) -> list[str]:
        """Return the digests of all blobs."""
        return sorted(
            f"{path.parent.parent.name}:{path.name}"
            for path in (self._folder / "blobs").rglob("*")
            if path.is_file()
        )

    def uploads(self) -> list[str]:
        """Return the ids of all uploads."""
        return sorted(path.name for path in (self._folder / "uploads").iterdir())
