"""Around every operation of both services: its context, access first, AWS's errors last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

from ecr_emulator.arns import RegistryKey, parse_repository_arn
from ecr_emulator.auth.access import Access, AccessDenied
from ecr_emulator.auth.page_tokens import InvalidPageToken, PageTokens
from ecr_emulator.auth.permits import CallerPermit
from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.service_linked_roles import ServiceLinkedRoles
from ecr_emulator.auth.tokens import RegistryTokens
from ecr_emulator.auth.urls import DownloadUrls
from ecr_emulator.aws.dependent_actions import check_other_service, needed, repositories_of
from ecr_emulator.aws.errors import AwsError, access_denied
from ecr_emulator.aws.operations import Operations
from ecr_emulator.endpoints import Endpoint, RegistryAddresses
from ecr_emulator.policy.actions import ACTIONS, ResourceType
from ecr_emulator.policy.context import Origin, Value, tagging_keys
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.errors import (
    InvalidParameter,
    InvalidTagParameter,
    RegistryError,
    ServerFailure,
)

Params = dict[str, Any]

#: Results on a page when the caller names no number (API reference).
DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class ApiServices:
    """What the operations are built from."""

    registry: Registry
    access: Access
    tokens: RegistryTokens
    urls: DownloadUrls
    page_tokens: PageTokens
    addresses: RegistryAddresses
    service_linked_roles: ServiceLinkedRoles


@dataclass(frozen=True, slots=True)
class CallContext(ABC):
    """One call: the caller, the region it was signed for, how the server was reached, whence."""

    services: ApiServices
    principal: Principal
    region: str
    endpoint: Endpoint
    origin: Origin

    @property
    @abstractmethod
    def home(self) -> RegistryKey:
        """The caller's own registry, in the service that is called."""

    @property
    def registry(self) -> Registry:
        """The registry core."""
        return self.services.registry

    def key(self, params: Params) -> RegistryKey:
        """Return the registry that a call acts on: the caller's own unless it names another."""
        home = self.home
        account = params.get("registryId")
        return home if account is None else RegistryKey(account, home.region)

    def key_of_arn(self, arn: str) -> tuple[RegistryKey, str]:
        """Return the registry and the name of the repository that *arn* names.

        :raises InvalidParameter: it names none of this service in the region of the call.
        """
        parsed = parse_repository_arn(arn)
        if parsed is None or parsed[0].region != self.home.region:
            raise InvalidParameter.at("resourceArn", "Invalid ARN")
        return parsed

    def authorize(self, operation: str, params: Params) -> None:
        """Refuse unless the caller may call *operation* with *params*.

        :raises AccessDenied: the caller may not.
        """
        arn = params.get("resourceArn")
        if arn is not None:
            key, name = self.key_of_arn(arn)
            repositories: list[str | None] = [name]
        else:
            key, repositories = self.key(params), repositories_of(params)
        keys = _request_keys(params)
        access, principal, origin = self.services.access, self.principal, self.origin
        for requirement in needed(key.service, operation, params):
            if requirement.action in ACTIONS[key.service]:
                for repository in repositories:
                    access.check(
                        principal, requirement.action, key, repository, origin=origin, keys=keys
                    )
            elif requirement.resource is ResourceType.NONE:
                access.check_resource(principal, requirement.action, "*", origin=origin)
            else:
                roles = self.services.service_linked_roles
                check_other_service(access, roles, requirement, principal, key, params, origin)

    def permit(self, key: RegistryKey, repository: str) -> CallerPermit:
        """Return what tells whether the caller may do more, and refuses by AccessDenied."""
        return CallerPermit(self.services.access, self.principal, key, repository, self.origin)

    def position(self, params: Params, *bound_to: object) -> Any:
        """Return where the listing goes on, or ``None`` at its beginning.

        :param bound_to: what makes the listing this one: its token is good for no other.
        :raises InvalidParameter: the token was not given for this listing.
        """
        token = params.get("nextToken")
        if token is None:
            return None
        try:
            return self.services.page_tokens.open(bound_to, token)
        except InvalidPageToken:
            raise InvalidParameter.at("NextToken", "Invalid next token provided") from None

    def next_token(self, position: Any, *bound_to: object) -> str:
        """Return the token for the listing to go on behind *position*."""
        return self.services.page_tokens.seal(bound_to, position)


def _request_keys(params: Params) -> dict[str, Value]:
    """Return the condition keys that a request's own members give."""
    keys: dict[str, Value] = {}
    tags = tags_of(params) if "tags" in params else {}
    tag_keys = params.get("tagKeys")
    if tags or tag_keys:
        keys = tagging_keys(tags=tags, tag_keys=tag_keys or ())
    if "name" in params:
        # Of Get- and PutAccountSetting alone (service authorization reference).
        keys["ecr:AccountSetting"] = params["name"]
    return keys


def tags_of(params: Params) -> dict[str, str]:
    """Return the resource tags in a request, by key; of one key the last value counts.

    :raises InvalidTagParameter: a tag has no key, which ECR Public's model allows.
    """
    tags = params.get("tags") or ()
    if any("Key" not in tag for tag in tags):
        raise InvalidTagParameter("Invalid tag key: 'null'")  # likeliest
    return {tag["Key"]: tag.get("Value", "") for tag in tags}


ContextT = TypeVar("ContextT", bound=CallContext)
#: A function of a context and the input. Its type stays its own, so that one which takes any
#: :class:`CallContext` can be registered with both services.
FunctionT = TypeVar("FunctionT", bound="Callable[..., dict[str, Any]]")


def registering(
    operations: Operations[ContextT],
) -> Callable[[str], Callable[[FunctionT], FunctionT]]:
    """Return the decorator that registers a function as one of *operations*."""

    def operation(name: str) -> Callable[[FunctionT], FunctionT]:
        """Register the decorated function as the operation *name*."""

        def register(function: FunctionT) -> FunctionT:
            # Its name, module and description stay those of the function (docs/operations.md).
            @wraps(function)
            def call(context: ContextT, params: Params) -> dict[str, Any]:
                try:
                    context.authorize(name, params)
                    return function(context, params)
                except AccessDenied as error:
                    raise access_denied(error.message) from None
                except RegistryError as error:
                    raise to_aws_error(error) from error

            operations.operation(name)(call)
            return function

        return register

    return operation


def to_aws_error(error: RegistryError) -> AwsError:
    """Return a refusal of the registry as the JSON door answers it."""
    status = 500 if isinstance(error, ServerFailure) else 400
    return AwsError(error.code, error.message, status=status, fields=error.fields)


def page_size(params: Params) -> int:
    """Return how many results the caller wants at the most."""
    return int(params.get("maxResults") or DEFAULT_PAGE)


def refuse_paging_with(params: Params, member: str) -> None:
    """Refuse a call that names its items and asks for pages too (API reference).

    :raises InvalidParameter: it does (wording: likeliest).
    """
    for paging in ("nextToken", "maxResults"):
        if params.get(paging) is not None:
            raise InvalidParameter(
                f"Invalid parameter at '{paging}' failed to satisfy constraint: "
                f"'{paging} cannot be used when {member} is specified'"
            )
