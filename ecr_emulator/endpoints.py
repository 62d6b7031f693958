"""Registry addresses: which registry a host names, and under which host one is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecr_emulator.arns import RegistryKey

_REGISTRY_HOST = re.compile(
    r"([0-9]{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]{2,25})\.[a-z0-9.-]{1,200}(?::[0-9]{1,5})?\Z"
)
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?\Z")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address by which a caller reached the server.

    :ivar scheme: ``http`` or ``https``.
    :ivar host: host name or address, with the port unless it is the scheme's own.
    """

    scheme: str
    host: str

    @property
    def port(self) -> str:
        """The port, also when it is the scheme's own."""
        match = _HOST.match(self.host)
        if match is not None and match.group(1):
            return match.group(1)
        return "443" if self.scheme == "https" else "80"


def is_host(text: str) -> bool:
    """Say whether *text* has the form of a ``Host`` header."""
    return _HOST.match(text) is not None


def registry_of_host(host: str) -> RegistryKey | None:
    """Return the registry that a host of the form ``<account>.dkr.ecr.<region>.…`` names."""
    match = _REGISTRY_HOST.match(host.lower())
    return None if match is None else RegistryKey(match.group(1), match.group(2))


class RegistryAddresses:
    """Gives every registry its host, for ``repositoryUri`` and ``proxyEndpoint``.

    :param template: with ``{account}``, ``{region}``, ``{host}`` and ``{port}`` in it; empty
        for the host and port by which the caller reached the server.
    """

    def __init__(self, template: str) -> None:
        self._template = template

    def host(self, key: RegistryKey, endpoint: Endpoint) -> str:
        """Return the host (and port) of the registry *key* as this caller can reach it."""
        if not self._template:
            return endpoint.host
        return self._template.format(
            account=key.account,
            region=key.region,
            host=endpoint.host.rpartition(":")[0] or endpoint.host,
            port=endpoint.port,
        )
