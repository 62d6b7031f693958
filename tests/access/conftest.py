"""The application in process, with users and roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.app import App

IDENTITIES = Path(__file__).with_name("identities.toml")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    """An application that has read the users and roles of ``identities.toml``."""
    application = App(tmp_path / "data", identities=str(IDENTITIES))
    yield application
    application.close()
