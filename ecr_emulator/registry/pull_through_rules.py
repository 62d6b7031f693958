"""Pull-through cache rules: create, list, update, delete.

Sources: API reference ``CreatePullThroughCacheRule`` and the operations around it; user guide
"Sync an upstream registry with an Amazon ECR private registry". Which rules are refused with
which text is observed, where no comment says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.upstream_tables import pull_through_rules
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.errors import InvalidParameter, LimitExceeded
from ecr_emulator.registry.prefixed_rows import PrefixedRows
from ecr_emulator.registry.prefixes import ROOT, path_of
from ecr_emulator.registry.pull_through_errors import (
    PullThroughRuleAlreadyExists,
    PullThroughRuleNotFound,
    SecretNotAccessible,
    SecretNotFound,
    UnsupportedUpstream,
)
from ecr_emulator.registry.roles import check_custom_role
from ecr_emulator.registry.upstream_names import Credentials, Upstream, upstream_of
from ecr_emulator.upstreams.secrets import Secrets


@dataclass(frozen=True, slots=True)
class PullThroughRule:
    """A rule as it is stored.

    :ivar prefix: of the cached repositories' names, as the rule was created with it.
    :ivar upstream_url: the host of the registry that is cached.
    :ivar upstream_registry: the API's name for it.
    :ivar upstream_prefix: of the repositories' names there.
    :ivar credential_arn: the secret with the credentials for it.
    :ivar custom_role_arn: the role that is assumed to read from another account's ECR.
    """

    prefix: str
    upstream_url: str
    upstream_registry: str
    upstream_prefix: str
    credential_arn: str | None
    custom_role_arn: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_row(cls, row: Row[Any]) -> PullThroughRule:
        """Build a rule from a row of its table."""
        return cls(
            prefix=row.prefix,
            upstream_url=row.upstream_url,
            upstream_registry=row.upstream_registry,
            upstream_prefix=row.upstream_prefix,
            credential_arn=row.credential_arn,
            custom_role_arn=row.custom_role_arn,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


_ROWS = PrefixedRows(pull_through_rules)


def rule_covering(connection: Connection, key: RegistryKey, name: str) -> PullThroughRule | None:
    """Return the rule that the repository *name* is cached by, or ``None``.

    Of several it is the one with the longest prefix; the one for ``ROOT`` covers what no other
    does.
    """
    covering = _ROWS.covering(connection, key, name)
    return PullThroughRule.from_row(covering[0]) if covering else None


class PullThroughRules:
    """The rules of every registry.

    :param secrets: the credentials that rules name.
    """

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        quotas: ServiceQuotas,
        clock: Clock,
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._quotas = quotas
        self._clock = clock

    def create(
        self,
        key: RegistryKey,
        prefix: str,
        upstream_url: str,
        *,
        upstream_registry: str | None = None,
        upstream_prefix: str | None = None,
        credential_arn: str | None = None,
        custom_role_arn: str | None = None,
    ) -> PullThroughRule:
        """Create the rule for *prefix* and return it.

        :param upstream_registry: the API's name for the registry at *upstream_url*.
        :raises PullThroughRuleAlreadyExists: there is one.
        :raises UnsupportedUpstream: ECR caches no such registry, or not with these credentials.
        :raises SecretNotFound: the secret is of another account or region, or not there.
        :raises SecretNotAccessible: the secret is scheduled for deletion.
        :raises InvalidParameter: the parameters do not go together.
        :raises LimitExceeded: the registry has as many as it may have.
        """
        upstream = _upstream(key, upstream_url, upstream_registry)
        _check_credentials(key, upstream, credential_arn, custom_role_arn)
        self._check_secret(credential_arn)
        upstream_prefix = upstream_prefix or ROOT
        if prefix == ROOT and upstream_prefix != ROOT:
            # The rule is the user guide's ("Customizing repository prefixes"); likeliest text.
            raise InvalidParameter.at(
                "upstreamRepositoryPrefix",
                "Upstream repository prefix cannot be set when ECR repository prefix is ROOT",
            )
        now = self._clock.now()
        values = {
            "prefix": prefix,
            "upstream_url": upstream_url,
            "upstream_registry": upstream.name,
            "upstream_prefix": upstream_prefix,
            "credential_arn": credential_arn,
            "custom_role_arn": custom_role_arn,
            "created_at": now,
            "updated_at": now,
        }
        with self._database.write() as connection:
            if not _ROWS.insert(connection, key, prefix, values):
                raise PullThroughRuleAlreadyExists(prefix, key.account)
            # Counted after the insert, so that an existing prefix is named first.
            quota = self._quotas.of(key).pull_through_cache_rules
            if _ROWS.count(connection, key) > quota:
                # Likeliest.
                raise LimitExceeded(
                    f"The maximum number of pull through cache rules ({quota}) in "
                    f"the registry with id '{key.account}' has been reached"
                )
        return PullThroughRule(**values)  # type: ignore[arg-type]

    def all_of(self, key: RegistryKey) -> list[PullThroughRule]:
        """Return all rules of a registry in the order of their prefixes."""
        rows = _ROWS.all(self._database.reader(), key)
        return [PullThroughRule.from_row(row) for row in rows]

    def named(self, key: RegistryKey, prefixes: Sequence[str]) -> list[PullThroughRule]:
        """Return the rules for *prefixes*, each once, in the order of their prefixes.

        :raises PullThroughRuleNotFound: there is none for one of them.
        """
        rules = {path_of(rule.prefix): rule for rule in self.all_of(key)}
        for prefix in prefixes:
            if path_of(prefix) not in rules:
                raise PullThroughRuleNotFound(prefix, key.account)
        paths = {path_of(prefix) for prefix in prefixes}
        return [rule for path, rule in rules.items() if path in paths]

    def update(
        self,
        key: RegistryKey,
        prefix: str,
        *,
        credential_arn: str | None = None,
        custom_role_arn: str | None = None,
    ) -> PullThroughRule:
        """Give the rule for *prefix* other credentials and return it as it is now.

        :raises PullThroughRuleNotFound: there is none.
        :raises InvalidParameter: neither a secret nor a role is given, or not of the kind that
            the upstream takes.
        :raises UnsupportedUpstream: the upstream takes no credentials.
        :raises SecretNotFound: the secret is of another account or region, or not there.
        :raises SecretNotAccessible: the secret is scheduled for deletion.
        """
        if credential_arn is None and custom_role_arn is None:
            raise InvalidParameter(
                "Invalid input: Please set either credential arn or role arn to update the "
                "credentials"
            )
        # Before the transaction, for the secret may have to be asked for elsewhere.
        (rule,) = self.named(key, [prefix])
        upstream = _upstream(key, rule.upstream_url, None)
        _check_credentials(key, upstream, credential_arn, custom_role_arn)
        self._check_secret(credential_arn)
        with self._database.write() as connection:
            rule = replace(
                _find(connection, key, prefix),
                credential_arn=credential_arn,
                custom_role_arn=custom_role_arn,
                updated_at=self._clock.now(),
            )
            changed = {
                "credential_arn": rule.credential_arn,
                "custom_role_arn": rule.custom_role_arn,
                "updated_at": rule.updated_at,
            }
            _ROWS.update(connection, key, prefix, changed)
        return rule

    def delete(self, key: RegistryKey, prefix: str) -> PullThroughRule:
        """Delete the rule for *prefix* and return it as it was.

        :raises PullThroughRuleNotFound: there is none.
        """
        with self._database.write() as connection:
            rule = _find(connection, key, prefix)
            _ROWS.delete(connection, key, prefix)
        return rule

    def _check_secret(self, arn: str | None) -> None:
        """Check that a secret is there and can be read, as far as anybody knows.

        What it holds is read when it is needed: that a secret without a login is refused no
        sooner is likeliest.
        """
        if arn and not self._secrets.exists(arn):
            raise SecretNotFound
        if arn and not self._secrets.is_accessible(arn):
            raise SecretNotAccessible


def _find(connection: Connection, key: RegistryKey, prefix: str) -> PullThroughRule:
    row = _ROWS.find(connection, key, prefix)
    if row is None:
        raise PullThroughRuleNotFound(prefix, key.account)
    return PullThroughRule.from_row(row)


def _upstream(key: RegistryKey, url: str, name: str | None) -> Upstream:
    upstream = upstream_of(url)
    if upstream is None:
        raise UnsupportedUpstream.unknown(url)
    if upstream.ecr == key:
        raise InvalidParameter("Upstream registry URL cannot be the same as the cache registry")
    # The open registries are not compared with the name.
    if name not in (None, upstream.name) and upstream.credentials is not Credentials.NONE:
        raise InvalidParameter("Upstream registry URL and entered upstream registry do not match")
    return upstream


def _check_credentials(
    key: RegistryKey, upstream: Upstream, credential_arn: str | None, custom_role_arn: str | None
) -> None:
    """Check that the credentials are of the kind that *upstream* takes, and all it needs."""
    takes_role = upstream.credentials is Credentials.ROLE
    # That a secret for ECR is refused like a role for the others is likeliest.
    if (custom_role_arn and not takes_role) or (credential_arn and takes_role):
        raise InvalidParameter("Upstream registry URL and provided credential type do not match")
    if upstream.credentials is Credentials.NONE and credential_arn:
        raise UnsupportedUpstream.takes_no_credentials()
    if upstream.credentials is Credentials.SECRET and not credential_arn:
        raise UnsupportedUpstream.needs_secret()
    if upstream.ecr is not None and upstream.ecr.account != key.account and not custom_role_arn:
        raise UnsupportedUpstream.needs_role()
    if credential_arn:
        region, account = credential_arn.split(":")[3:5]
        if (account, region) != (key.account, key.region):
            raise SecretNotFound
    if custom_role_arn:
        check_custom_role(key, custom_role_arn)
