"""Requests and responses of the OCI door: a thin layer over WSGI.

Flask's routing and request objects cost more than serving a small blob does, so this door
reads the WSGI environment itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from ecr_emulator.endpoints import Endpoint, is_host
from ecr_emulator.wsgi_body import BodyReader, discard_rest

Environ = dict[str, Any]
Headers = list[tuple[str, str]]

_REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_QUERY_FIELDS = 64
#: Answers whose Content-Length would be that of another one (RFC 9110, section 8.6).
_WITHOUT_LENGTH = (204, 304)


@dataclass
class Request:
    """What the door's functions read of a request."""

    environ: Environ
    _body_wanted: bool = False
    _reader: BodyReader | None = None

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return str(self.environ["REQUEST_METHOD"])

    @property
    def path(self) -> str:
        """The path, decoded."""
        return str(self.environ.get("PATH_INFO", ""))

    @cached_property
    def query(self) -> dict[str, str]:
        """The query's fields; of a repeated one the last."""
        # A NUL means nothing in any of them, and PostgreSQL takes it in no text.
        text = str(self.environ.get("QUERY_STRING") or "").replace("%00", "")
        try:
            return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_QUERY_FIELDS))
        except ValueError:
            return {}

    def header(self, name: str) -> str:
        """Return a header's value, or an empty string."""
        if name == "Content-Type":
            return str(self.environ.get("CONTENT_TYPE") or "")
        if name == "Content-Length":
            return str(self.environ.get("CONTENT_LENGTH") or "")
        return str(self.environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    def has_header(self, name: str) -> bool:
        """Say whether there is a header, maybe an empty one; not for Content-*."""
        return "HTTP_" + name.upper().replace("-", "_") in self.environ

    @cached_property
    def endpoint(self) -> Endpoint:
        """The address by which the caller reached the server."""
        return endpoint_of(self.environ)

    def body(self, limit: int | None = None) -> BodyReader:
        """Return the body, to be read once and in chunks.

        :param limit: the most bytes it may have.
        """
        self._body_wanted = True
        self._reader = BodyReader(self.environ, limit)
        return self._reader

    def discard_body(self) -> None:
        """Take the rest of a body that somebody began to read or wanted to, and drop it."""
        if self._body_wanted:
            discard_rest(self.environ, begun=self._reader is not None and self._reader.received > 0)


@dataclass
class Response:
    """An answer: a body of bytes, or chunks whose length the headers tell."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes | Iterable[bytes] = b""

    def drop_body(self) -> None:
        """Leave the headers alone, as the answer to a ``HEAD``."""
        if isinstance(self.body, bytes):
            if self.status not in _WITHOUT_LENGTH and not self._has_length():
                self.headers.append(("Content-Length", str(len(self.body))))
        elif hasattr(self.body, "close"):
            self.body.close()
        self.body = b""

    def start(self, start_response: Any) -> Iterable[bytes]:
        """Send status and headers, and return the body for the server."""
        headers = [*self.headers, ("Docker-Distribution-Api-Version", "registry/2.0")]
        body = self.body
        if isinstance(body, bytes):
            if self.status not in _WITHOUT_LENGTH and not self._has_length():
                headers.append(("Content-Length", str(len(body))))
            body = [body]
        start_response(_REASONS[self.status], headers)
        return body

    def _has_length(self) -> bool:
        return any(name == "Content-Length" for name, _ in self.headers)


def endpoint_of(environ: Environ) -> Endpoint:
    """Return the address by which a request reached the server."""
    scheme = str(environ.get("wsgi.url_scheme") or "http")
    host = str(environ.get("HTTP_HOST") or "")
    if not is_host(host):
        # None, or one that could not stand in a challenge.
        host = f"{environ.get('SERVER_NAME', 'localhost')}:{environ.get('SERVER_PORT', '80')}"
    return Endpoint(scheme, host)
