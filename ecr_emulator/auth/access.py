"""Who may do what: asked by both doors before anything is done.

The decision is AWS's (:mod:`ecr_emulator.policy.evaluation`); here the policies that bear on
a request are brought together: the caller's own from the identities, those of the resource
from the registry's tables, and the one of the VPC endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.replication_tables import registry_policies
from ecr_emulator.db.schema import account_settings, repositories, repository_tags
from ecr_emulator.policy.actions import ACTIONS, ResourceType
from ecr_emulator.policy.context import (
    Caller,
    Origin,
    RequestContext,
    Value,
    caller_keys,
    origin_keys,
    resource_keys,
    time_keys,
)
from ecr_emulator.policy.evaluation import Decision, Finding, evaluate, explain
from ecr_emulator.policy.policy_sets import NamedPolicy, PolicySet
from ecr_emulator.policy.registry_policy import governs
from ecr_emulator.policy.requesters import ANONYMOUS as NOBODY
from ecr_emulator.policy.requesters import Requester, RequesterKind, requester_from_arn
from ecr_emulator.policy.statements import AccessRequest

from .directory import IdentitySource
from .identities import ROLE, USER, Identity, parsed
from .origins import Origins
from .principals import ANONYMOUS, Principal

_SCOPE = "REGISTRY_POLICY_SCOPE"
_DEFAULT_SCOPE = "V2"


def _of_registry(table: Any) -> tuple[Any, Any]:
    return table.c.account == bindparam("account"), table.c.region == bindparam("region")


#: Everything a resource says of access, in one statement: this is asked for every request.
_RESOURCE_QUERY = select(
    select(repositories.c.policy_text)
    .where(*_of_registry(repositories), repositories.c.name == bindparam("name"))
    .scalar_subquery(),
    select(registry_policies.c.policy_text)
    .where(*_of_registry(registry_policies))
    .scalar_subquery(),
)
_RESOURCE = HotQuery(_RESOURCE_QUERY)
_TAGS = HotQuery(
    select(repository_tags.c.key, repository_tags.c.value)
    .join(repositories, repositories.c.id == repository_tags.c.repository_id)
    .where(*_of_registry(repositories), repositories.c.name == bindparam("name"))
)
_SCOPE_OF = HotQuery(
    select(account_settings.c.value).where(
        *_of_registry(account_settings), account_settings.c.name == _SCOPE
    )
)


class AccessDenied(Exception):
    """The principal may not do it; the message is AWS's."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Question:
    """One question, with everything that bears on the answer."""

    request: AccessRequest
    policies: PolicySet


class Access:
    """Decides on access."""

    def __init__(
        self, database: Database, identities: IdentitySource, origins: Origins, clock: Clock
    ) -> None:
        self._database = database
        self._identities = identities
        self._origins = origins
        self._clock = clock

    def check(
        self,
        principal: Principal,
        action: str,
        key: RegistryKey,
        repository: str | None,
        *,
        origin: Origin | None = None,
        keys: Mapping[str, Value] | None = None,
    ) -> None:
        """Let the principal do *action* (``ecr:PutImage``, …), or refuse.

        :param repository: the repository it would act on; ``None`` for the registry itself.
        :param origin: where the request comes from.
        :param keys: further condition keys, as those of the tags that a request sets.
        :raises AccessDenied: with AWS's text.
        """
        origin = origin or Origin()
        texts = self._resource_texts(key, repository)
        if (
            principal.arn == f"arn:aws:iam::{key.account}:root"
            and principal.session is None
            and not origin.vpce
            and not any(text is not None and _denies(text) for text in texts)
        ):
            # Nothing but what denies it in a policy of the resource, or the policy of the way
            # there, limits a root user in its own account: the answer, without asking.
            return
        _require(self._question(principal, action, key, repository, origin, keys, texts))

    def explain(
        self,
        principal: Principal,
        action: str,
        key: RegistryKey,
        repository: str | None,
        *,
        origin: Origin | None = None,
        keys: Mapping[str, Value] | None = None,
    ) -> tuple[Decision, tuple[Finding, ...]]:
        """Return the decision on a request, and how each statement met it."""
        texts = self._resource_texts(key, repository)
        return _explained(
            self._question(principal, action, key, repository, origin or Origin(), keys, texts)
        )

    def check_resource(
        self,
        principal: Principal,
        action: str,
        resource: str,
        *,
        origin: Origin | None = None,
        keys: Mapping[str, Value] | None = None,
    ) -> None:
        """Let the principal do an action of another service, or refuse.

        :param action: with its service, as ``iam:PassRole``.
        :param resource: the ARN.
        :raises AccessDenied: with AWS's text.
        """
        if principal.arn.endswith(":root") and principal.session is None:
            return
        _require(self._elsewhere(principal, action, resource, origin or Origin(), keys))

    def explain_resource(
        self,
        principal: Principal,
        action: str,
        resource: str,
        *,
        origin: Origin | None = None,
        keys: Mapping[str, Value] | None = None,
    ) -> tuple[Decision, tuple[Finding, ...]]:
        """Return what :meth:`check_resource` decides, and how each statement met it."""
        return _explained(self._elsewhere(principal, action, resource, origin or Origin(), keys))

    def _elsewhere(
        self,
        principal: Principal,
        action: str,
        resource: str,
        origin: Origin,
        keys: Mapping[str, Value] | None,
    ) -> Question:
        """Put the question whether the principal may do an action of another service.

        Its resources and their policies are not here: what decides is what the principal's own
        account lets it do, wherever the resource is. Nor does the policy of ECR's VPC endpoint
        speak of other services.
        """
        requester = _requester(principal)
        identity = self._identity(requester)
        context = {
            **caller_keys(self._caller(principal, requester, identity)),
            **origin_keys(origin),
            **time_keys(self._clock.now()),
            **(keys or {}),
        }
        request = AccessRequest(
            requester, action, resource, RequestContext(context), principal.account
        )
        policies = PolicySet(
            **self._identity_policies(identity), session=self._session_policies(principal)
        )
        return Question(request, policies)

    def check_role(
        self,
        principal: Principal,
        action: str,
        role_arn: str,
        role: Identity | None,
        origin: Origin,
        keys: Mapping[str, Value],
    ) -> None:
        """Let the principal assume a role (``sts:AssumeRole``, ``sts:TagSession``), or refuse.

        :param role: the role; ``None`` if there is none of that ARN, which nobody may assume.
        :raises AccessDenied: with AWS's text.
        """
        requester = _requester(principal)
        identity = self._identity(requester)
        context = {
            **caller_keys(self._caller(principal, requester, identity)),
            **origin_keys(origin),
            **time_keys(self._clock.now()),
            **keys,
        }
        request = AccessRequest(requester, action, role_arn, RequestContext(context))
        if role is None or role.trust_policy is None:
            raise AccessDenied(
                f"User: {principal.arn} is not authorized to perform: {action} on resource: "
                f"{role_arn}"
            )
        policies = PolicySet(
            **self._identity_policies(identity),
            session=self._session_policies(principal),
            trust=NamedPolicy(role.name, parsed(role.trust_policy)),
        )
        _require(Question(request, policies))

    @staticmethod
    def _session_policies(principal: Principal) -> tuple[NamedPolicy, ...]:
        texts = principal.session.policies if principal.session else ()
        return tuple(NamedPolicy("session", parsed(text)) for text in texts)

    def _resource_texts(
        self, key: RegistryKey, repository: str | None
    ) -> tuple[str | None, str | None]:
        parameters = {"account": key.account, "region": key.region, "name": repository or ""}
        row = _RESOURCE.first(self._database, parameters)
        return (None, None) if row is None else (row[0], row[1])

    def _question(
        self,
        principal: Principal,
        action: str,
        key: RegistryKey,
        repository: str | None,
        origin: Origin,
        keys: Mapping[str, Value] | None,
        texts: tuple[str | None, str | None],
    ) -> Question:
        requester = _requester(principal)
        identity = self._identity(requester)
        repository_text, registry_text = texts
        if registry_text is not None and not governs(action, self._scope(key)):
            registry_text = None
        context = {
            **caller_keys(self._caller(principal, requester, identity)),
            **origin_keys(origin),
            **time_keys(self._clock.now()),
            **resource_keys(
                key.service,
                account=key.account,
                # Public registries are asked in the one region that has the service.
                region="us-east-1" if key.is_public else key.region,
                tags=self._tags(key, repository),
            ),
            **(keys or {}),
        }
        request = AccessRequest(
            requester=requester,
            action=action,
            resource=resource_of(action, key, repository),
            context=RequestContext(context),
            resource_account=key.account,
        )
        endpoint_policy = self._origins.policy(origin)
        policies = PolicySet(
            **self._identity_policies(identity),
            session=self._session_policies(principal),
            repository=_one("repository", repository_text),
            registry=_one("registry", registry_text),
            vpc_endpoint=_one(origin.vpce, endpoint_policy),
        )
        return Question(request, policies)

    def _identity(self, requester: Requester) -> Identity | None:
        if requester.kind is RequesterKind.USER:
            return self._identities.find(requester.account, USER, _last(requester.arn))
        if requester.kind is RequesterKind.ROLE_SESSION:
            return self._identities.find(requester.account, ROLE, _last(requester.identity_arn))
        return None

    def _identity_policies(self, identity: Identity | None) -> dict[str, Any]:
        if identity is None:
            return {}
        texts = self._identities.policies(identity)
        return {
            "identity": tuple(NamedPolicy(name, parsed(text)) for name, text in texts.items()),
            "permissions_boundary": _one("boundary", identity.permissions_boundary),
        }

    def _caller(
        self, principal: Principal, requester: Requester, identity: Identity | None
    ) -> Caller:
        session = principal.session
        tags = dict(session.tags) if session else dict(identity.tags) if identity else {}
        organization = self._identities.organization(principal.account)
        return Caller(
            requester=requester,
            user_id=principal.user_id,
            tags=tags,
            organization_id=organization,
            organization_paths=(f"{organization}/",) if organization else (),
            token_issued=None if session is None else _moment(session.issued_at),
        )

    def _tags(self, key: RegistryKey, repository: str | None) -> dict[str, str]:
        if repository is None:
            return {}
        parameters = {"account": key.account, "region": key.region, "name": repository}
        return dict(_TAGS.all(self._database, parameters))

    def _scope(self, key: RegistryKey) -> str:
        parameters = {"account": key.account, "region": key.region}
        row = _SCOPE_OF.first(self._database, parameters)
        return _DEFAULT_SCOPE if row is None else str(row[0])


@lru_cache(maxsize=2048)
def _denies(text: str) -> bool:
    """Say whether a stored policy denies anything to anyone."""
    return any(statement.effect != "Allow" for statement in parsed(text).statements)


def resource_of(action: str, key: RegistryKey, repository: str | None) -> str:
    """Return the resource that AWS checks *action* on.

    Source: service authorization reference, "Actions defined by Amazon ECR".
    """
    known = ACTIONS.get(key.service, {}).get(action)
    if known is not None and known.resource is ResourceType.REGISTRY:
        return f"arn:{key.partition}:{key.service}::{key.account}:registry/{key.account}"
    if known is None or known.resource is not ResourceType.REPOSITORY:
        return "*"
    return key.repository_arn(repository or "*")


def _require(question: Question) -> None:
    """Refuse what is not allowed.

    :raises AccessDenied: with AWS's text.
    """
    decision = evaluate(question.request, question.policies)
    if not decision.allowed:
        raise AccessDenied(decision.message(question.request))


def _explained(question: Question) -> tuple[Decision, tuple[Finding, ...]]:
    return (
        evaluate(question.request, question.policies),
        explain(question.request, question.policies),
    )


def _requester(principal: Principal) -> Requester:
    if principal == ANONYMOUS:
        return NOBODY
    identity_arn = principal.session.identity_arn if principal.session else ""
    return requester_from_arn(principal.arn, identity_arn=identity_arn)


def _one(name: str, text: str | None) -> NamedPolicy | None:
    return None if text is None else NamedPolicy(name, parsed(text))


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)


def _last(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
