"""Who a caller is: the principals of IAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """The identity a request is made under, as STS ``GetCallerIdentity`` tells it.

    :param account: the 12-digit account id.
    :param arn: ``arn:aws:iam::<account>:root``, ``…:user/<path/name>``,
        ``arn:aws:sts::<account>:assumed-role/<role>/<session>``, …
    :param user_id: the unique id (``aws:userid``); of a root user, the account id.
    """

    account: str
    arn: str
    user_id: str

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
