"""Where a cached repository's images come from: its rule, and what is asked of the upstream.

Sources: user guide "Sync an upstream registry with an Amazon ECR private registry",
"Customizing repository prefixes for ECR to ECR pull through cache".
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.image_reads import ImageReads
from ecr_emulator.registry.images import ImageId, is_tag
from ecr_emulator.registry.layers import Layers
from ecr_emulator.registry.prefixes import ROOT, path_of
from ecr_emulator.registry.pull_through_rules import PullThroughRule, rule_covering
from ecr_emulator.registry.repository_names import is_repository_name
from ecr_emulator.registry.upstream_names import Credentials, upstream_of
from ecr_emulator.upstreams.client import (
    Login,
    PulledManifest,
    UpstreamClient,
    UpstreamDenied,
    UpstreamMissing,
)
from ecr_emulator.upstreams.http import UpstreamRegistries
from ecr_emulator.upstreams.secrets import Secrets

_CHUNK = 1024 * 1024


class SecretMissing(Exception):
    """The secret that a rule names is not known."""


class UpstreamRepository(Protocol):
    """A repository at an upstream registry. All methods raise ``UpstreamError``."""

    def digest(self, reference: str) -> str | None:
        """Return the digest of a manifest, if the upstream tells."""

    def manifest(self, reference: str) -> PulledManifest:
        """Return the manifest that a tag or a digest names."""

    def blob(self, digest: str, size: int) -> AbstractContextManager[Iterator[bytes]]:
        """Open a layer, for the block to read it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a rule makes of a repository.

    :ivar name: the repository's name at the upstream.
    """

    rule: PullThroughRule
    name: str


class UpstreamSources:
    """Finds the upstream of cached repositories.

    :param secrets: the credentials that rules name.
    """

    def __init__(
        self,
        database: Database,
        images: ImageReads,
        layers: Layers,
        upstreams: UpstreamRegistries,
        client: UpstreamClient,
        secrets: Secrets,
    ) -> None:
        self._database = database
        self._images = images
        self._layers = layers
        self._upstreams = upstreams
        self._client = client
        self._secrets = secrets

    def covering(self, key: RegistryKey, name: str) -> Source | None:
        """Return where the repository *name* is cached from; ``None`` if it is not.

        Of the rules that cover the name it is the one with the longest prefix.
        """
        if key.is_public or not is_repository_name(name):
            return None
        rule = rule_covering(self._database.reader(), key, name)
        if rule is None:
            return None
        path = path_of(rule.prefix)
        rest = name if path == ROOT else name[len(path) + 1 :]
        upstream_path = path_of(rule.upstream_prefix)
        return Source(rule, rest if upstream_path == ROOT else f"{upstream_path}/{rest}")

    def repository(self, key: RegistryKey, source: Source) -> UpstreamRepository:
        """Return the repository at the upstream.

        :param key: the registry that caches it.
        :raises SecretMissing: the credentials for it are not known.
        """
        rule = source.rule
        upstream = upstream_of(rule.upstream_url)
        if (
            upstream is not None
            and upstream.ecr is not None
            and not self._upstreams.is_elsewhere(rule.upstream_url)
        ):
            allowed = upstream.ecr.account == key.account
            return _OwnRepository(self._images, self._layers, upstream.ecr, source.name, allowed)
        login = None
        if upstream is not None and upstream.credentials is Credentials.SECRET:
            login = self._secrets.login(rule.credential_arn or "")
            if login is None:
                raise SecretMissing
        return _RemoteRepository(self._client, rule.upstream_url, source.name, login)


class _RemoteRepository:
    """A repository of a registry that is asked over HTTP."""

    def __init__(self, client: UpstreamClient, host: str, name: str, login: Login | None) -> None:
        self._client, self._host, self._name, self._login = client, host, name, login

    def digest(self, reference: str) -> str | None:
        return self._client.digest(self._host, self._name, reference, self._login)

    def manifest(self, reference: str) -> PulledManifest:
        return self._client.manifest(self._host, self._name, reference, self._login)

    def blob(self, digest: str, size: int) -> AbstractContextManager[Iterator[bytes]]:
        return self._client.blob(self._host, self._name, digest, size, self._login)


class _OwnRepository:
    """A repository of another registry of this installation.

    :param allowed: whether the registry may be read: it is the same account's. A role that
        another account would have to let in cannot be assumed here.
    """

    def __init__(
        self, images: ImageReads, layers: Layers, key: RegistryKey, name: str, allowed: bool
    ) -> None:
        self._images, self._layers = images, layers
        self._key, self._name, self._allowed = key, name, allowed

    def digest(self, reference: str) -> str | None:
        return self.manifest(reference).digest

    def manifest(self, reference: str) -> PulledManifest:
        self._check()
        image_id = ImageId(tag=reference) if is_tag(reference) else ImageId(digest=reference)
        try:
            stored = self._images.manifest(self._key, self._name, image_id)
        except RegistryError:
            raise UpstreamMissing(reference) from None
        return PulledManifest(stored.body, stored.image.digest, stored.image.media_type)

    @contextmanager
    def blob(self, digest: str, size: int) -> Iterator[Iterator[bytes]]:
        self._check()
        try:
            file = self._layers.open(
                self._key, self._name, self._layers.get(self._key, self._name, digest)
            )
        except RegistryError:
            raise UpstreamMissing(digest) from None
        with file:
            file.seek(0)
            yield iter(lambda: file.read(_CHUNK), b"")

    def _check(self) -> None:
        if not self._allowed:
            raise UpstreamDenied("the registry of another account")
