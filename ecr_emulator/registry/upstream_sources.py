"""Where a cached repository's images come from: its rule, and what is asked of the upstream.

Sources: user guide "Sync an upstream registry with an Amazon ECR private registry",
"Customizing repository prefixes for ECR to ECR pull through cache".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
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
from ecr_emulator.registry.upstream_names import Credentials as UpstreamCredentials
from ecr_emulator.registry.upstream_names import Upstream, upstream_of
from ecr_emulator.upstreams.client import (
    Credentials,
    PulledManifest,
    UpstreamClient,
    UpstreamDenied,
    UpstreamMissing,
)
from ecr_emulator.upstreams.http import UpstreamRegistries, UpstreamState
from ecr_emulator.upstreams.peers import Peers
from ecr_emulator.upstreams.referrers import MOST_REFERRERS, referrers_of
from ecr_emulator.upstreams.secrets import Secrets

_CHUNK = 1024 * 1024


_LOG_IN = "ecr:GetAuthorizationToken"


class Roles(Protocol):
    """The roles that rules name."""

    def may(self, role_arn: str, action: str, key: RegistryKey, repository: str | None) -> bool:
        """Say whether ECR can assume a role, and may do *action* as it."""


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

    def referrers(self, subject: str) -> list[str]:
        """Return the digests of the manifests that refer to *subject*."""


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
    :param roles: likewise the roles.
    :param peers: other emulators, which ECR's registries may be found at.
    """

    def __init__(
        self,
        database: Database,
        images: ImageReads,
        layers: Layers,
        upstreams: UpstreamRegistries,
        client: UpstreamClient,
        secrets: Secrets,
        roles: Roles,
        peers: Peers,
    ) -> None:
        self._database = database
        self._images = images
        self._layers = layers
        self._upstreams = upstreams
        self._client = client
        self._secrets = secrets
        self._roles = roles
        self._peers = peers

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
        own = self._own_registry(rule, upstream)
        if own is not None:
            may = partial(self._may, key, rule, own, source.name)
            return _OwnRepository(self._images, self._layers, own, source.name, may)
        login = self._login(key, rule, upstream)
        return _RemoteRepository(self._client, rule.upstream_url, source.name, login)

    def check(self, key: RegistryKey, rule: PullThroughRule) -> UpstreamState:
        """Ask the upstream of a rule whether it lets the registry *key* in.

        :raises SecretMissing: the credentials for it are not known.
        """
        upstream = upstream_of(rule.upstream_url)
        own = self._own_registry(rule, upstream)
        if own is not None:
            may = self._may(key, rule, own, None, _LOG_IN)
            return UpstreamState.OPEN if may else UpstreamState.DENIED
        login = self._login(key, rule, upstream)
        if login is None:
            return self._upstreams.check_anonymous(rule.upstream_url)
        return self._client.check(rule.upstream_url, login)

    def _own_registry(self, rule: PullThroughRule, upstream: Upstream | None) -> RegistryKey | None:
        """Return the registry of this installation that a rule caches, if it is one."""
        if upstream is None or self._upstreams.is_elsewhere(rule.upstream_url):
            return None
        return upstream.ecr

    def _login(
        self, key: RegistryKey, rule: PullThroughRule, upstream: Upstream | None
    ) -> Credentials | None:
        """Return the credentials for an upstream that is asked over HTTP, if it takes any."""
        if upstream is not None and upstream.ecr is not None:
            url = self._upstreams.base_url(rule.upstream_url)
            return self._peers.credentials(url, key.account, upstream.ecr, rule.custom_role_arn)
        if upstream is None or upstream.credentials is not UpstreamCredentials.SECRET:
            return None
        login = self._secrets.login(rule.credential_arn or "")
        if login is None:
            raise SecretMissing
        return login

    def _may(
        self,
        key: RegistryKey,
        rule: PullThroughRule,
        upstream: RegistryKey,
        repository: str | None,
        action: str,
    ) -> bool:
        """Say whether the registry *key* may do *action* at one of this installation.

        A role decides where the rule has one. Without one it is the account's own registry, and
        ECR's service-linked role may all that it takes.
        """
        role = rule.custom_role_arn
        if not role:
            return upstream.account == key.account
        # A role logs in at its own account.
        home = RegistryKey(key.account, upstream.region)
        if not self._roles.may(role, _LOG_IN, home, None):
            return False
        return action == _LOG_IN or self._roles.may(role, action, upstream, repository)


class _RemoteRepository:
    """A repository of a registry that is asked over HTTP."""

    def __init__(
        self, client: UpstreamClient, host: str, name: str, login: Credentials | None
    ) -> None:
        self._client, self._host, self._name, self._login = client, host, name, login

    def digest(self, reference: str) -> str | None:
        return self._client.digest(self._host, self._name, reference, self._login)

    def manifest(self, reference: str) -> PulledManifest:
        return self._client.manifest(self._host, self._name, reference, self._login)

    def blob(self, digest: str, size: int) -> AbstractContextManager[Iterator[bytes]]:
        return self._client.blob(self._host, self._name, digest, size, self._login)

    def referrers(self, subject: str) -> list[str]:
        return referrers_of(self._client, self._host, self._name, subject, self._login)


class _OwnRepository:
    """A repository of another registry of this installation.

    :param may: says whether the cache may do an action there.
    """

    def __init__(
        self,
        images: ImageReads,
        layers: Layers,
        key: RegistryKey,
        name: str,
        may: Callable[[str], bool],
    ) -> None:
        self._images, self._layers = images, layers
        self._key, self._name, self._may = key, name, may

    def digest(self, reference: str) -> str | None:
        return self.manifest(reference).digest

    def manifest(self, reference: str) -> PulledManifest:
        self._check("ecr:BatchGetImage")
        image_id = ImageId(tag=reference) if is_tag(reference) else ImageId(digest=reference)
        try:
            stored = self._images.manifest(self._key, self._name, image_id)
        except RegistryError:
            raise UpstreamMissing(reference) from None
        return PulledManifest(stored.body, stored.image.digest, stored.image.media_type)

    @contextmanager
    def blob(self, digest: str, size: int) -> Iterator[Iterator[bytes]]:
        self._check("ecr:GetDownloadUrlForLayer")
        try:
            file = self._layers.open(
                self._key, self._name, self._layers.get(self._key, self._name, digest)
            )
        except RegistryError:
            raise UpstreamMissing(digest) from None
        with file:
            file.seek(0)
            yield iter(lambda: file.read(_CHUNK), b"")

    def referrers(self, subject: str) -> list[str]:
        self._check("ecr:BatchGetImage")
        try:
            page = self._images.referrers(
                self._key, self._name, subject, after=0, limit=MOST_REFERRERS
            )
        except RegistryError:
            return []
        return [stored.image.digest for stored in page.manifests]

    def _check(self, action: str) -> None:
        # The user guide's example policies allow BatchImportUpstreamImage and GetImageCopyStatus
        # too; likeliest is that reading takes what reading always takes.
        if not self._may(action):
            raise UpstreamDenied(action)
