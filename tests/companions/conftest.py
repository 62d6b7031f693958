"""An application with the companions in its own process, emptied between tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.app import App
from tests.support.fake_upstream import FakeUpstream

HUB = "registry-1.docker.io"


@pytest.fixture(scope="module")
def upstream() -> Iterator[FakeUpstream]:
    """A registry that stands for Docker Hub."""
    made = FakeUpstream()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory: pytest.TempPathFactory, upstream: FakeUpstream) -> Iterator[App]:
    made = App(
        tmp_path_factory.mktemp("companions") / "data",
        companions="on",
        upstreams={HUB: upstream.url},
    )
    yield made
    made.close()


@pytest.fixture
def app(shared_app: App) -> App:
    """The application, with nothing in it."""
    assert shared_app.make_new()
    return shared_app
