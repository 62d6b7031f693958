"""The users, roles and access keys of moto's IAM, as the emulator has its own."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.auth.credentials import AccessKey, InvalidSessionToken, UnknownAccessKey
from ecr_emulator.auth.identities import Identity, parsed
from ecr_emulator.auth.principals import Principal
from ecr_emulator.policy.documents import InvalidPolicy

from .companion import Companion

logger = logging.getLogger(__name__)

#: What stands for a policy that cannot be read: nobody is let in by mistake.
_UNREADABLE = (
    '{"Version":"2012-10-17","Statement":{"Sid":"PolicyThatCannotBeRead","Effect":"Deny",'
    '"Action":"*","Resource":"*"}}'
)
#: The length of moto's access key ids (AWS's have 16 to 128 characters).
_LONGEST_KEY_ID = 128


class CompanionIam:
    """moto's IAM as a source of access keys (:class:`~ecr_emulator.auth.credentials.
    CredentialSource`) and of users and roles (:class:`~ecr_emulator.auth.directory.OtherIam`)."""

    def __init__(self, companion: Companion) -> None:
        self._companion = companion

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return a user's active access key."""
        if len(access_key_id) > _LONGEST_KEY_ID:
            raise UnknownAccessKey("unknown access key id")
        found = self._companion.ask("access_key", {"key_id": access_key_id})
        if found is None:
            raise UnknownAccessKey("unknown access key id")
        if session_token is not None:
            raise InvalidSessionToken("a long-term key has no session token")
        principal = Principal(found["account"], found["arn"], found["id"])
        return AccessKey(access_key_id, found["secret"], principal)

    def find(self, account: str, kind: str, name: str) -> tuple[Identity, Mapping[str, str]] | None:
        """Return a user or role with its policies by name, or ``None``."""
        arguments = {"account": account, "kind": kind, "name": name}
        found = self._companion.ask("identity", arguments)
        return None if found is None else _identity(account, kind, name, found)


def _identity(
    account: str, kind: str, name: str, found: Mapping[str, Any]
) -> tuple[Identity, Mapping[str, str]]:
    arn, boundary = found["arn"], found["boundary"]
    identity = Identity(
        id=0,
        account=account,
        kind=kind,
        name=name,
        path=found["path"],
        unique_id=found["id"],
        tags=found["tags"],
        permissions_boundary=None if boundary is None else _readable(boundary, arn),
        trust_policy=None if found["trust"] is None else _readable(found["trust"], arn),
        created_at=datetime.fromtimestamp(found["created_at"], timezone.utc),
    )
    policies = {name: _readable(text, arn) for name, text in found["policies"].items()}
    return identity, policies


def _readable(text: str, arn: str) -> str:
    """Return a policy that can be evaluated; IAM refuses others, moto takes some."""
    try:
        parsed(text)
    except InvalidPolicy as error:
        logger.warning("a policy of %s cannot be read, and denies everything: %s", arn, error)
        return _UNREADABLE
    return text
