"""Who asks, and in which registry: the Basic credentials and the host of a request.

The answers are ECR's: its challenge, 400 for what is no token of its own, 403 with a text
for one that has expired (seen in public issue threads).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ecr_emulator.arns import RegistryKey
from ecr_emulator.auth.access import Access, AccessDenied
from ecr_emulator.auth.origins import Origins
from ecr_emulator.auth.permits import CallerPermit
from ecr_emulator.auth.principals import ANONYMOUS, Principal, root_principal
from ecr_emulator.auth.tokens import (
    USER_NAME,
    ExpiredToken,
    InvalidToken,
    MalformedBasicHeader,
    RegistryTokens,
    TokenClaims,
    parse_basic,
)
from ecr_emulator.endpoints import registry_of_host
from ecr_emulator.oci.errors import OciError
from ecr_emulator.oci.http import Request, Response

#: No user name and no password: how podman and skopeo answer a challenge when they have no
#: credentials. What they print of ECR then, they print of a 401 (public issue threads).
_EMPTY_BASIC = "Basic Og=="
_PINGS = ("/v2/", "/v2")
#: The account of a caller whose credentials are not checked (``--auth permissive``).
_PERMISSIVE_ACCOUNT = "000000000000"


class NotAuthenticated(Exception):
    """The request carries no credentials; the answer is a challenge."""

    def response(self, request: Request) -> Response:
        """Return ECR's challenge for the host that was asked."""
        endpoint = request.endpoint
        realm = f"{endpoint.scheme}://{endpoint.host}/"
        challenge = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
        headers = [
            ("WWW-Authenticate", challenge.replace("\r", "").replace("\n", "")),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]
        return Response(401, headers, b"Not Authorized\n")


class AnonymousRefused(OciError):
    """Nobody in particular asks for what only principals of AWS may do."""

    def __init__(self) -> None:
        # The text is seen in public issue threads, the status likeliest.
        super().__init__(403, "DENIED", "Not Authorized")


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the registry they ask."""

    principal: Principal
    key: RegistryKey


class OciPermit(CallerPermit):
    """What a caller may do to one repository; refuses as this door does."""

    def __call__(self, action: str, *, tags: Mapping[str, str] | None = None) -> None:
        """Refuse unless the caller may do the service's *action*.

        :raises OciError: the caller may not.
        """
        try:
            super().__call__(action, tags=tags)
        except AccessDenied as error:
            raise OciError(403, "DENIED", error.message) from None


class Authenticator:
    """Reads registry tokens and decides on access at the OCI door.

    :param permissive: let any credentials in.
    """

    def __init__(
        self,
        tokens: RegistryTokens,
        access: Access,
        origins: Origins,
        *,
        permissive: bool,
        default_region: str,
    ) -> None:
        self._tokens = tokens
        self._access = access
        self._origins = origins
        self._permissive = permissive
        self._default_region = default_region

    def authenticate(self, request: Request) -> Caller:
        """Return who asks and in which private registry.

        :raises NotAuthenticated: the request has no credentials.
        :raises OciError: the credentials do not let anybody in.
        """
        header = request.environ.get("HTTP_AUTHORIZATION")
        if not header or (header == _EMPTY_BASIC and not self._permissive):
            raise NotAuthenticated
        claims = self._claims(header)
        if claims is None:
            return self._anybody(request)
        host_key = registry_of_host(str(request.environ.get("HTTP_HOST", "")))
        if claims.service != "ecr" and (host_key is not None or request.path not in _PINGS):
            # Public registries may be reached by the same host, so one can log in to it.
            raise _invalid_token()
        if host_key is None:
            return Caller(claims.principal, RegistryKey(claims.registry_account, claims.region))
        if host_key.region != claims.region:
            # Tokens are tied to their region (user guide, troubleshooting); likeliest text.
            message = f"The authorization token is not valid in the region {host_key.region}."
            raise OciError(403, "DENIED", message)
        return Caller(claims.principal, host_key)

    def principal_for_public(self, request: Request) -> Principal | None:
        """Return who asks for something in a public registry; the token may be any registry's.

        :returns: the anonymous principal for a request without credentials; ``None`` when
            they are not checked.
        :raises OciError: the credentials do not let anybody in.
        """
        header = request.environ.get("HTTP_AUTHORIZATION")
        if not header or header == _EMPTY_BASIC:
            return ANONYMOUS
        claims = self._claims(header)
        return None if claims is None else claims.principal

    def _claims(self, header: str) -> TokenClaims | None:
        """Return what the token in a Basic header says; ``None`` for what is let in unchecked."""
        try:
            return self._tokens.verify_password(password_of(header))
        except ExpiredToken as error:
            if self._permissive:
                # As with keys: it stands for who got it.
                return error.claims
            message = "Your authorization token has expired. Reauthenticate and try again."
            raise OciError(403, "DENIED", message) from None
        except (InvalidToken, MalformedBasicHeader):
            if self._permissive:
                return None
            raise _invalid_token() from None

    def check(self, caller: Caller, action: str, repository: str | None, request: Request) -> None:
        """Let the caller do *action* (``ecr:PutImage``), or refuse.

        :raises OciError: the caller may not.
        """
        if caller.principal == ANONYMOUS:
            raise AnonymousRefused
        try:
            self._access.check(
                caller.principal,
                action,
                caller.key,
                repository,
                origin=self._origins.of_request(request.environ),
            )
        except AccessDenied as error:
            raise OciError(403, "DENIED", error.message) from None

    def permit(self, caller: Caller, repository: str, request: Request) -> OciPermit:
        """Return what tells whether the caller may do more to a repository."""
        origin = self._origins.of_request(request.environ)
        return OciPermit(self._access, caller.principal, caller.key, repository, origin)

    def _anybody(self, request: Request) -> Caller:
        key = registry_of_host(str(request.environ.get("HTTP_HOST", "")))
        key = key or RegistryKey(_PERMISSIVE_ACCOUNT, self._default_region)
        return Caller(root_principal(key.account), key)


def _invalid_token() -> OciError:
    # ECR's status for what is no token; the text is the likeliest.
    return OciError(400, "DENIED", "The authorization token is invalid.")


@lru_cache(maxsize=1024)
def password_of(header: str) -> str:
    """Return the password of a Basic header; ECR has the one user name.

    :raises MalformedBasicHeader: the header is no such thing, or has another user name.
    """
    user, password = parse_basic(header)
    if user != USER_NAME:
        raise MalformedBasicHeader("not ECR's user name")
    return password
