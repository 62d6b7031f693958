"""Registry policies: put, get, delete.

Sources: API reference ``PutRegistryPolicy``; user guide "Private registry permissions". The
text comes back as a repository policy's does (see :mod:`ecr_emulator.policy.rendering`).
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, delete, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.replication_tables import registry_policies
from ecr_emulator.db.upsert import put_row
from ecr_emulator.policy.documents import InvalidPolicy
from ecr_emulator.policy.registry_policy import validate_registry_policy
from ecr_emulator.policy.rendering import render_policy
from ecr_emulator.registry.account_settings import REGISTRY_POLICY_SCOPE, AccountSettings
from ecr_emulator.registry.errors import InvalidParameter, RegistryPolicyNotFound

_OF_REGISTRY = (
    registry_policies.c.account == bindparam("account"),
    registry_policies.c.region == bindparam("region"),
)
_TEXT = select(registry_policies.c.policy_text).where(*_OF_REGISTRY)
_DELETE = delete(registry_policies).where(*_OF_REGISTRY)


class RegistryPolicies:
    """The policies of every registry.

    :param known_actions: the names of ECR's actions (``ecr:PutImage``, …) a policy may name.
    """

    def __init__(
        self, database: Database, settings: AccountSettings, known_actions: Collection[str]
    ) -> None:
        self._database = database
        self._settings = settings
        self._known_actions = known_actions

    def get(self, key: RegistryKey) -> str:
        """Return a registry's policy.

        :raises RegistryPolicyNotFound: it has none.
        """
        text = registry_policy_text(self._database.reader(), key)
        if text is None:
            raise RegistryPolicyNotFound(key.account)
        return text

    def put(self, key: RegistryKey, text: str) -> str:
        """Give a registry the policy *text* in place of the one it has, and return it.

        Which actions it may name depends on the registry's setting REGISTRY_POLICY_SCOPE.

        :raises InvalidParameter: *text* is no policy that ECR takes.
        """
        scope = self._settings.get(key, REGISTRY_POLICY_SCOPE)
        try:
            validate_registry_policy(text, self._known_actions, scope=scope)
        except InvalidPolicy:
            raise InvalidParameter.at("PolicyText", "Invalid registry policy provided") from None
        rendered = render_policy(text, partition=key.partition)
        with self._database.write() as connection:
            put_row(
                connection,
                registry_policies,
                account=key.account,
                region=key.region,
                policy_text=rendered,
            )
        return rendered

    def delete(self, key: RegistryKey) -> str:
        """Remove a registry's policy and return it.

        :raises RegistryPolicyNotFound: it has none.
        """
        with self._database.write() as connection:
            text = registry_policy_text(connection, key)
            if text is None:
                raise RegistryPolicyNotFound(key.account)
            connection.execute(_DELETE, {"account": key.account, "region": key.region})
        return text


def registry_policy_text(connection: Connection, key: RegistryKey) -> str | None:
    """Return the policy of the registry *key* as it was rendered, or ``None``."""
    text: str | None = connection.execute(
        _TEXT, {"account": key.account, "region": key.region}
    ).scalar()
    return text
