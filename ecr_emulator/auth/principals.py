"""Who a caller is: the principals of IAM."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Session:
    """What temporary credentials carry beside the principal's name.

    :ivar identity_arn: the role that was assumed, with its path.
    :ivar policies: the session policies, as text; none limits nothing.
    :ivar tags: the tags of the role overlaid by those of the session, as pairs.
    :ivar issued_at: when the session began, in seconds since the epoch.
    """

    identity_arn: str = ""
    policies: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    issued_at: int = 0


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity a request is made under, as STS ``GetCallerIdentity`` tells it.

    :param account: the 12-digit account id.
    :param arn: ``arn:aws:iam::<account>:root``, ``…:user/<path/name>``,
        ``arn:aws:sts::<account>:assumed-role/<role>/<session>``, …
    :param user_id: the unique id (``aws:userid``); of a root user, the account id.
    :param session: what temporary credentials add; None for long-term ones.
    """

    account: str
    arn: str
    user_id: str
    session: Session | None = None

    @property
    def kind(self) -> str:
        """The kind of principal: ``root``, ``user``, ``role``, ``assumed-role``, …

        It is the first word of the ARN's resource part (IAM User Guide, "IAM identifiers").
        """
        return self.arn.rsplit(":", 1)[-1].partition("/")[0]


def root_principal(account: str) -> Principal:
    """Return the root user of *account* (12 digits)."""
    return Principal(account=account, arn=f"arn:aws:iam::{account}:root", user_id=account)


#: Whoever has no credentials.
ANONYMOUS = Principal(account="", arn="anonymous", user_id="anonymous")


def principal_claims(principal: Principal) -> dict[str, Any]:
    """Return a principal as the members of a JSON object, for what we sign and hand out."""
    claims: dict[str, Any] = {
        "account": principal.account,
        "arn": principal.arn,
        "user_id": principal.user_id,
    }
    if principal.session is not None:
        session = principal.session
        claims["session"] = [
            session.identity_arn,
            list(session.policies),
            [list(tag) for tag in session.tags],
            session.issued_at,
        ]
    return claims


def principal_of_claims(claims: Mapping[str, Any]) -> Principal:
    """Return the principal that :func:`principal_claims` wrote."""
    session = None
    if "session" in claims:
        identity_arn, policies, tags, issued_at = claims["session"]
        session = Session(
            identity_arn, tuple(policies), tuple((key, value) for key, value in tags), issued_at
        )
    return Principal(claims["account"], claims["arn"], claims["user_id"], session)
