"""The identities file: users, roles, keys, organizations and VPC endpoints, in TOML or JSON.

::

    [accounts.111111111111]
    organization = "o-example"

    [accounts.111111111111.users.ci]
    tags = { team = "web" }
    access_keys = { AKIAEXAMPLE00000000A = "secret" }
    [accounts.111111111111.users.ci.policies.push]
    Version = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "ecr:*", Resource = "*" }]

    [accounts.111111111111.roles.reader]
    trust_policy = { Version = "2012-10-17", Statement = [ … ] }
    policies.read = { … }

    [[vpc_endpoints]]
    id = "vpce-0123456789abcdef0"
    vpc = "vpc-0123456789abcdef0"
    networks = ["10.1.0.0/16"]
    allowed_sources = ["10.1.2.0/24"]
    policy = { … }

Policies may be tables or strings of JSON.
"""

from __future__ import annotations

import ipaddress
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecr_emulator.policy.documents import InvalidPolicy, PolicyDocument, parse_policy
from ecr_emulator.policy.identity_policy import parse_identity_policy, parse_trust_policy

from .identities import ROLE, USER, IdentitySpec
from .origins import Network, VpcEndpoint

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover - the same parser under its older name
    import tomli as tomllib

_ACCOUNT = re.compile(r"[0-9]{12}")
_NAME = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_PATH = re.compile(r"/(?:[\x21-\x7e]{1,510}/)?")
_KEY_ID = re.compile(r"\w{16,128}", re.ASCII)


class InvalidIdentities(ValueError):
    """The document cannot be used; the text is one line that says where and why."""


@dataclass(frozen=True, slots=True)
class IdentitiesDocument:
    """What an identities file says."""

    identities: list[IdentitySpec]
    organizations: dict[str, str]
    vpc_endpoints: tuple[VpcEndpoint, ...] = ()


#: What no file says.
NO_IDENTITIES = IdentitiesDocument([], {})


def read_identities(path: Path) -> IdentitiesDocument:
    """Read an identities file: JSON if its name ends so, else TOML.

    :raises InvalidIdentities: it cannot be read or used.
    """
    try:
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InvalidIdentities(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidIdentities(f"{path}: {' '.join(str(error).split())}") from None
    return parse_identities(document)


def parse_identities(document: object) -> IdentitiesDocument:
    """Check a document and return what it says.

    :raises InvalidIdentities: it breaks a rule.
    """
    top = _table(document, "the document", ("accounts", "vpc_endpoints"))
    identities: list[IdentitySpec] = []
    organizations: dict[str, str] = {}
    for account, value in _table(top.get("accounts", {}), "accounts").items():
        if _ACCOUNT.fullmatch(account) is None:
            raise InvalidIdentities(f"accounts: {account!r} is not an account id of 12 digits")
        where = f"accounts.{account}"
        content = _table(value, where, ("organization", "users", "roles"))
        if "organization" in content:
            organizations[account] = _text(content["organization"], f"{where}.organization")
        for kind in (USER, ROLE):
            for name, spec in _table(content.get(f"{kind}s", {}), f"{where}.{kind}s").items():
                identities.append(parse_identity(account, kind, name, spec))
    endpoints = top.get("vpc_endpoints", [])
    if not isinstance(endpoints, list):
        raise InvalidIdentities("vpc_endpoints is not a list")
    return IdentitiesDocument(identities, organizations, tuple(map(_endpoint, endpoints)))


def parse_identity(account: str, kind: str, name: str, value: object) -> IdentitySpec:
    """Check the description of one user or role.

    :raises InvalidIdentities: it breaks a rule.
    """
    where = f"{kind} {name!r} of {account}"
    if _NAME.fullmatch(name) is None:
        raise InvalidIdentities(f"{where}: not a name that IAM takes")
    own = "access_keys" if kind == USER else "trust_policy"
    content = _table(value, where, ("path", "tags", "permissions_boundary", "policies", own))
    path = _text(content.get("path", "/"), f"{where}: path")
    if _PATH.fullmatch(path) is None:
        raise InvalidIdentities(f"{where}: a path begins and ends with a slash")
    policies = _table(content.get("policies", {}), f"{where}: policies")
    keys = _texts(content.get("access_keys", {}), f"{where}: access_keys")
    for key_id in keys:
        if _KEY_ID.fullmatch(key_id) is None:
            raise InvalidIdentities(f"{where}: an access key id has 16 to 128 letters and digits")
    return IdentitySpec(
        account=account,
        kind=kind,
        name=name,
        path=path,
        tags=_texts(content.get("tags", {}), f"{where}: tags"),
        permissions_boundary=_optional_policy(
            content.get("permissions_boundary"), f"{where}: permissions_boundary"
        ),
        trust_policy=_optional_policy(
            content.get("trust_policy"), f"{where}: trust_policy", parse_trust_policy
        ),
        policies={
            name: _policy(text, f"{where}: policy {name!r}", parse_identity_policy)
            for name, text in policies.items()
        },
        access_keys=keys,
    )


def _endpoint(value: object) -> VpcEndpoint:
    content = _table(value, "vpc_endpoints", ("id", "vpc", "networks", "allowed_sources", "policy"))
    where = f"vpc endpoint {content.get('id')!r}"
    policy = _optional_policy(content.get("policy"), f"{where}: policy", parse_policy)
    allowed = content.get("allowed_sources")
    return VpcEndpoint(
        id=_text(content.get("id"), "vpc_endpoints: id"),
        vpc=_text(content.get("vpc", ""), f"{where}: vpc"),
        networks=_networks(content.get("networks"), f"{where}: networks"),
        allowed_sources=(
            None if allowed is None else _networks(allowed, f"{where}: allowed_sources")
        ),
        policy=policy,
    )


def _networks(value: object, where: str) -> tuple[Network, ...]:
    if not isinstance(value, list):
        raise InvalidIdentities(f"{where} is not a list of networks")
    try:
        return tuple(ipaddress.ip_network(_text(item, where)) for item in value)
    except ValueError as error:
        raise InvalidIdentities(f"{where}: {error}") from None


def _table(value: object, where: str, members: Iterable[str] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidIdentities(f"{where} is not a table")
    if members is not None:
        unknown = sorted(set(value) - set(members))
        if unknown:
            raise InvalidIdentities(f"{where}: unknown member {unknown[0]!r}")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidIdentities(f"{where} is not a text")
    return value


def _texts(value: object, where: str) -> dict[str, str]:
    table = _table(value, where)
    return {name: _text(text, f"{where}: {name!r}") for name, text in table.items()}


def _optional_policy(
    value: object, where: str, parse: Callable[[str], PolicyDocument] = parse_identity_policy
) -> str | None:
    return None if value is None else _policy(value, where, parse)


def _policy(value: object, where: str, parse: Callable[[str], PolicyDocument]) -> str:
    text = json.dumps(value) if isinstance(value, Mapping) else _text(value, where)
    try:
        parse(text)
    except InvalidPolicy as error:
        raise InvalidIdentities(f"{where}: {error}") from None
    return text
