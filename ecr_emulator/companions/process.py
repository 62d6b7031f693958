"""The companion process: moto behind a socket, for the workers of one server.

The master makes the socket and the secret before it starts any process, so that all know both.
The socket is in a folder that only this user may enter, and who does not send the secret is
refused. Nothing listens on the network.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from .link import QUESTION_HEADER, SCHEME_HEADER, SCOPE_HEADER, SECRET_HEADER, Address
from .moto_host import SCOPE_KEY, MotoHost
from .shared_state import SharedState

logger = logging.getLogger(__name__)

_BACKLOG = 1024


class CompanionProcess:
    """What the master prepares, and the companion process runs.

    :ivar address: for the workers.
    """

    def __init__(self) -> None:
        # Short, for the path of a socket may have no more than some hundred bytes.
        self._folder = tempfile.TemporaryDirectory(prefix="ecr-emulator-")
        path = os.path.join(self._folder.name, "socket")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(path)
        self._listener.listen(_BACKLOG)
        self.address = Address(path, secrets.token_hex(32), SharedState())

    def run(self, ready: Callable[[], None]) -> None:
        """Be the companion process, until it is ended.

        :param ready: called when it is about to answer.
        """
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            """Keeps the names of headers, and logs nothing: headers hold credentials."""

            def make_environ(self) -> dict[str, Any]:
                environ = super().make_environ()
                names = [name for name in dict(self.headers) if "_" in name]
                folded = {f"HTTP_{name.upper().replace('-', '_')}": name for name in names}
                # Werkzeug leaves out names with underscores.
                environ.update((key, self.headers[name]) for key, name in folded.items())
                environ["moto.preserved_header_names"] = folded
                return environ

            def log(self, type: str, message: str, *args: Any) -> None:
                pass

        # The master says when to stop, after the workers; a Ctrl-C reaches all of them at once.
        for name in (signal.SIGINT, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)
        # Would stand before the account of the request.
        os.environ.pop("MOTO_ACCOUNT_ID", None)
        application = _PrivateApplication(MotoHost(self.address.state), self.address.secret)
        server = make_server(
            f"unix://{self.address.path}",
            0,
            application,
            threaded=True,
            request_handler=Handler,
            fd=self._listener.fileno(),
        )
        ready()
        server.serve_forever()

    def close(self) -> None:
        """Close the socket and remove its folder, in the master."""
        self._listener.close()
        self._folder.cleanup()


class _PrivateApplication:
    """Answers the workers' questions, and hands everything else to moto (WSGI)."""

    def __init__(self, moto: MotoHost, secret: str) -> None:
        self._moto = moto
        self._secret = secret.encode()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environ.pop(_key(SECRET_HEADER), "").encode("latin-1")
        if not hmac.compare_digest(given, self._secret):
            return _answer(start_response, "403 Forbidden", b"")
        question = environ.pop(_key(QUESTION_HEADER), None)
        if question is not None:
            arguments = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
            answer = self._moto.call(question, arguments)
            return _answer(start_response, "200 OK", json.dumps(answer).encode())
        environ["wsgi.url_scheme"] = environ.pop(_key(SCHEME_HEADER), "http")
        scope = environ.pop(_key(SCOPE_HEADER), None)
        if scope is not None and "HTTP_AUTHORIZATION" not in environ:
            environ[SCOPE_KEY] = scope
        return self._moto(environ, start_response)


def _key(header: str) -> str:
    return f"HTTP_{header.upper().replace('-', '_')}"


def _answer(start_response: Any, status: str, body: bytes) -> Iterable[bytes]:
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]
