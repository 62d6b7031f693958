"""Reads a request's body from a WSGI environ, in chunks, counting every byte.

No WSGI server can be trusted to report a body that ends too soon (all the ones measured hand
out a short body as if it were whole), so the declared length is held against what came.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

#: Bytes read at once when iterating: larger gains nothing and costs memory for each upload.
CHUNK = 256 * 1024

#: How much of a refused body is still taken, in bytes and in seconds.
_REST = 64 * 1024 * 1024
_REST_SECONDS = 5.0

_LENGTH = re.compile(r"[0-9]{1,18}")


class BodyError(Exception):
    """The body cannot be used; the subclass says why.

    :cvar status: the HTTP status that answers it.
    """

    status = 400


class BadContentLength(BodyError):
    """The Content-Length is not a number, or contradicts the transfer coding."""


class BodyTooLarge(BodyError):
    """The body is longer than it may be."""

    status = 413


class TruncatedBody(BodyError):
    """The body ended before its declared length, or broke off within a chunk."""


class BodyReader:
    """A request's body, to be read once.

    With a Content-Length, exactly so many bytes are read, and fewer raise :class:`TruncatedBody`.
    Without one (a chunked body) the end is where the server says it is. **Granian reports a
    connection that broke off as that end**, so a chunked body is only proven whole by what it
    holds: a digest, a signature, a JSON text that closes.

    :param environ: the WSGI environ of any server.
    :param limit: the most bytes the body may have; ``None`` for no bound.
    :raises BadContentLength: if the declared length is no number of bytes.
    :raises BodyTooLarge: if the declared length is above *limit*; nothing was read then, so that
        a client that waits for ``100 Continue`` sends nothing.
    """

    def __init__(self, environ: Mapping[str, Any], limit: int | None = None) -> None:
        self.length = _declared_length(environ)
        """The declared length in bytes, or ``None`` for a chunked body."""
        self.received = 0
        """The bytes read so far."""
        self._limit = limit
        self._ended = self.length == 0
        self._read = environ["wsgi.input"].read
        if self.length is not None and limit is not None and self.length > limit:
            raise BodyTooLarge(f"{self.length} bytes, where {limit} are allowed")

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes: at most *size*, fewer at times, none at the end.

        :param size: how many; negative for all the rest, which is wise only under a limit.
        :raises TruncatedBody: at a premature end.
        :raises BodyTooLarge: as soon as more came than the limit allows.
        """
        if size < 0:
            first = self.read(CHUNK)
            # Most bodies are whole then.
            return first if self._ended else first + b"".join(self)
        wanted = min(size, self._allowed())
        if self._ended or size == 0:
            return b""
        try:
            data: bytes = self._read(wanted)
        except (OSError, EOFError) as error:  # how gunicorn and Werkzeug tell of a broken body
            raise TruncatedBody(f"broke off after {self.received} bytes") from error
        self.received += len(data)
        if not data:
            self._ended = True
            if self.length is not None:
                raise TruncatedBody(f"{self.received} bytes of {self.length}")
        elif self.received == self.length:
            self._ended = True
        elif self._limit is not None and self.received > self._limit:
            raise BodyTooLarge(f"more than the {self._limit} bytes allowed")
        return data

    def __iter__(self) -> Iterator[bytes]:
        """Yield the rest in chunks of at most :data:`CHUNK` bytes; raises as :meth:`read`."""
        while data := self.read(CHUNK):
            yield data

    def _allowed(self) -> int:
        """Return how many bytes may be asked for: never past the end, one past the limit."""
        if self.length is not None:
            return self.length - self.received
        if self._limit is not None:
            return self._limit + 1 - self.received
        return CHUNK


def discard_rest(environ: Mapping[str, Any], *, begun: bool) -> None:
    """Take what a client still sends of a body that is refused, within bounds, and drop it.

    A connection that is closed upon unread bytes is reset, and the reset may overtake the
    answer: the client would see a broken pipe in place of the reason.

    :param begun: whether some of it was read already; otherwise a client that waits for
        ``100 Continue`` is not told to go on.
    """
    if not environ.get("wsgi.input_terminated") or ("HTTP_EXPECT" in environ and not begun):
        return
    until = time.monotonic() + _REST_SECONDS
    read, taken = environ["wsgi.input"].read, 0
    with contextlib.suppress(OSError, EOFError):
        while taken < _REST and time.monotonic() < until:
            data = read(CHUNK)
            if not data:
                break
            taken += len(data)


def _declared_length(environ: Mapping[str, Any]) -> int | None:
    """Return the body's length, 0 where there is none, ``None`` for a chunked body."""
    text = environ.get("CONTENT_LENGTH") or ""
    if text:
        if _LENGTH.fullmatch(text) is None:
            raise BadContentLength("not a number of bytes")
        if "HTTP_TRANSFER_ENCODING" in environ:
            raise BadContentLength("a length beside a transfer coding")
        return int(text)
    # Without this word from the server, reading on could wait for ever (PEP 3333).
    return None if environ.get("wsgi.input_terminated") else 0
