"""The request context: what conditions and policy variables can ask about a request.

Which key is there when is documented under "AWS global condition context keys" and in the table
"Principal key values" of "Policy variables" (both IAM User Guide). A key that does not apply is
left out, as that is what ``Null``, ``IfExists`` and the negated operators look at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone

from .requesters import Requester, RequesterKind

Value = str | Collection[str]


class RequestContext(Mapping[str, tuple[str, ...]]):
    """Condition keys and their values; names are looked up without regard to case.

    :param values: a string for a single-valued key, a collection for a multivalued one.
    """

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        self._values: dict[str, tuple[str, ...]] = {}
        self._multivalued: set[str] = set()
        for key, value in (values or {}).items():
            name = key.lower()
            if isinstance(value, str):
                self._values[name] = (value,)
            else:
                self._values[name] = tuple(value)
                self._multivalued.add(name)

    def __getitem__(self, key: str) -> tuple[str, ...]:
        return self._values[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def variable(self, key: str) -> str | None:
        """Return the value a policy variable takes: that of a single-valued key, else None.

        Multivalued keys cannot be used as variables ("Single-valued vs. multivalued context
        keys", IAM User Guide).
        """
        name = key.lower()
        if name in self._multivalued or name not in self._values:
            return None
        return self._values[name][0]


@dataclass(frozen=True)
class Caller:
    """What is known of a principal beyond its name.

    :ivar user_id: ``aws:userid``: the user's unique id, or ``<role id>:<session name>``.
    :ivar tags: the tags of the user or role, overlaid by those of the session.
    :ivar token_issued: when its temporary credentials were issued; None for long-term keys.
    :ivar mfa: whether temporary credentials were issued with MFA.
    """

    requester: Requester
    user_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    organization_id: str = ""
    organization_paths: Collection[str] = ()
    token_issued: datetime | None = None
    mfa: bool = False


@dataclass(frozen=True)
class Origin:
    """Where a request comes from. With an endpoint id, it came through a VPC endpoint.

    :ivar source_ip: the peer's address.
    :ivar vpc: the id of the endpoint's VPC.
    :ivar vpce: the id of the endpoint.
    """

    source_ip: str = ""
    secure_transport: bool = False
    vpc: str = ""
    vpce: str = ""
    user_agent: str = ""
    referer: str = ""


def caller_keys(caller: Caller) -> dict[str, Value]:
    """Return the keys that describe the principal (``aws:PrincipalArn``, ``aws:username``, …)."""
    requester = caller.requester
    keys: dict[str, Value] = {
        "aws:PrincipalType": requester.kind.value,
        "aws:PrincipalIsAWSService": _bool(requester.kind is RequesterKind.SERVICE),
        "aws:ViaAWSService": "false",
    }
    if requester.kind is RequesterKind.SERVICE:
        keys["aws:PrincipalServiceName"] = requester.arn
        keys["aws:PrincipalServiceNamesList"] = (requester.arn,)
        del keys["aws:PrincipalType"]
        return keys
    if requester.kind is RequesterKind.ANONYMOUS:
        keys["aws:userid"] = "anonymous"
        return keys
    keys["aws:PrincipalArn"] = requester.principal_arn
    keys["aws:PrincipalAccount"] = requester.account
    if requester.kind is RequesterKind.ROOT:
        keys["aws:userid"] = requester.account
    elif requester.kind is RequesterKind.FEDERATED_USER:
        keys["aws:userid"] = f"{requester.account}:{requester.arn.rsplit('/', 1)[-1]}"
    elif caller.user_id:
        keys["aws:userid"] = caller.user_id
    if requester.kind is RequesterKind.USER:
        keys["aws:username"] = requester.arn.rsplit("/", 1)[-1]
    for name, value in caller.tags.items():
        keys[f"aws:PrincipalTag/{name}"] = value
    if caller.organization_id:
        keys["aws:PrincipalOrgID"] = caller.organization_id
        keys["aws:PrincipalOrgPaths"] = tuple(caller.organization_paths)
    if caller.token_issued is not None:
        keys["aws:TokenIssueTime"] = _timestamp(caller.token_issued)
        keys["aws:MultiFactorAuthPresent"] = _bool(caller.mfa)
    return keys


def origin_keys(origin: Origin) -> dict[str, Value]:
    """Return the keys that describe where the request comes from.

    ``aws:SourceIp`` is missing, and the VPC's keys are there, exactly when it came through a VPC
    endpoint.
    """
    keys: dict[str, Value] = {"aws:SecureTransport": _bool(origin.secure_transport)}
    if origin.vpce:
        keys["aws:SourceVpce"] = origin.vpce
        if origin.vpc:
            keys["aws:SourceVpc"] = origin.vpc
        if origin.source_ip:
            keys["aws:VpcSourceIp"] = origin.source_ip
    elif origin.source_ip:
        keys["aws:SourceIp"] = origin.source_ip
    if origin.user_agent:
        keys["aws:UserAgent"] = origin.user_agent
    if origin.referer:
        keys["aws:Referer"] = origin.referer
    return keys


def time_keys(now: datetime) -> dict[str, Value]:
    """Return ``aws:CurrentTime`` and ``aws:EpochTime`` for the aware time *now*."""
    return {"aws:CurrentTime": _timestamp(now), "aws:EpochTime": str(int(now.timestamp()))}


def resource_keys(
    service: str, *, account: str, region: str = "", tags: Mapping[str, str] | None = None
) -> dict[str, Value]:
    """Return the keys that describe the resource.

    :param service: ``ecr`` or ``ecr-public``, whose own ``ResourceTag`` key is set as well.
    :param account: the account that owns the resource.
    :param tags: the repository's tags.
    """
    keys: dict[str, Value] = {"aws:ResourceAccount": account}
    if region:
        keys["aws:RequestedRegion"] = region
    for name, value in (tags or {}).items():
        keys[f"aws:ResourceTag/{name}"] = value
        keys[f"{service}:ResourceTag/{name}"] = value
    return keys


def tagging_keys(
    *, tags: Mapping[str, str] | None = None, tag_keys: Collection[str] = ()
) -> dict[str, Value]:
    """Return the keys that describe the tags a request sets (*tags*) or removes (*tag_keys*).

    ``aws:TagKeys`` is left out when the request names no tag at all.
    """
    keys: dict[str, Value] = {
        f"aws:RequestTag/{name}": value for name, value in (tags or {}).items()
    }
    names = (*(tags or {}), *tag_keys)
    if names:
        keys["aws:TagKeys"] = names
    return keys


def _bool(value: bool) -> str:
    return "true" if value else "false"


def _timestamp(time: datetime) -> str:
    return time.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
