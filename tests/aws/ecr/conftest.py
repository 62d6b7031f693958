"""The application in process, for this folder's tests."""

from tests.support.app import app, ecr, elsewhere, oci

__all__ = ["app", "ecr", "elsewhere", "oci"]
