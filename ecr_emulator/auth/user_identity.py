"""Who made a call, as CloudTrail's records say it.

Source: CloudTrail user guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

from typing import Any

from .principals import ANONYMOUS, Principal


def user_identity(principal: Principal) -> dict[str, Any]:
    """Return the ``userIdentity`` of *principal*."""
    if principal == ANONYMOUS:
        # As in the records of services that let anybody in.
        return {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    known = {"principalId": principal.user_id, "arn": principal.arn, "accountId": principal.account}
    resource = principal.arn.rsplit(":", 1)[-1]
    if principal.kind == "root":
        return {"type": "Root", **known}
    if principal.kind == "user":
        return {"type": "IAMUser", **known, "userName": resource.rpartition("/")[2]}
    if principal.kind == "assumed-role":
        issuer = {
            "type": "Role",
            "principalId": principal.user_id.partition(":")[0],
            "arn": principal.session.identity_arn if principal.session else "",
            "accountId": principal.account,
            "userName": resource.split("/")[1],
        }
        return {"type": "AssumedRole", **known, "sessionContext": {"sessionIssuer": issuer}}
    if principal.kind == "federated-user":
        return {"type": "FederatedUser", **known}
    return {"type": "Unknown", **known}
