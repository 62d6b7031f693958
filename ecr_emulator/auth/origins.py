"""Where a request comes from: its address, its transport, and the VPC endpoint it came through.

One machine stands for a whole network: the identities file maps source networks to VPC
endpoints, each with a policy and with the sources that its security group admits.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ecr_emulator.policy.context import Origin

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class VpcEndpoint:
    """An interface endpoint.

    :ivar networks: requests from these come through the endpoint.
    :ivar allowed_sources: those of them that its security group admits; ``None`` for all.
    :ivar policy: the endpoint policy as text; ``None`` for AWS's default, which allows all.
    """

    id: str
    vpc: str
    networks: tuple[Network, ...]
    allowed_sources: tuple[Network, ...] | None = None
    policy: str | None = None


class Origins:
    """Tells where requests come from."""

    def __init__(self, endpoints: Iterable[VpcEndpoint] = ()) -> None:
        self._endpoints = tuple(endpoints)
        self._by_id = {endpoint.id: endpoint for endpoint in self._endpoints}

    def admits(self, address: str) -> bool:
        """Say whether the security group of the endpoint that *address* comes to lets it in."""
        if not self._endpoints:
            return True
        peer = _address(address)
        endpoint = self._endpoint_of(peer)
        return (
            endpoint is None
            or endpoint.allowed_sources is None
            or _within(peer, endpoint.allowed_sources)
        )

    def of_request(self, environ: Mapping[str, Any]) -> Origin:
        """Return the origin of the request of a WSGI environment."""
        return self.origin(
            str(environ.get("REMOTE_ADDR") or ""),
            secure=environ.get("wsgi.url_scheme") == "https",
            user_agent=str(environ.get("HTTP_USER_AGENT") or ""),
        )

    def origin(self, address: str, *, secure: bool, user_agent: str = "") -> Origin:
        """Return the origin of a request.

        :param address: the peer's address as the server gives it.
        :param secure: whether it came by TLS.
        """
        if not self._endpoints:
            return Origin(source_ip=address, secure_transport=secure, user_agent=user_agent)
        endpoint = self._endpoint_of(_address(address))
        if endpoint is None:
            return Origin(source_ip=address, secure_transport=secure, user_agent=user_agent)
        return Origin(
            source_ip=address,
            secure_transport=secure,
            vpc=endpoint.vpc,
            vpce=endpoint.id,
            user_agent=user_agent,
        )

    def _endpoint_of(self, peer: Address | None) -> VpcEndpoint | None:
        return next((e for e in self._endpoints if _within(peer, e.networks)), None)

    def policy(self, origin: Origin) -> str | None:
        """Return the policy of the endpoint that a request came through, if it has one."""
        endpoint = self._by_id.get(origin.vpce)
        return None if endpoint is None else endpoint.policy


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _within(address: Address | None, networks: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
