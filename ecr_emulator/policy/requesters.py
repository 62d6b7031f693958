"""Who makes a request, and how a Principal element names them."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from dataclasses import dataclass

from .documents import Principals

_ACCOUNT = re.compile(r"[0-9]{12}")


class RequesterKind(enum.Enum):
    """What a request was signed with; the values are those of ``aws:PrincipalType``."""

    ROOT = "Account"
    USER = "User"
    ROLE_SESSION = "AssumedRole"
    FEDERATED_USER = "FederatedUser"
    SERVICE = "Service"
    ANONYMOUS = "Anonymous"


class Naming(enum.IntEnum):
    """How closely a Principal element names a requester, from the loosest to the closest."""

    #: ``*``
    EVERYONE = 1
    #: The account, by its id or the ARN of its root: this delegates to the account.
    ACCOUNT = 2
    #: The user's own ARN, or that of the role that was assumed or the user who federated.
    IDENTITY = 3
    #: The ARN of the role session or the federated user session, or the service's name.
    SESSION = 4


@dataclass(frozen=True)
class Requester:
    """The principal of one request.

    :ivar arn: the root's, user's or session's ARN, the service's name
        (``lambda.amazonaws.com``), or ``*`` for an anonymous request.
    :ivar account: the 12 digits of the account, empty when there is none.
    :ivar identity_arn: the identity behind a session: of a role session the role's ARN with its
        path, of a federated user session the ARN of the user (or root) who federated.
    :ivar provider: for a role session by web identity or SAML, the identity provider as
        ``Federated`` principals name it.
    """

    kind: RequesterKind
    arn: str
    account: str = ""
    identity_arn: str = ""
    provider: str = ""

    @property
    def principal_arn(self) -> str:
        """The value of ``aws:PrincipalArn``: for a role session the ARN of the role."""
        if self.kind is RequesterKind.ROLE_SESSION:
            return self.identity_arn
        return self.arn


ANONYMOUS = Requester(kind=RequesterKind.ANONYMOUS, arn="*")


def requester_from_arn(arn: str, *, identity_arn: str = "") -> Requester:
    """Make the requester that *arn* stands for.

    :param arn: the ARN of a root, user, assumed-role session or federated user session, the
        name of a service, or ``*`` for an anonymous request.
    :param identity_arn: the identity behind a session. Of a role session it is needed only where
        the role has a path, which the session's ARN leaves out.
    :raises ValueError: when *arn* is no principal that can make a request.
    """
    if arn == "*":
        return ANONYMOUS
    if not arn.startswith("arn:"):
        if "." not in arn:
            raise ValueError(f"{arn!r} is no principal")
        return Requester(kind=RequesterKind.SERVICE, arn=arn)
    parts = arn.split(":", 5)
    if len(parts) != 6 or not _ACCOUNT.fullmatch(parts[4]):
        raise ValueError(f"{arn!r} is not the ARN of a principal")
    _, partition, service, _, account, resource = parts
    kind, _, name = resource.partition("/")
    if service == "iam" and resource == "root":
        return Requester(kind=RequesterKind.ROOT, arn=arn, account=account)
    if service == "iam" and kind == "user" and name:
        return Requester(kind=RequesterKind.USER, arn=arn, account=account)
    if service == "sts" and kind == "federated-user" and name:
        return Requester(
            kind=RequesterKind.FEDERATED_USER, arn=arn, account=account, identity_arn=identity_arn
        )
    if service == "sts" and kind == "assumed-role" and name.count("/") == 1:
        role = name.partition("/")[0]
        return Requester(
            kind=RequesterKind.ROLE_SESSION,
            arn=arn,
            account=account,
            identity_arn=identity_arn or f"arn:{partition}:iam::{account}:role/{role}",
        )
    raise ValueError(f"{arn!r} is not the ARN of a principal that makes requests")


def namings(principals: Principals, requester: Requester) -> frozenset[Naming]:
    """Tell in which ways *principals* names *requester*; the empty set when it does not."""
    named: set[Naming] = set()
    if principals.everyone:
        named.add(Naming.EVERYONE)
    if requester.kind is RequesterKind.SERVICE:
        if requester.arn in principals.service:
            named.add(Naming.SESSION)
    elif requester.kind is not RequesterKind.ANONYMOUS:
        named |= _levels(principals, requester)
        if requester.provider and requester.provider in principals.federated:
            named.add(Naming.SESSION)
    return frozenset(named)


def excepted(
    not_principals: Principals, requester: Requester, *, has_permissions_boundary: bool
) -> bool:
    """Tell whether the NotPrincipal element of a Deny leaves *requester* out.

    AWS looks at the account first, then at the user or role, then at the session, and each of
    them has to be listed; whoever has a permissions boundary is denied whatever is listed
    ("NotPrincipal", IAM User Guide).
    """
    if not_principals.everyone:
        return True
    if requester.kind is RequesterKind.ANONYMOUS:
        return False
    if requester.kind is RequesterKind.SERVICE:
        return requester.arn in not_principals.service
    if has_permissions_boundary:
        return False
    return _levels(not_principals, requester) == set(_identifiers(requester))


def _levels(principals: Principals, requester: Requester) -> set[Naming]:
    return {
        level
        for level, identifier in _identifiers(requester).items()
        if _lists(principals.aws, level, identifier)
    }


def _identifiers(requester: Requester) -> dict[Naming, str]:
    """Return the names by which a Principal element can mean *requester*, level by level."""
    identifiers = {Naming.ACCOUNT: requester.account}
    if requester.kind is RequesterKind.USER:
        identifiers[Naming.IDENTITY] = requester.arn
    elif requester.kind is RequesterKind.ROLE_SESSION:
        identifiers[Naming.IDENTITY] = requester.identity_arn
        identifiers[Naming.SESSION] = requester.arn
    elif requester.kind is RequesterKind.FEDERATED_USER:
        identifiers[Naming.SESSION] = requester.arn
        if ":user/" in requester.identity_arn:
            identifiers[Naming.IDENTITY] = requester.identity_arn
    return identifiers


def _lists(names: Collection[str], level: Naming, identifier: str) -> bool:
    if level is not Naming.ACCOUNT:
        return identifier in names
    return any(
        name == identifier
        or (name.startswith("arn:") and name.endswith(f":iam::{identifier}:root"))
        for name in names
    )
