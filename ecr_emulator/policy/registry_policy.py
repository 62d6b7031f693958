"""Registry policies: what PutRegistryPolicy accepts beyond the grammar."""

from __future__ import annotations

from collections.abc import Collection

from .documents import InvalidPolicy, parse_policy
from .principals import check_principals
from .repository_policy import check_actions, covered

#: PutRegistryPolicy, ``policyText`` (API reference).
MAX_REGISTRY_POLICY_CHARACTERS = 10_240

#: The values of the account setting REGISTRY_POLICY_SCOPE.
SCOPES = ("V1", "V2")

#: All that a registry policy of scope V1 can speak about ("Private registry permissions",
#: ECR User Guide).
V1_ACTIONS = frozenset(
    {"ecr:BatchImportUpstreamImage", "ecr:CreateRepository", "ecr:ReplicateImage"}
)


def validate_registry_policy(
    text: str, known_actions: Collection[str], *, scope: str = "V2"
) -> None:
    """Check that ECR would take *text* as a registry policy.

    Every statement needs a principal and a resource. Under scope V1 only the actions of
    :data:`V1_ACTIONS` may be named, under V2 all of the service's.

    :param known_actions: the service's actions, from :func:`.actions.action_names`.
    :param scope: ``V1`` or ``V2``, the registry's setting REGISTRY_POLICY_SCOPE.
    :raises InvalidPolicy: with the reason.
    """
    if scope not in SCOPES:
        raise ValueError(f"unknown registry policy scope {scope!r}")
    if len(text) > MAX_REGISTRY_POLICY_CHARACTERS:
        raise InvalidPolicy(
            f"the policy is longer than {MAX_REGISTRY_POLICY_CHARACTERS} characters"
        )
    policy = parse_policy(text)
    check_principals(policy)
    check_actions(policy, known_actions)
    for statement in policy.statements:
        where = f"statement {statement.index + 1}"
        if not statement.resources and not statement.not_resources:
            raise InvalidPolicy(f"{where} has no Resource")
        if scope == "V1":
            if statement.not_actions:
                raise InvalidPolicy(f"{where}: NotAction reaches beyond scope V1")
            for pattern in statement.actions:
                if not covered(pattern, known_actions) <= V1_ACTIONS:
                    raise InvalidPolicy(f"{where}: {pattern!r} reaches beyond scope V1")


def governs(action: str, scope: str) -> bool:
    """Tell whether a registry policy of *scope* has a say about *action* (``ecr:PutImage``)."""
    return scope == "V2" or action in V1_ACTIONS
