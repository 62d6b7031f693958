"""The door to the other services: whose request it is, the whole of it, and the answer.

moto verifies no signatures. The access key only says which account a request is in, by the same
rules as at the other doors; one that nobody knows is in the account 000000000000.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ecr_emulator.auth.credentials import DEFAULT_ACCOUNT, PermissiveCredentials
from ecr_emulator.storage_failure import StorageFailure
from ecr_emulator.wsgi_body import BodyError, BodyTooLarge, discard_rest

from .companion import Companion
from .failures import failure
from .forwarding import MAX_BODY, forwarded
from .services import ServiceRequest, service_request


class CompanionDoor:
    """Answers requests to the services that are not this project's own.

    :param credentials: say which account an access key is of, whatever it is.
    """

    def __init__(self, companion: Companion, credentials: PermissiveCredentials) -> None:
        self._companion = companion
        self._credentials = credentials

    def service_of(self, environ: Mapping[str, Any]) -> ServiceRequest | None:
        """Say which other service a request is for; ``None`` if it is another door's."""
        return service_request(environ)

    def answer(
        self, service: ServiceRequest, environ: dict[str, Any], start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        if "HTTP_ORIGIN" in environ and service.service != "s3":
            # A page in a browser could have others' users send anything: nothing is verified.
            return _refusal(environ, start_response, 403, "AccessDenied", _NO_PAGES)
        try:
            request = forwarded(environ, self._account(service))
        except BodyTooLarge:
            text = f"Your proposed upload exceeds the maximum allowed size ({MAX_BODY} bytes)."
            return _refusal(environ, start_response, 413, "EntityTooLarge", text)
        except BodyError as error:
            return _refusal(environ, start_response, 400, "IncompleteBody", str(error))
        except StorageFailure as error:
            return _refusal(environ, start_response, 503, "ServiceUnavailable", str(error))
        try:
            return self._companion.respond(service, request, start_response)
        except StorageFailure as error:
            return failure(environ, start_response, 503, "ServiceUnavailable", str(error))

    def _account(self, service: ServiceRequest) -> str:
        if not service.access_key_id:
            return DEFAULT_ACCOUNT
        key = self._credentials.lookup(service.access_key_id, service.session_token)
        return key.principal.account


_NO_PAGES = "The companion services do not answer pages in a browser."


def _refusal(
    environ: Mapping[str, Any], start_response: Any, status: int, code: str, message: str
) -> Iterable[bytes]:
    discard_rest(environ, begun=not environ.get("CONTENT_LENGTH"))
    return failure(environ, start_response, status, code, message)
