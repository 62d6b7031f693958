"""Users and roles: what IAM would know of them, kept in the emulator's database.

Sources: IAM user guide, "IAM identifiers" (ARNs, paths, unique ids).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.identity_tables import (
    access_keys,
    account_organizations,
    identities,
    identity_policies,
)
from ecr_emulator.db.upsert import put_row
from ecr_emulator.policy.documents import PolicyDocument, parse_policy

from .credentials import AccessKey, InvalidSessionToken, UnknownAccessKey
from .principals import Principal, Session

USER = "user"
ROLE = "role"
#: What a unique id begins with (IAM identifiers, "Understanding unique ID prefixes").
_ID_PREFIXES = {USER: "AIDA", ROLE: "AROA"}


@dataclass(frozen=True, slots=True)
class IdentitySpec:
    """A user or role as an identities file or the control endpoint describes it.

    :ivar policies: identity-based policies by name, as text.
    :ivar access_keys: secrets by access key id; roles have none.
    """

    account: str
    kind: str
    name: str
    path: str = "/"
    tags: Mapping[str, str] = field(default_factory=dict)
    permissions_boundary: str | None = None
    trust_policy: str | None = None
    policies: Mapping[str, str] = field(default_factory=dict)
    access_keys: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """A user or role as it is stored."""

    id: int
    account: str
    kind: str
    name: str
    path: str
    unique_id: str
    tags: Mapping[str, str]
    permissions_boundary: str | None
    trust_policy: str | None
    created_at: datetime

    @property
    def arn(self) -> str:
        """The ARN of the user or role."""
        return f"arn:aws:iam::{self.account}:{self.kind}{self.path}{self.name}"

    @property
    def principal(self) -> Principal:
        """The user as a principal; roles act through sessions only."""
        return Principal(self.account, self.arn, self.unique_id)

    def session(
        self,
        name: str,
        issued_at: int,
        *,
        policies: Sequence[str] = (),
        tags: Mapping[str, str] | None = None,
    ) -> Principal:
        """Return who a role is while somebody has assumed it.

        :param name: of the session.
        :param issued_at: in seconds since the epoch.
        :param policies: the session policies, as text.
        :param tags: of the session; they come before the role's.
        """
        return Principal(
            self.account,
            f"arn:aws:sts::{self.account}:assumed-role/{self.name}/{name}",
            f"{self.unique_id}:{name}",
            Session(
                identity_arn=self.arn,
                policies=tuple(policies),
                tags=tuple({**self.tags, **(tags or {})}.items()),
                issued_at=issued_at,
            ),
        )


_FIND = HotQuery(
    select(identities).where(
        identities.c.account == bindparam("account"),
        identities.c.kind == bindparam("kind"),
        identities.c.name == bindparam("name"),
    )
)
_POLICIES = HotQuery(
    select(identity_policies.c.name, identity_policies.c.policy_text)
    .where(identity_policies.c.identity_id == bindparam("identity_id"))
    .order_by(identity_policies.c.name)
)
_KEY = HotQuery(
    select(access_keys.c.secret, identities)
    .join(identities, identities.c.id == access_keys.c.identity_id)
    .where(access_keys.c.access_key_id == bindparam("access_key_id"))
)
_ORGANIZATION = HotQuery(
    select(account_organizations.c.organization_id).where(
        account_organizations.c.account == bindparam("account")
    )
)


class Identities:
    """The users and roles of every account."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def find(self, account: str, kind: str, name: str) -> Identity | None:
        """Return a user or role, or ``None``."""
        return _find(self._database, account, kind, name)

    def all(self) -> list[Identity]:
        """Return every user and role, by account, kind and name."""
        query = select(identities).order_by(
            identities.c.account, identities.c.kind, identities.c.name
        )
        return [Identity(*row) for row in self._database.reader().execute(query)]

    def policies(self, identity: Identity) -> dict[str, str]:
        """Return the identity-based policies of a user or role, by name."""
        found = _POLICIES.all(self._database, {"identity_id": identity.id})
        return {row[0]: row[1] for row in found}

    def organization(self, account: str) -> str:
        """Return the id of the organization that an account belongs to, or an empty string."""
        found = _ORGANIZATION.first(self._database, {"account": account})
        return "" if found is None else str(found[0])

    def put(self, spec: IdentitySpec) -> Identity:
        """Create a user or role, or make the one of that name what *spec* says.

        The unique id of one that is there stays; its policies and keys are replaced.
        """
        with self._database.write() as connection:
            return self._put(connection, spec)

    def put_all(self, specs: list[IdentitySpec], organizations: Mapping[str, str]) -> None:
        """Put several users and roles at once, and which accounts belong to an organization."""
        with self._database.write() as connection:
            for spec in specs:
                self._put(connection, spec)
            for account, organization_id in organizations.items():
                put_row(
                    connection,
                    account_organizations,
                    account=account,
                    organization_id=organization_id,
                )

    def delete(self, account: str, kind: str, name: str) -> bool:
        """Delete a user or role with its policies and keys; say whether there was one."""
        with self._database.write() as connection:
            identity = _find(connection, account, kind, name)
            if identity is not None:
                connection.execute(delete(identities).where(identities.c.id == identity.id))
        return identity is not None

    def create_access_key(self, identity: Identity) -> tuple[str, str]:
        """Give a user a new long-term access key; return its id and secret."""
        key_id = "AKIA" + base64.b32encode(secrets.token_bytes(10)).decode("ascii")
        secret = base64.b64encode(secrets.token_bytes(30)).decode("ascii")
        with self._database.write() as connection:
            _add_key(connection, identity.id, key_id, secret)
        return key_id, secret

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return a user's access key (see :class:`~.credentials.CredentialSource`)."""
        row = _KEY.first(self._database, {"access_key_id": access_key_id})
        if row is None:
            raise UnknownAccessKey("unknown access key id")
        if session_token is not None:
            raise InvalidSessionToken("a long-term key has no session token")
        return AccessKey(access_key_id, row[0], Identity(*row[1:]).principal)

    def _put(self, connection: Connection, spec: IdentitySpec) -> Identity:
        values = {
            "path": spec.path,
            "tags": dict(spec.tags),
            "permissions_boundary": spec.permissions_boundary,
            "trust_policy": spec.trust_policy,
        }
        existing = _find(connection, spec.account, spec.kind, spec.name)
        if existing is None:
            connection.execute(
                insert(identities).values(
                    account=spec.account,
                    kind=spec.kind,
                    name=spec.name,
                    unique_id=_unique_id(spec.kind),
                    created_at=self._clock.now(),
                    **values,
                )
            )
        else:
            connection.execute(
                update(identities).where(identities.c.id == existing.id).values(**values)
            )
            for table in (identity_policies, access_keys):
                connection.execute(delete(table).where(table.c.identity_id == existing.id))
        identity = _find(connection, spec.account, spec.kind, spec.name)
        if identity is None:
            raise RuntimeError("an identity that was just stored is gone")
        for name, text in spec.policies.items():
            connection.execute(
                insert(identity_policies).values(
                    identity_id=identity.id, name=name, policy_text=text
                )
            )
        for key_id, secret in spec.access_keys.items():
            _add_key(connection, identity.id, key_id, secret)
        return identity


@lru_cache(maxsize=2048)
def parsed(text: str) -> PolicyDocument:
    """Return a stored policy, which was valid when it was stored, parsed."""
    return parse_policy(text)


def _find(where: Connection | Database, account: str, kind: str, name: str) -> Identity | None:
    parameters = {"account": account, "kind": kind, "name": name}
    row = _FIND.first(where, parameters)
    return None if row is None else Identity(*row)


def _add_key(connection: Connection, identity_id: int, key_id: str, secret: str) -> None:
    put_row(connection, access_keys, access_key_id=key_id, secret=secret, identity_id=identity_id)


def _unique_id(kind: str) -> str:
    # Twenty-one characters in all.
    return _ID_PREFIXES[kind] + base64.b32encode(secrets.token_bytes(11)).decode("ascii")[:17]
