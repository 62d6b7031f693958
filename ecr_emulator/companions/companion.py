"""The other services as the application sees them, wherever they run."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from .forwarding import ForwardedRequest, authorization_of
from .moto_host import SCOPE_KEY, MotoHost
from .services import ServiceRequest
from .shared_state import SharedState


class Companion(Protocol):
    """The other services of this installation."""

    def respond(
        self, service: ServiceRequest, request: ForwardedRequest, start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request to one of them, as WSGI does; the request's body is closed then.

        :raises StorageFailure: it gives no answer.
        """

    def ask(self, question: str, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        """Return what is known of an access key, a user, a role or a secret, if anything is.

        :raises StorageFailure: it cannot be asked.
        """

    def put_event(self, event: Mapping[str, Any]) -> str | None:
        """Put an event on its default bus; say why that failed, or ``None`` when it did not."""

    def has_rules(self) -> bool:
        """Say whether a rule may wait for events on a default bus."""

    def reset(self) -> None:
        """Empty every service.

        :raises StorageFailure: it cannot be asked.
        """


class CompanionHere:
    """moto in this very process: for applications that have but one."""

    def __init__(self) -> None:
        self._state = SharedState()
        self._moto = MotoHost(self._state)

    def respond(
        self, service: ServiceRequest, request: ForwardedRequest, start_response: Any
    ) -> Iterable[bytes]:
        """Answer a request; see :class:`Companion`."""
        with request.body as body:
            return self._moto(wsgi_environ(service, request, body.read()), start_response)

    def ask(self, question: str, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        """Answer a question; see :class:`Companion`."""
        answer: dict[str, Any] | None = self._moto.call(question, dict(arguments))
        return answer

    def put_event(self, event: Mapping[str, Any]) -> str | None:
        """Put an event on its default bus."""
        self._moto.call("put_event", {"event": event})
        return None

    def has_rules(self) -> bool:
        """Say whether a rule may wait for events."""
        return self._state.has_rules

    def reset(self) -> None:
        """Empty every service."""
        self._moto.call("reset", {})


def wsgi_environ(service: ServiceRequest, request: ForwardedRequest, body: bytes) -> dict[str, Any]:
    """Return a request as a WSGI environ for moto."""
    path, _, query = request.target.partition("?")
    headers: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in request.headers:
        key = name.replace("-", "_").upper()
        headers[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        if "_" in name:
            names[f"HTTP_{key}"] = name
    host, _, port = headers.get("HTTP_HOST", "localhost").rpartition(":")
    environ: dict[str, Any] = {
        **headers,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "RAW_URI": request.target,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(request.length),
        "SERVER_NAME": host or "localhost",
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "moto.preserved_header_names": names,
    }
    if service.credential and "HTTP_AUTHORIZATION" not in headers:
        environ[SCOPE_KEY] = authorization_of(service)
    return environ
