"""The application in process, for this folder's tests."""

from tests.support.app import app, ecr, oci

__all__ = ["app", "ecr", "oci"]
