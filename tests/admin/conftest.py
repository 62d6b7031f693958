"""The application in process, for this folder's tests."""

from tests.support.app import app

__all__ = ["app"]
