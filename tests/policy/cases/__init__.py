"""Access decisions as AWS's documents give them, one table for each theme.

Every case names the page it follows; pages are given by their path below docs.aws.amazon.com.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

IAM = "IAM/latest/UserGuide"
OPERATORS = f"{IAM}/reference_policies_elements_condition_operators.html"
SET_OPERATORS = f"{IAM}/reference_policies_condition-single-vs-multi-valued-context-keys.html"
MULTIVALUED_EXAMPLES = f"{IAM}/reference_policies_condition_examples-multi-valued-context-keys.html"
MULTIPLE_CONDITIONS = (
    f"{IAM}/reference_policies_condition-logic-multiple-context-keys-or-values.html"
)
VARIABLES = f"{IAM}/reference_policies_variables.html"
VERSION = f"{IAM}/reference_policies_elements_version.html"
ACTION = f"{IAM}/reference_policies_elements_action.html"
NOT_ACTION = f"{IAM}/reference_policies_elements_notaction.html"
RESOURCE = f"{IAM}/reference_policies_elements_resource.html"
NOT_RESOURCE = f"{IAM}/reference_policies_elements_notresource.html"
PRINCIPAL = f"{IAM}/reference_policies_elements_principal.html"
NOT_PRINCIPAL = f"{IAM}/reference_policies_elements_notprincipal.html"
IDENTIFIERS = f"{IAM}/reference_identifiers.html"
CONDITION = f"{IAM}/reference_policies_elements_condition.html"
CONDITION_KEYS = f"{IAM}/reference_policies_condition-keys.html"
EVALUATION = f"{IAM}/reference_policies_evaluation-logic_policy-eval-denyallow.html"
SINGLE_ACCOUNT = f"{IAM}/reference_policies_evaluation-logic_policy-eval-basics.html"
CROSS_ACCOUNT = f"{IAM}/reference_policies_evaluation-logic-cross-account.html"
EXPLICIT_IMPLICIT = f"{IAM}/reference_policies_evaluation-logic_AccessPolicyLanguage_Interplay.html"
BOUNDARIES = f"{IAM}/access_policies_boundaries.html"
POLICY_TYPES = f"{IAM}/access_policies.html"
ACCESS_DENIED = f"{IAM}/troubleshoot_access-denied.html"
FEDERATION_TOKEN = "STS/latest/APIReference/API_GetFederationToken.html"
REPOSITORY_EXAMPLES = "AmazonECR/latest/userguide/repository-policy-examples.html"
REGISTRY_EXAMPLES = "AmazonECR/latest/userguide/registry-permissions-examples.html"
ECR_IDENTITY_EXAMPLES = "AmazonECR/latest/userguide/security_iam_id-based-policy-examples.html"
ECR_AND_IAM = "AmazonECR/latest/userguide/security_iam_service-with-iam.html"
ECR_ENDPOINTS = "AmazonECR/latest/userguide/vpc-endpoints.html"
ECR_PUSH = "AmazonECR/latest/userguide/image-push-iam.html"
ECR_PUBLIC_EXAMPLES = "AmazonECR/latest/public/public-repository-policy-examples.html"
ECR_KEYS = "service-authorization/latest/reference/list_amazonelasticcontainerregistry.html"

ALICE = "arn:aws:iam::111122223333:user/alice"
SESSION = "arn:aws:sts::111122223333:assumed-role/examplerole/examplerolesessionname"
ROLE = "arn:aws:iam::111122223333:role/examplerole"
REPOSITORY = "arn:aws:ecr:us-east-1:111122223333:repository/app"
PULL = "ecr:BatchGetImage"
PULL_ACTIONS = ["ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
PUSH_ACTIONS = [
    "ecr:BatchCheckLayerAvailability",
    "ecr:PutImage",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
]

Statement = dict[str, Any]
#: Statements (of version 2012-10-17), or a whole policy.
Policy = Sequence[Statement] | Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One decision: who asks for what under which policies, and what comes of it.

    :ivar expected: ``allow``, ``explicit deny`` or ``implicit deny``.
    :ivar by: the name of the :class:`PolicyKind` that decides, or an empty string for the root
        user's own access.
    :ivar sid: the Sid of the statement that decides, where it is worth telling.
    """

    page: str
    title: str
    expected: str
    by: str = "IDENTITY"
    principal: str = ALICE
    action: str = PULL
    resource: str = REPOSITORY
    identity: Policy | None = None
    boundary: Policy | None = None
    session: Policy | None = None
    repository: Policy | None = None
    registry: Policy | None = None
    trust: Policy | None = None
    endpoint: Policy | None = None
    context: Mapping[str, str | Collection[str]] = field(default_factory=dict)
    resource_account: str = ""
    identity_arn: str = ""
    sid: str | None = None


def allow(action: str | list[str] = "ecr:*", resource: str = "*", **rest: Any) -> list[Statement]:
    """An identity-based policy of one Allow statement."""
    return [{"Effect": "Allow", "Action": action, "Resource": resource, **rest}]


def deny(action: str | list[str] = "ecr:*", resource: str = "*", **rest: Any) -> list[Statement]:
    """An identity-based policy of one Deny statement."""
    return [{"Effect": "Deny", "Action": action, "Resource": resource, **rest}]


def grant(principal: Any, action: str | list[str] = "ecr:*", **rest: Any) -> list[Statement]:
    """A resource-based policy of one Allow statement."""
    return [{"Effect": "Allow", "Principal": principal, "Action": action, **rest}]


def refuse(principal: Any, action: str | list[str] = "ecr:*", **rest: Any) -> list[Statement]:
    """A resource-based policy of one Deny statement."""
    return [{"Effect": "Deny", "Principal": principal, "Action": action, **rest}]


def aws(*names: str) -> dict[str, list[str]]:
    """AWS principals by their ARNs or account ids."""
    return {"AWS": list(names)}


def row(
    page: str,
    condition: dict[str, Any],
    context: Mapping[str, str | Collection[str]],
    holds: bool,
) -> Case:
    """A line of a table of conditions: an Allow under *condition*, and whether it is met."""
    return Case(
        page=page,
        title=f"{condition} given {dict(context)}",
        expected="allow" if holds else "implicit deny",
        identity=allow(Condition=condition),
        context=context,
    )
