"""An upstream registry on a thread: it has what a test gives it, and fails as a test wants."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.images import OCI_INDEX, Blob, Image, Index


class FakeUpstream:
    """A registry that serves pulls, on a free port.

    :ivar seen: ``METHOD path`` of every request, in order.
    :ivar authorizations: what came as Authorization, by path.
    :ivar login: the user name and password that tokens are given for; ``None`` gives them to
        anyone.
    :ivar wants_token: whether anything is given without a token.
    :ivar failing: the status that answers everything below ``/v2/``, if not 0.
    :ivar blob_status: likewise of blobs alone.
    :ivar blobs_at: the URL that blobs are redirected to.
    :ivar gate: blobs stop in their middle until it is set.
    :ivar has_referrers_api: whether it lists what refers to an image.
    :ivar corrupt: blobs that are sent with their last byte changed.
    """

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.authorizations: dict[str, str | None] = {}
        self.login: tuple[str, str] | None = None
        self.wants_token = False
        self.failing = 0
        self.blob_status = 0
        self.blobs_at = ""
        self.gate = threading.Event()
        self.gate.set()
        self.has_referrers_api = True
        self.corrupt: set[str] = set()
        self.short: set[str] = set()
        self.tokens_given = 0
        self._manifests: dict[tuple[str, str], Blob] = {}
        self._blobs: dict[str, bytes] = {}
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def add(self, repository: str, what: Image | Index, tag: str = "") -> str:
        """Have an image or an index with all it names; return its digest."""
        if isinstance(what, Index):
            for image in what.images:
                self.add(repository, image)
        else:
            for blob in what.blobs:
                self._blobs[blob.digest] = blob.data
        self._manifests[repository, what.manifest.digest] = what.manifest
        if tag:
            self._manifests[repository, tag] = what.manifest
        return what.manifest.digest

    def add_manifest(self, repository: str, manifest: Blob, tag: str = "") -> None:
        """Have a manifest, and *tag* for it."""
        self._manifests[repository, manifest.digest] = manifest
        if tag:
            self._manifests[repository, tag] = manifest

    def remove(self, repository: str, reference: str) -> None:
        """Have a manifest no more."""
        del self._manifests[repository, reference]

    def count(self, start: str) -> int:
        """Return how many requests began with *start*."""
        return sum(1 for line in self.seen if line.startswith(start))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer a request."""
        path = urlsplit(handler.path).path
        with self._lock:
            self.seen.append(f"{handler.command} {path}")
            self.authorizations[path] = handler.headers["Authorization"]
        if path == "/token":
            self._give_token(handler)
        elif path.startswith("/cdn/"):
            self._send_blob(handler, path[len("/cdn/") :])
        elif self.failing:
            _send(handler, self.failing, {"Retry-After": "1"}, b"{}")
        elif self.wants_token and handler.headers["Authorization"] != "Bearer t0ken":
            repository = path[len("/v2/") :].rpartition("/")[0].rpartition("/")[0]
            scope = f',scope="repository:{repository}:pull"' if repository else ""
            challenge = f'Bearer realm="{self.url}/token",service="fake"{scope}'
            _send(handler, 401, {"WWW-Authenticate": challenge}, b"{}")
        elif path == "/v2/":
            _send(handler, 200, {}, b"{}")
        else:
            repository, kind, reference = path[len("/v2/") :].rsplit("/", 2)
            if kind == "manifests":
                self._send_manifest(handler, repository, reference)
            elif kind == "referrers" and self.has_referrers_api:
                _send(handler, 200, {"Content-Type": OCI_INDEX}, self._referrers(reference))
            else:
                self._send_blob(handler, reference)

    def _give_token(self, handler: BaseHTTPRequestHandler) -> None:
        asked = parse_qs(urlsplit(handler.path).query)
        assert asked["service"] == ["fake"]
        if self.login is not None:
            given = base64.b64encode(":".join(self.login).encode()).decode()
            if handler.headers["Authorization"] != f"Basic {given}":
                _send(handler, 401, {}, b"{}")
                return
        self.tokens_given += 1
        body = json.dumps({"token": "t0ken", "expires_in": 300}).encode()
        _send(handler, 200, {"Content-Type": "application/json"}, body)

    def _send_manifest(
        self, handler: BaseHTTPRequestHandler, repository: str, reference: str
    ) -> None:
        found = self._manifests.get((repository, reference))
        if found is None:
            _send(handler, 404, {}, b"{}")
            return
        assert found.media_type in handler.headers["Accept"]
        headers = {"Content-Type": found.media_type, "Docker-Content-Digest": found.digest}
        _send(handler, 200, headers, found.data)

    def _referrers(self, subject: str) -> bytes:
        found = [
            {"mediaType": blob.media_type, "digest": digest, "size": len(blob.data)}
            for (_, digest), blob in self._manifests.items()
            if digest == blob.digest
            and json.loads(blob.data).get("subject", {}).get("digest") == subject
        ]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return json.dumps(index).encode()

    def _send_blob(self, handler: BaseHTTPRequestHandler, digest: str) -> None:
        data = self._blobs.get(digest)
        if self.blob_status:
            _send(handler, self.blob_status, {}, b"{}")
        elif data is None:
            _send(handler, 404, {}, b"{}")
        elif self.blobs_at and not handler.path.startswith("/cdn/"):
            _send(handler, 307, {"Location": f"{self.blobs_at}/cdn/{digest}"}, b"")
        else:
            if digest in self.corrupt:
                data = data[:-1] + bytes([data[-1] ^ 1])
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            if digest in self.short:
                handler.wfile.write(data[: len(data) // 2])
                handler.wfile.flush()
                self.gate.wait(30)
                handler.close_connection = True
                return
            half = len(data) // 2
            handler.wfile.write(data[:half])
            handler.wfile.flush()
            self.gate.wait(30)
            handler.wfile.write(data[half:])


def _send(
    handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)
