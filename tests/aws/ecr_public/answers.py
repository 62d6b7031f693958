"""What boto3 returns, without what is boto3's own."""

from __future__ import annotations

from typing import Any


def members(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the members of an answer."""
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def not_found(name: str, account: str) -> tuple[str, str]:
    """Return the refusal of a repository that does not exist, as ECR words it."""
    return (
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account}'",
    )


def denied(account: str, owner: str, action: str, repository: str) -> tuple[str, str]:
    """Return the refusal of a stranger, as IAM words it."""
    return (
        "AccessDeniedException",
        f"User: arn:aws:iam::{account}:root is not authorized to perform: ecr-public:{action} on "
        f"resource: arn:aws:ecr-public::{owner}:repository/{repository} because no "
        f"resource-based policy allows the ecr-public:{action} action",
    )


def constraint(member: str, words: str) -> tuple[str, str]:
    """Return the refusal of a parameter that breaks a constraint of the model."""
    return (
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{words}'",
    )
