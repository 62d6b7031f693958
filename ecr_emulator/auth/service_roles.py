"""The roles that ECR itself assumes, because a registry is told to.

Source: user guide, "Setting up permissions for cross-account ECR to ECR PTC": the role trusts the
service ``pullthroughcache.ecr.amazonaws.com``, and what it may do is decided by its own policies
and, in another account, by that account's registry and repository policies.
"""

from __future__ import annotations

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.policy.context import Origin

from .access import Access, AccessDenied
from .directory import IdentitySource
from .identities import ROLE
from .principals import Principal

_PULL_THROUGH_CACHE = Principal(
    account="",
    arn="pullthroughcache.ecr.amazonaws.com",
    user_id="pullthroughcache.ecr.amazonaws.com",
)
_SESSION = "ecr-pull-through-cache"


class ServiceRoles:
    """Says what the roles of pull-through cache rules may do."""

    def __init__(self, access: Access, identities: IdentitySource, clock: Clock) -> None:
        self._access = access
        self._identities = identities
        self._clock = clock

    def may(self, role_arn: str, action: str, key: RegistryKey, repository: str | None) -> bool:
        """Say whether ECR may do *action* as a role: it can assume it, and the role may.

        :param role_arn: of an IAM role, well-formed.
        :param action: as ``ecr:BatchGetImage``.
        :param repository: ``None`` for the registry itself.
        """
        account = role_arn.split(":")[4]
        role = self._identities.find(account, ROLE, role_arn.rsplit("/", 1)[-1])
        if role is None or role.arn != role_arn:
            return False
        keys = {"aws:SourceAccount": account, "sts:RoleSessionName": _SESSION}
        try:
            self._access.check_role(
                _PULL_THROUGH_CACHE, "sts:AssumeRole", role_arn, role, Origin(), keys
            )
            session = role.session(_SESSION, int(self._clock.now().timestamp()))
            self._access.check(session, action, key, repository)
        except AccessDenied:
            return False
        return True
