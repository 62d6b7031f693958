"""Principals as a resource-based policy of Amazon ECR may name them."""

from __future__ import annotations

import re

from .documents import InvalidPolicy, PolicyDocument, Principals

_NAME = r"[\w+=,.@-]+"
_AWS_PRINCIPAL = re.compile(
    r"\*"
    r"|[0-9]{12}"
    rf"|arn:aws(?:-[a-z]+)*:iam::[0-9]{{12}}:(?:root|(?:user|role)(?:/{_NAME})+)"
    rf"|arn:aws(?:-[a-z]+)*:sts::[0-9]{{12}}:assumed-role/{_NAME}/{_NAME}"
    rf"|arn:aws(?:-[a-z]+)*:sts::[0-9]{{12}}:federated-user/{_NAME}",
    re.ASCII,
)
_DOMAIN = r"[a-z0-9-]+(?:\.[a-z0-9-]+)+"
_SERVICE_PRINCIPAL = re.compile(_DOMAIN)
_FEDERATED_PRINCIPAL = re.compile(
    rf"{_DOMAIN}|arn:aws(?:-[a-z]+)*:iam::[0-9]{{12}}:(?:saml|oidc)-provider/[\w+=,.@/:-]+",
    re.ASCII,
)


def check_principals(policy: PolicyDocument) -> None:
    """Check that each statement of a resource-based policy names principals, and names them well.

    An account by id or root ARN, a user, a role, a session, everyone, a service or an identity
    provider ("Principal", IAM User Guide); part of a name cannot be a wildcard.

    :raises InvalidPolicy: when a statement names none, or one that cannot exist.
    """
    for statement in policy.statements:
        principals = statement.principals or statement.not_principals
        if principals is None:
            raise InvalidPolicy(f"statement {statement.index + 1} has no Principal")
        _check_shapes(principals)


def _check_shapes(principals: Principals) -> None:
    for kind, names, shape in (
        ("AWS", principals.aws, _AWS_PRINCIPAL),
        ("Service", principals.service, _SERVICE_PRINCIPAL),
        ("Federated", principals.federated, _FEDERATED_PRINCIPAL),
    ):
        for name in names:
            if len(name) > 2048 or not shape.fullmatch(name):
                raise InvalidPolicy(f"{name!r} is no principal of type {kind}")
    if principals.canonical_user:
        raise InvalidPolicy("only Amazon S3 knows principals of type CanonicalUser")
