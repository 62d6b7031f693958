"""Whether a registry lets another one replicate into it.

ECR replicates as the source account's service-linked role AWSServiceRoleForECRReplication,
whose own policy allows ``ecr:ReplicateImage`` and ``ecr:CreateRepository`` everywhere; an
account's registries may so replicate to each other, and a registry of another account must
allow it by its registry policy. Sources: user guide "Amazon ECR service-linked role for
replication", "Private image replication" (policy requirements).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from ecr_emulator.arns import RegistryKey
from ecr_emulator.policy.context import (
    Caller,
    RequestContext,
    caller_keys,
    resource_keys,
    time_keys,
)
from ecr_emulator.policy.documents import parse_policy
from ecr_emulator.policy.evaluation import Decision, evaluate
from ecr_emulator.policy.policy_sets import NamedPolicy, PolicySet
from ecr_emulator.policy.requesters import Requester, RequesterKind
from ecr_emulator.policy.statements import AccessRequest
from ecr_emulator.registry.registry_policies import registry_policy_text

REPLICATE_IMAGE = "ecr:ReplicateImage"
CREATE_REPOSITORY = "ecr:CreateRepository"

_ROLE = "AWSServiceRoleForECRReplication"
_ROLE_POLICY = NamedPolicy(
    "ECRReplicationServiceRolePolicy",
    parse_policy(
        '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*",'
        f' "Action": ["{CREATE_REPOSITORY}", "{REPLICATE_IMAGE}"]}}]}}'
    ),
)


def decide_replication(
    connection: Connection,
    source: RegistryKey,
    destination: RegistryKey,
    repository_name: str,
    action: str,
    *,
    repository_tags: Mapping[str, str],
    now: datetime,
) -> Decision:
    """Decide whether *source* may do *action* to a repository of *destination*.

    :param action: :data:`REPLICATE_IMAGE` or :data:`CREATE_REPOSITORY`.
    :param repository_tags: the tags of the repository at the destination.
    """
    role = f"arn:{source.partition}:iam::{source.account}:role/aws-service-role"
    requester = Requester(
        kind=RequesterKind.ROLE_SESSION,
        arn=f"arn:{source.partition}:sts::{source.account}:assumed-role/{_ROLE}/ecr-replication",
        account=source.account,
        identity_arn=f"{role}/replication.ecr.amazonaws.com/{_ROLE}",
    )
    keys = {
        **caller_keys(Caller(requester)),
        **time_keys(now),
        **resource_keys(
            "ecr",
            account=destination.account,
            region=destination.region,
            tags=repository_tags,
        ),
    }
    text = registry_policy_text(connection, destination)
    policies = PolicySet(
        identity=(_ROLE_POLICY,),
        registry=None if text is None else NamedPolicy("registry", parse_policy(text)),
    )
    request = AccessRequest(
        requester=requester,
        action=action,
        resource=destination.repository_arn(repository_name),
        context=RequestContext(keys),
    )
    return evaluate(request, policies)
