"""Registry addresses: which registry a host names, and under which host one is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ecr_emulator.arns import PUBLIC, RegistryKey

#: Where the public registries are on a host that is not theirs alone: ``/v2/`` is followed by
#: this, the registry's alias and the repository's name.
PUBLIC_PREFIX = "public.ecr.aws/"
#: How the host of the public registries begins: ``public.ecr.aws``, ``public.ecr.localhost``.
_PUBLIC_HOST_START = "public.ecr."

#: Where AWS has the APIs, and whatever takes its place.
_API_HOST = re.compile(r"api\.ecr(-fips)?\.[a-z0-9-]{2,25}\.([a-z0-9.-]{1,200}(?::[0-9]{1,5})?)\Z")
_PUBLIC_API_HOST = re.compile(
    r"api\.ecr-public\.[a-z0-9-]{2,25}\.amazonaws\.com((?::[0-9]{1,5})?)\Z"
)
_REGISTRY_HOST = re.compile(
    r"([0-9]{12})\.dkr\.ecr(?:-fips)?\.([a-z0-9-]{2,25})\.[a-z0-9.-]{1,200}(?::[0-9]{1,5})?\Z"
)
_HOST = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?\Z")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address by which a caller reached the server.

    :ivar scheme: ``http`` or ``https``.
    :ivar host: host name or address, with the port unless it is the scheme's own.
    """

    scheme: str
    host: str

    @property
    def name(self) -> str:
        """The host without its port; an IPv6 address stays in its brackets."""
        match = _HOST.match(self.host)
        return self.host if match is None else match.group(1)

    @property
    def port(self) -> str:
        """The port, also when it is the scheme's own."""
        match = _HOST.match(self.host)
        if match is not None and match.group(2):
            return match.group(2)
        return "443" if self.scheme == "https" else "80"


def is_host(text: str) -> bool:
    """Say whether *text* has the form of a ``Host`` header."""
    return _HOST.match(text) is not None


def host_name(text: str) -> str:
    """Return the name or address in a ``Host`` header, in lower case and without the port; empty
    if it has not the form of one."""
    match = _HOST.match(text)
    return "" if match is None else match.group(1).strip("[]").lower()


def registry_of_host(host: str) -> RegistryKey | None:
    """Return the registry that a host of the form ``<account>.dkr.ecr.<region>.…`` names."""
    match = _REGISTRY_HOST.match(host.lower())
    # No region is called as the key of a public registry has it.
    if match is None or match.group(2) == PUBLIC:
        return None
    return RegistryKey(match.group(1), match.group(2))


class RegistryAddresses:
    """Gives every registry its host, for ``repositoryUri`` and ``proxyEndpoint``.

    A caller who reached the server under the name of one of AWS's APIs (a host of the form
    ``api.ecr.<region>.…``) gets the name that AWS would answer with, if no setting says otherwise.

    :param template: with ``{account}``, ``{region}``, ``{host}`` and ``{port}`` in it; empty
        for the host and port by which the caller reached the server.
    :param public_host: the host (and port) of the public registries; empty for the path
        :data:`PUBLIC_PREFIX` on the host and port by which the caller reached the server.
    """

    def __init__(self, template: str, public_host: str = "") -> None:
        self._template = template
        self._public_host = public_host.lower()

    def host(self, key: RegistryKey, endpoint: Endpoint) -> str:
        """Return the host (and port) of the registry *key* as this caller can reach it."""
        if not self._template:
            api = _API_HOST.match(endpoint.host.lower())
            if api is None:
                return endpoint.host
            return f"{key.account}.dkr.ecr{api.group(1) or ''}.{key.region}.{api.group(2)}"
        return self._template.format(
            account=key.account,
            region=key.region,
            host=endpoint.name,
            port=endpoint.port,
        )

    def public_registry(self, alias: str, endpoint: Endpoint) -> str:
        """Return the ``registryUri`` of a public registry as this caller can reach it."""
        if self._public_host:
            return f"{self._public_host}/{alias}"
        if self.is_public_host(endpoint.host):
            return f"{endpoint.host}/{alias}"
        api = _PUBLIC_API_HOST.match(endpoint.host.lower())
        if api is not None:
            return f"public.ecr.aws{api.group(1)}/{alias}"
        return f"{endpoint.host}/{PUBLIC_PREFIX}{alias}"

    def is_public_host(self, host: str) -> bool:
        """Say whether a request to *host* is one to the public registries."""
        name = host.lower()
        # An empty host is no one's: it must not match an empty setting.
        return name.startswith(_PUBLIC_HOST_START) or (name == self._public_host != "")
