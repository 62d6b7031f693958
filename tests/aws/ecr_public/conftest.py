"""The application in process, and what the tests of ECR Public share."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.app import App, app, oci

__all__ = ["app", "oci"]

REPOSITORY = "team/app"


@pytest.fixture
def public(app: App) -> Any:
    """A boto3 client of ECR Public."""
    return app.ecr(service="ecr-public")


@pytest.fixture
def repository(public: Any) -> str:
    """The name of a public repository of the caller's."""
    public.create_repository(repositoryName=REPOSITORY)
    return REPOSITORY


@pytest.fixture
def alias(public: Any, repository: str) -> str:
    """The alias of the caller's public registry."""
    (registry,) = public.describe_registries()["registries"]
    (found,) = registry["aliases"]
    return str(found["name"])
