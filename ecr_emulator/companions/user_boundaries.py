"""Permissions boundaries of users, which moto's IAM has not: it knows those of roles alone.

Without them a user would be let do what on AWS it may not. They are added to moto's IAM as its
own operations are, and kept with its users.

Source: IAM API reference, ``PutUserPermissionsBoundary``, ``DeleteUserPermissionsBoundary``,
``CreateUser``.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import EmptyResult
from moto.iam.exceptions import NoSuchEntity
from moto.iam.responses import IamResponse


def add_to_moto() -> None:
    """Add the operations, unless moto has them by now."""
    if hasattr(IamResponse, "put_user_permissions_boundary"):
        return
    create_user = IamResponse.create_user

    def create_user_with_boundary(self: Any) -> Any:
        policy_arn = self._get_param("PermissionsBoundary")
        if policy_arn:
            _check_policy(self.backend, policy_arn)
        result = create_user(self)
        if policy_arn:
            _set(self.backend.get_user(self._get_param("UserName")), policy_arn)
        return result

    IamResponse.create_user = create_user_with_boundary
    IamResponse.put_user_permissions_boundary = _put
    IamResponse.delete_user_permissions_boundary = _delete


def _put(self: Any) -> Any:
    user = self.backend.get_user(self._get_param("UserName"))
    policy_arn = self._get_param("PermissionsBoundary")
    _check_policy(self.backend, policy_arn)
    _set(user, policy_arn)
    return EmptyResult()


def _delete(self: Any) -> Any:
    _set(self.backend.get_user(self._get_param("UserName")), None)
    return EmptyResult()


def _check_policy(backend: Any, policy_arn: str) -> None:
    if policy_arn not in backend.managed_policies:
        # AWS's text for an attachment of a policy that is not there; likeliest.
        raise NoSuchEntity(f"Scope ARN: {policy_arn} does not exist or is not attachable.")


def _set(user: Any, policy_arn: str | None) -> None:
    user.permissions_boundary_arn = policy_arn
    # What GetUser shows.
    user.permissions_boundary = policy_arn and {
        "PermissionsBoundaryType": "PermissionsBoundaryPolicy",
        "PermissionsBoundaryArn": policy_arn,
    }
