"""What ECR says when it refuses a client, as the clients print it."""

from __future__ import annotations

IMAGE_MISSING = "Requested image not found"
TOKEN_EXPIRED = "Your authorization token has expired. Reauthenticate and try again."


def repository_missing(name: str, account: str) -> str:
    """Return what is said of a repository that is not there."""
    return f"The repository with name '{name}' does not exist in the registry with id '{account}'"


def tag_immutable(tag: str, repository: str) -> str:
    """Return what is said of a push over a tag that cannot move."""
    return (
        f"The image tag '{tag}' already exists in the '{repository}' repository and cannot be"
        " overwritten because the tag is immutable."
    )
