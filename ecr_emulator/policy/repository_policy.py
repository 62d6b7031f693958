"""Repository policies: what SetRepositoryPolicy accepts beyond the grammar."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .context import RequestContext
from .documents import InvalidPolicy, PolicyDocument, parse_policy
from .matching import action_matches
from .principals import check_principals
from .requesters import requester_from_arn
from .statements import AccessRequest, match_statement

#: SetRepositoryPolicy, ``policyText`` (API reference).
MAX_REPOSITORY_POLICY_CHARACTERS = 10_240


def validate_repository_policy(text: str, known_actions: Collection[str]) -> None:
    """Check that ECR would take *text* as a repository policy.

    Every statement needs a principal, and may not have a resource, as the policy is that of one
    repository (aws/aws-cdk#24314, awsdocs/amazon-ecr-user-guide#20: ECR refuses it); every action
    must exist in the service ("Private repository policies", ECR User Guide).

    :param known_actions: the service's actions, from :func:`.actions.action_names`.
    :raises InvalidPolicy: with the reason.
    """
    if len(text) > MAX_REPOSITORY_POLICY_CHARACTERS:
        raise InvalidPolicy(
            f"the policy is longer than {MAX_REPOSITORY_POLICY_CHARACTERS} characters"
        )
    policy = parse_policy(text)
    for statement in policy.statements:
        if statement.resources or statement.not_resources:
            raise InvalidPolicy("a repository's policy is about that repository alone")
    check_principals(policy)
    check_actions(policy, known_actions)


def check_actions(policy: PolicyDocument, known_actions: Collection[str]) -> None:
    """Check that every action pattern of *policy* covers an action of the service.

    :raises InvalidPolicy: naming the pattern that covers none.
    """
    for statement in policy.statements:
        for pattern in (*statement.actions, *statement.not_actions):
            if not covered(pattern, known_actions):
                raise InvalidPolicy(f"{pattern!r} is no action of the service")


def covered(pattern: str, known_actions: Collection[str]) -> frozenset[str]:
    """Return those of *known_actions* that the action *pattern* covers."""
    return frozenset(action for action in known_actions if action_matches(pattern, action))


def locks_out(policy: PolicyDocument, caller_arn: str, action: str, *, repository_arn: str) -> bool:
    """Tell whether *policy* would keep the caller from *action* on the repository later on.

    That is so when a statement denies it without a condition, or when the caller is of another
    account and nothing allows it any more (``force`` of SetRepositoryPolicy, API reference:
    "prevent accidental repository lock outs"). A Deny under a condition does not count: whether
    it holds is known only when the later request is made.

    :param caller_arn: the ARN of a root, user or session.
    :param action: for example ``ecr:SetRepositoryPolicy``.
    :raises ValueError: when *caller_arn* is no principal.
    """
    request = AccessRequest(
        requester=requester_from_arn(caller_arn),
        action=action,
        resource=repository_arn,
        context=RequestContext(),
    )
    allowed = request.requester.account == request.owner
    for statement in policy.statements:
        match = match_statement(
            replace(statement, conditions=()),
            request,
            version=policy.version,
            is_resource_policy=True,
        )
        if match.applies:
            if statement.effect == "Allow":
                allowed = True
            elif not statement.conditions:
                return True
    return not allowed
