"""A worker's way to the companion process: HTTP over a socket that this user alone can open.

Every message bears a secret that was made at the server's start. A connection is for one
request, so none is ever found dead; and the master keeps the socket open, so that what comes
while the process is being replaced waits for the new one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecr_emulator.storage_failure import StorageFailure

from .forwarding import PRIVATE_PREFIX, ForwardedRequest, authorization_of
from .services import ServiceRequest
from .shared_state import SharedState

logger = logging.getLogger(__name__)

SECRET_HEADER = f"{PRIVATE_PREFIX}secret"
#: The name of a question; the body has its arguments.
QUESTION_HEADER = f"{PRIVATE_PREFIX}question"
#: The scheme by which the client reached the server.
SCHEME_HEADER = f"{PRIVATE_PREFIX}scheme"
#: A header that names the service, where only the query string does.
SCOPE_HEADER = f"{PRIVATE_PREFIX}scope"

#: Seconds: of a request to a service (a queue is polled for up to 20), and of a question.
_REQUEST_TIMEOUT = 120.0
_QUESTION_TIMEOUT = 10.0
_NO_ANSWER = "The companion services do not answer."
_CHUNK = 256 * 1024
#: Answers that are kept.
_MOST_ANSWERS = 4096
_NOT_HANDED_BACK = frozenset({"connection", "keep-alive", "transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where the companion process is, and what it has to be told to answer.

    :ivar path: of the socket.
    """

    path: str
    secret: str = field(repr=False)
    state: SharedState


class CompanionElsewhere:
    """moto in the companion process; see :class:`~.companion.Companion`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._answers: dict[tuple[str, ...], dict[str, Any] | None] = {}
        self._number = 0

    def respond(
        self, service: ServiceRequest, request: ForwardedRequest, start_response: Any
    ) -> Iterable[bytes]:
        """Hand a request on and its answer back."""
        connection = _Connection(self._address.path, _REQUEST_TIMEOUT)
        try:
            with request.body as body:
                connection.putrequest(
                    request.method, request.target, skip_host=True, skip_accept_encoding=True
                )
                for name, value in request.headers:
                    connection.putheader(name, value.encode("latin-1"))
                connection.putheader("Content-Length", str(request.length))
                connection.putheader(SECRET_HEADER, self._address.secret)
                connection.putheader(SCHEME_HEADER, request.scheme)
                if service.credential:
                    connection.putheader(SCOPE_HEADER, authorization_of(service))
                connection.endheaders()
                while chunk := body.read(_CHUNK):
                    connection.send(chunk)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            logger.warning("the companion process gave no answer: %s", type(error).__name__)
            raise StorageFailure(_NO_ANSWER) from None
        headers = [
            (name, value)
            for name, value in response.getheaders()
            if name.lower() not in _NOT_HANDED_BACK
        ]
        start_response(f"{response.status} {response.reason or 'Status'}", headers)
        return _Answer(connection, response)

    def ask(self, question: str, arguments: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the answer to a question, asked anew when anything may have changed."""
        state = self._address.state
        if not state.is_in_use:
            return None
        number, key = state.number, (question, *arguments.values())
        if number != self._number or len(self._answers) >= _MOST_ANSWERS:
            # Another dictionary: a thread that is still answered puts its answer into the old.
            self._answers, self._number = {}, number
        answers = self._answers
        if key not in answers:
            answers[key] = self._question(question, arguments)
        return answers[key]

    def put_event(self, event: Mapping[str, Any]) -> str | None:
        """Put an event on its default bus; say why that failed, or ``None`` when it did not."""
        try:
            self._question("put_event", {"event": event})
        except StorageFailure as failure:
            return str(failure)
        return None

    def has_rules(self) -> bool:
        """Say whether a rule may wait for events."""
        return self._address.state.has_rules

    def reset(self) -> None:
        """Empty every service."""
        if self._address.state.is_in_use:
            self._question("reset", {})

    def _question(self, question: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
        body = json.dumps(arguments).encode()
        headers = {SECRET_HEADER: self._address.secret, QUESTION_HEADER: question}
        # A process that was killed takes the question with it; its successor is asked once more.
        for is_last in (False, True):
            connection = _Connection(self._address.path, _QUESTION_TIMEOUT)
            with contextlib.closing(connection):
                try:
                    connection.request("POST", "/", body, headers)
                    response = connection.getresponse()
                    data = response.read()
                except (OSError, http.client.HTTPException) as error:
                    if is_last or isinstance(error, TimeoutError):
                        break
                    continue
            if response.status == 200:
                answer: dict[str, Any] | None = json.loads(data)
                return answer
            break
        raise StorageFailure(_NO_ANSWER)


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class _Answer:
    """The body of an answer, as it comes."""

    def __init__(self, connection: _Connection, response: http.client.HTTPResponse) -> None:
        self._connection, self._response = connection, response

    def __iter__(self) -> Iterator[bytes]:
        try:
            while chunk := self._response.read(_CHUNK):
                yield chunk
        finally:
            self.close()

    def close(self) -> None:
        """Give up the connection."""
        self._response.close()
        self._connection.close()
