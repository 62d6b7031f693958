"""The registries that ECR caches images from, by the URLs that name them.

Sources: API reference ``CreatePullThroughCacheRule``; user guide "Creating a pull through
cache rule". A URL is a bare host, compared as it is written (observed).
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from ecr_emulator.arns import RegistryKey


class Credentials(enum.Enum):
    """What an upstream registry wants of a client."""

    NONE = enum.auto()
    #: A user name and a token, kept in Secrets Manager.
    SECRET = enum.auto()
    #: An IAM role, where the registry is another account's.
    ROLE = enum.auto()


@dataclass(frozen=True, slots=True)
class Upstream:
    """An upstream registry.

    :ivar name: as the API calls it: ``docker-hub``, ``ecr-public``, …
    :ivar ecr: the registry, when it is a private one of ECR's.
    """

    name: str
    credentials: Credentials
    ecr: RegistryKey | None = None


_BY_HOST = {
    "public.ecr.aws": Upstream("ecr-public", Credentials.NONE),
    "quay.io": Upstream("quay", Credentials.NONE),
    "registry.k8s.io": Upstream("k8s", Credentials.NONE),
    "registry-1.docker.io": Upstream("docker-hub", Credentials.SECRET),
    "ghcr.io": Upstream("github-container-registry", Credentials.SECRET),
    "registry.gitlab.com": Upstream("gitlab-container-registry", Credentials.SECRET),
    "cgr.dev": Upstream("chainguard", Credentials.SECRET),
}
_AZURE = Upstream("azure-container-registry", Credentials.SECRET)
_AZURE_HOST = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.azurecr\.io\Z")
_ECR_HOST = re.compile(r"([0-9]{12})\.dkr\.ecr\.([a-z0-9-]{2,25})\.amazonaws\.com(?:\.cn)?\Z")


def upstream_of(url: str) -> Upstream | None:
    """Return the registry that *url* names, or ``None`` when ECR caches none of that name."""
    if _AZURE_HOST.match(url):
        return _AZURE
    match = _ECR_HOST.match(url)
    if match is not None:
        return Upstream("ecr", Credentials.ROLE, RegistryKey(match.group(1), match.group(2)))
    return _BY_HOST.get(url)
