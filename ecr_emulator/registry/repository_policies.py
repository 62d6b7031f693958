"""Repository policies: set, get, delete.

Sources: API reference ``SetRepositoryPolicy``; how the text comes back is observed (see
:mod:`ecr_emulator.policy.rendering`).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from sqlalchemy import Connection, bindparam, update

from ecr_emulator.arns import RegistryKey
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_writes import HotWrite
from ecr_emulator.db.schema import repositories
from ecr_emulator.policy.documents import InvalidPolicy, PolicyDocument, parse_policy
from ecr_emulator.policy.rendering import render_policy
from ecr_emulator.policy.repository_policy import locks_out, validate_repository_policy
from ecr_emulator.registry.errors import (
    InvalidParameter,
    RepositoryNotFound,
    RepositoryPolicyNotFound,
)
from ecr_emulator.registry.repository import Repository, find_repository

_MEMBER = "PolicyText"
_STORE = HotWrite(
    update(repositories)
    .where(
        repositories.c.account == bindparam("of_account"),
        repositories.c.region == bindparam("of_region"),
        repositories.c.name == bindparam("of_name"),
    )
    .values(policy_text=bindparam("text"))
)


class RepositoryPolicies:
    """The policies of every repository.

    :param known_actions: the names of ECR's actions (``ecr:PutImage``, …) a policy may name.
    :param public_actions: those of ECR Public's actions. The policy of a public repository may
        name both services' (samples of ``ecr-public set-repository-policy`` in the AWS CLI).
    """

    def __init__(
        self,
        database: Database,
        known_actions: Collection[str],
        public_actions: Collection[str],
    ) -> None:
        self._database = database
        self._known_actions = known_actions
        self._known_in_public = frozenset({*known_actions, *public_actions})
        # The same text is often given to many repositories.
        self._read = lru_cache(maxsize=64)(self._read_policy)

    def get(self, key: RegistryKey, name: str) -> str:
        """Return a repository's policy.

        :raises RepositoryNotFound, RepositoryPolicyNotFound: there is none.
        """
        return _text(find_repository(self._database, key, name))

    def set(
        self, key: RegistryKey, name: str, text: str, *, caller_arn: str, force: bool = False
    ) -> str:
        """Give a repository the policy *text* in place of the one it has, and return it.

        :param force: set it even if it keeps the caller from setting another one later.
        :raises InvalidParameter: *text* is no policy that ECR takes.
        :raises RepositoryNotFound: there is no such repository.
        """
        try:
            policy, rendered = self._read(text, key.is_public, key.partition)
        except InvalidPolicy:
            raise InvalidParameter.at(_MEMBER, "Invalid repository policy provided") from None
        action, arn = f"{key.service}:SetRepositoryPolicy", key.repository_arn(name)
        if not force and locks_out(policy, caller_arn, action, repository_arn=arn):
            find_repository(self._database, key, name)
            # Likeliest: no source shows ECR's text for a policy that locks the caller out.
            raise InvalidParameter.at(
                _MEMBER,
                "The policy would prevent you from setting the repository policy in the "
                "future. Use the force flag to set it anyway.",
            )
        self._database.write_together(lambda connection: _store(connection, key, name, rendered))
        return rendered

    def _read_policy(
        self, text: str, is_public: bool, partition: str
    ) -> tuple[PolicyDocument, str]:
        """Return a policy as it means and as it is given back.

        :raises InvalidPolicy: ECR does not take it.
        """
        known = self._known_in_public if is_public else self._known_actions
        validate_repository_policy(text, known)
        return parse_policy(text), render_policy(text, partition=partition)

    def delete(self, key: RegistryKey, name: str) -> str:
        """Remove a repository's policy and return it.

        :raises RepositoryNotFound, RepositoryPolicyNotFound: there is none.
        """
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            text = _text(repository)
            _store(connection, key, name, None)
        return text


def _text(repository: Repository) -> str:
    if repository.policy_text is None:
        raise RepositoryPolicyNotFound(repository.name, repository.key.account)
    return repository.policy_text


def _store(connection: Connection, key: RegistryKey, name: str, text: str | None) -> None:
    where = {"of_account": key.account, "of_region": key.region, "of_name": name}
    if not _STORE.run(connection, {**where, "text": text}):
        raise RepositoryNotFound(name, key.account)
