"""AssumeRole: temporary credentials for a role, if its trust policy allows the caller.

Source: STS API reference, ``AssumeRole``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from ecr_emulator.auth.access import AccessDenied
from ecr_emulator.auth.identities import ROLE, Identity
from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.sigv4 import Authenticated
from ecr_emulator.policy.context import Origin, Value
from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.identity_policy import parse_session_policy

from .query import QueryError
from .sts_services import StsServices

_DEFAULT_DURATION = 3600
#: Roles that assume roles get an hour at the most ("role chaining").
_LONGEST_CHAINED = 3600
_MOST_TAGS = 50


def assume_role(
    values: Mapping[str, Any], caller: Authenticated, services: StsServices, origin: Origin
) -> dict[str, Any]:
    """``AssumeRole``: credentials that expire, for a session of the role.

    :raises QueryError: the caller may not, or a session policy or tag breaks a rule.
    """
    arn, session_name = values["RoleArn"], values["RoleSessionName"]
    tags = {tag["Key"]: tag["Value"] for tag in values.get("Tags", ())}
    _check_tags(values, tags)
    duration = values.get("DurationSeconds", _DEFAULT_DURATION)
    if caller.principal.kind == "assumed-role" and duration > _LONGEST_CHAINED:
        raise QueryError(
            400,
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
            "by role chaining",
        )
    role = _role(arn, services)
    keys: dict[str, Value] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    if tags:
        keys["aws:TagKeys"] = tuple(tags)
        keys["sts:TransitiveTagKeys"] = tuple(values.get("TransitiveTagKeys", ()))
    keys["sts:RoleSessionName"] = session_name
    if "ExternalId" in values:
        keys["sts:ExternalId"] = values["ExternalId"]
    try:
        actions = ["sts:AssumeRole", *(["sts:TagSession"] if tags else [])]
        for action in actions:
            services.access.check_role(caller.principal, action, arn, role, origin, keys)
    except AccessDenied as denied:
        raise QueryError(403, "AccessDenied", denied.message) from None
    if role is None:
        raise RuntimeError("access was given to a role that does not exist")
    principal = _session(role, session_name, values, tags, services)
    minted = services.temporary_credentials.mint(principal, timedelta(seconds=duration))
    return {
        "Credentials": {
            "AccessKeyId": minted.access_key_id,
            "SecretAccessKey": minted.secret,
            "SessionToken": minted.session_token,
            "Expiration": minted.expires_at,
        },
        "AssumedRoleUser": {"AssumedRoleId": principal.user_id, "Arn": principal.arn},
    }


def _role(arn: str, services: StsServices) -> Identity | None:
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise QueryError(400, "ValidationError", f"{arn[:200]} is invalid")
    role = services.identities.find(parts[4], ROLE, parts[5].rsplit("/", 1)[-1])
    return role if role is not None and role.arn == arn else None


def _session(
    role: Identity,
    session_name: str,
    values: Mapping[str, Any],
    tags: Mapping[str, str],
    services: StsServices,
) -> Principal:
    policies = [values["Policy"]] if "Policy" in values else []
    for text in policies:
        try:
            parse_session_policy(text)
        except InvalidPolicy as error:
            raise QueryError(400, "MalformedPolicyDocument", str(error)) from None
    return role.session(
        session_name, int(services.clock.now().timestamp()), policies=policies, tags=tags
    )


def _check_tags(values: Mapping[str, Any], tags: Mapping[str, str]) -> None:
    if len({key.lower() for key in tags}) != len(values.get("Tags", ())):
        raise QueryError(
            400, "InvalidParameterValue", "Duplicate tag keys found. Tag keys are case insensitive."
        )
    if len(tags) > _MOST_TAGS:
        raise QueryError(400, "ValidationError", f"A session has at most {_MOST_TAGS} tags")
