"""One world for each module: hostile requests must leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hostile.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An application with an image in it. At the end it must be whole."""
    made = World(tmp_path_factory.mktemp("world"))
    yield made
    made.close()
