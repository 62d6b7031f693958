"""What every ECR operation is handed: who calls, and what it may call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecr_emulator.arns import RegistryKey, parse_repository_arn
from ecr_emulator.auth.access import Access
from ecr_emulator.auth.page_tokens import InvalidPageToken, PageTokens
from ecr_emulator.auth.principals import Principal
from ecr_emulator.auth.tokens import RegistryTokens
from ecr_emulator.auth.urls import DownloadUrls
from ecr_emulator.endpoints import Endpoint, RegistryAddresses
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.errors import InvalidParameter

Params = dict[str, Any]

#: Results on a page when the caller names no number (API reference).
DEFAULT_PAGE = 100


@dataclass(frozen=True, slots=True)
class EcrServices:
    """What the operations are built from."""

    registry: Registry
    access: Access
    tokens: RegistryTokens
    urls: DownloadUrls
    page_tokens: PageTokens
    addresses: RegistryAddresses


@dataclass(frozen=True, slots=True)
class EcrContext:
    """One call: the caller, the region it was signed for, and how the server was reached."""

    services: EcrServices
    principal: Principal
    region: str
    endpoint: Endpoint

    @property
    def registry(self) -> Registry:
        """The registry core."""
        return self.services.registry

    def key(self, params: Params) -> RegistryKey:
        """Return the registry that a call acts on: the caller's own unless it names another."""
        return RegistryKey(params.get("registryId") or self.principal.account, self.region)

    def key_of_arn(self, arn: str) -> tuple[RegistryKey, str]:
        """Return the registry and the name of the repository that *arn* names.

        :raises InvalidParameter: it names none in the region of the call.
        """
        parsed = parse_repository_arn(arn)
        if parsed is None or parsed[0].region != self.region:
            raise InvalidParameter.at("resourceArn", "Invalid ARN")
        return parsed

    def authorize(self, operation: str, params: Params) -> None:
        """Refuse unless the caller may call *operation* with *params*.

        :raises AccessDenied: the caller may not.
        """
        arn = params.get("resourceArn")
        key, repository = (
            (self.key(params), params.get("repositoryName"))
            if arn is None
            else self.key_of_arn(arn)
        )
        self.services.access.check(self.principal, f"ecr:{operation}", key, repository)

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
