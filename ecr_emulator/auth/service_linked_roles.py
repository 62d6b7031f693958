"""The roles that ECR makes for itself in an account, when a caller first makes it need them.

Source: user guide, "Using service-linked roles for Amazon ECR".
"""

from __future__ import annotations

import json

from ecr_emulator.policy.actions import SERVICE_LINKED_ROLES

from .identities import ROLE, Identities, IdentitySpec


class ServiceLinkedRoles:
    """The service-linked roles of every account."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def exists(self, account: str, service: str) -> bool:
        """Say whether *account* has the role of *service* (``replication.ecr.amazonaws.com``)."""
        name = SERVICE_LINKED_ROLES[service]
        return self._identities.find(account, ROLE, name) is not None

    def create(self, account: str, service: str) -> None:
        """Make the role of *service* in *account*."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        self._identities.put(
            IdentitySpec(
                account,
                ROLE,
                SERVICE_LINKED_ROLES[service],
                path=_path(service),
                trust_policy=json.dumps(trust),
            )
        )


def service_linked_role_arn(account: str, service: str) -> str:
    """Return the ARN of the role of *service*, which need not be there."""
    return f"arn:aws:iam::{account}:role{_path(service)}{SERVICE_LINKED_ROLES[service]}"


def _path(service: str) -> str:
    return f"/aws-service-role/{service}/"
