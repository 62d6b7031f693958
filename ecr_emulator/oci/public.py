"""Public registries at the OCI door: on a host of their own, or below a path on any other.

On a host that begins with ``public.ecr.`` (or is the setting ``public_registry_host``) a
repository is ``<alias>/<name>``, and clients authenticate as at public.ecr.aws: they are sent
to ``/token/`` for a bearer token, which everyone gets. On every other host a repository is
``public.ecr.aws/<alias>/<name>``, and the credentials are those of the private registries;
whoever has none may still pull.

Sources: public issue threads, for the answers of public.ecr.aws; ECR Public user guide,
"Registry authentication", for the rest.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta

from ecr_emulator.arns import PUBLIC, RegistryKey, public_registry
from ecr_emulator.auth.principals import ANONYMOUS, Principal, root_principal
from ecr_emulator.auth.tokens import (
    ExpiredToken,
    InvalidToken,
    MalformedBasicHeader,
    RegistryTokens,
)
from ecr_emulator.endpoints import PUBLIC_PREFIX, RegistryAddresses
from ecr_emulator.oci.api_calls import answer_and_record
from ecr_emulator.oci.authentication import (
    AnonymousRefused,
    Caller,
    NotAuthenticated,
    password_of,
)
from ecr_emulator.oci.context import Context, DoorServices
from ecr_emulator.oci.errors import OciError, unsupported
from ecr_emulator.oci.http import Request, Response
from ecr_emulator.oci.routes import Route, find_route
from ecr_emulator.registry.errors import RepositoryNotFound
from ecr_emulator.registry.public_registries import PublicRegistries

TOKEN_PATHS = ("/token/", "/token")
#: Where the public registries are on a host that is not theirs alone.
PATH_START = f"/v2/{PUBLIC_PREFIX}"

#: How long an anonymous token of public.ecr.aws is good (seen in public issue threads).
_ANONYMOUS_LIFETIME = timedelta(hours=1)
_ALIAS_PATTERN = "[a-z][a-z0-9]+(?:[._-][a-z0-9]+)*"
_ALIAS = re.compile(_ALIAS_PATTERN)
_LONGEST_ALIAS = 50


class NoBearerToken(NotAuthenticated):
    """The request carries no credentials; the answer says where a token is to be had."""

    def response(self, request: Request) -> Response:
        """Return the challenge of public.ecr.aws for the host that was asked."""
        endpoint = request.endpoint
        host = re.sub(r'[\r\n"\\]', "", endpoint.host)
        realm = f"{endpoint.scheme}://{host}/token/"
        headers = [
            ("WWW-Authenticate", f'Bearer realm="{realm}",service="{host}",scope="aws"'),
            ("Content-Type", "text/plain; charset=utf-8"),
        ]
        return Response(401, headers, b"Not Authorized\n")


class PublicDoor:
    """Answers requests to the repositories of public registries."""

    def __init__(
        self,
        services: DoorServices,
        tokens: RegistryTokens,
        addresses: RegistryAddresses,
        *,
        permissive: bool,
    ) -> None:
        self._services = services
        self._tokens = tokens
        self._addresses = addresses
        self._permissive = permissive

    def has_host(self, host: str) -> bool:
        """Say whether *host* is the public registries' own."""
        return self._addresses.is_public_host(host)

    def answer_on_host(self, request: Request) -> Response:
        """Answer a request to the public registries' own host.

        :raises NotAuthenticated, OciError, RegistryError: the request is refused.
        """
        if request.path in TOKEN_PATHS:
            return self._token(request)
        principal = self._bearer(request)
        route = find_route(request)
        if route.kind == "ping":
            return route.handler(self._context(request, route, principal, _NOWHERE, ""))
        if not route.name:
            # There is no registry whose repositories could be listed.
            raise unsupported()
        if (
            self._services.strict_ecr
            and principal == ANONYMOUS
            and (request.method, route.kind) == ("HEAD", "blobs")
        ):
            # public.ecr.aws answers so, whatever the blob.
            raise NoBearerToken
        return self._serve(request, route, principal, route.name)

    def answer_on_path(self, request: Request) -> Response:
        """Answer a request whose path begins with :data:`PATH_START`, on another host.

        :raises NotAuthenticated, OciError, RegistryError: the request is refused.
        """
        principal = self._services.authenticator.principal_for_public(request)
        route = find_route(request)
        try:
            return self._serve(request, route, principal, route.name.removeprefix(PUBLIC_PREFIX))
        except AnonymousRefused:
            # Here there was no token to say so: credentials may yet come.
            raise NotAuthenticated from None

    def _serve(
        self, request: Request, route: Route, principal: Principal | None, path: str
    ) -> Response:
        alias, _, name = path.partition("/")
        self._check_alias(alias)
        account = self._registries.account(alias)
        if account is None:
            raise RepositoryNotFound(name, alias)
        try:
            key = public_registry(account)
            context = self._context(request, route, principal, key, name)
            return answer_and_record(context, route)
        except RepositoryNotFound:
            # public.ecr.aws names the registry as the client did.
            raise RepositoryNotFound(name, alias) from None

    def _context(
        self,
        request: Request,
        route: Route,
        principal: Principal | None,
        key: RegistryKey,
        name: str,
    ) -> Context:
        caller = Caller(principal or root_principal(key.account), key)
        return Context(self._services, request, caller, name, route.reference, route.name)

    def _check_alias(self, alias: str) -> None:
        if len(alias) <= _LONGEST_ALIAS and _ALIAS.fullmatch(alias) is not None:
            return
        message = (
            "Invalid parameter at 'registryAliasName' failed to satisfy constraint: 'Member must "
            f"satisfy regular expression pattern: {_ALIAS_PATTERN}'"
        )
        if self._services.strict_ecr:
            raise OciError(405, "UNSUPPORTED", message)
        raise OciError(400, "NAME_INVALID", message)

    @property
    def _registries(self) -> PublicRegistries:
        return self._services.registry.public_registries

    def _bearer(self, request: Request) -> Principal | None:
        """Return who asks; ``None`` for whoever may do everything (``--auth permissive``).

        What an ECR Public authorization token is (base64 of ``AWS:<password>``) is also a
        bearer token; so are those that ``/token/`` gives.

        :raises NoBearerToken: the request has no credentials.
        :raises OciError: they let nobody in.
        """
        header = str(request.environ.get("HTTP_AUTHORIZATION") or "")
        if not header:
            raise NoBearerToken
        scheme, _, token = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise InvalidToken("not a bearer token")
            return self._principal(password_of(f"Basic {token.strip()}"))
        except (ExpiredToken, InvalidToken, MalformedBasicHeader):
            if self._permissive:
                return None
            # Expired ones are not told apart, and Basic is no way in either.
            raise OciError(400, "DENIED", "Your Authorization Token is invalid.") from None

    def _token(self, request: Request) -> Response:
        """``GET /token/``: a bearer token for the caller, or for anyone."""
        if request.method not in ("GET", "HEAD"):
            raise unsupported()
        header = str(request.environ.get("HTTP_AUTHORIZATION") or "")
        if not header:
            token = self._tokens.issue(
                ANONYMOUS, "", PUBLIC, service="ecr-public", lifetime=_ANONYMOUS_LIFETIME
            ).token
            return _token_response(token)
        try:
            self._principal(password_of(header))
        except (ExpiredToken, InvalidToken, MalformedBasicHeader):
            if not self._permissive:
                # The text is seen in public issue threads, the status likeliest.
                raise OciError(400, "DENIED", "Not Authorized") from None
        # What the credentials are made of is the bearer token.
        return _token_response(header.partition(" ")[2].strip())

    def _principal(self, password: str) -> Principal:
        claims = self._tokens.verify_password(password)
        if claims.service != "ecr-public":
            raise InvalidToken("a token of the private registries")
        return claims.principal


def _token_response(token: str) -> Response:
    body = json.dumps({"token": token}).encode("ascii", "replace")
    return Response(200, [("Content-Type", "application/json")], body)


#: The registry of a ping, which asks none.
_NOWHERE = public_registry("")
