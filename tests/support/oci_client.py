"""A small client of the OCI distribution API: each request in the open, nothing retried.

For tests that must choose the exact requests (a chunk here, the next at another server), which no
ready client lets them do.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import urllib3

from tests.support.images import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Blob,
    Image,
    Index,
    sha256,
)

ANY_MANIFEST = ", ".join([OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST])


class OciError(Exception):
    """An answer other than the one asked for.

    :ivar status: the HTTP status.
    :ivar code: the first error's code in the body, or "".
    :ivar message: the first error's message, or the body's beginning.
    """

    def __init__(self, method: str, url: str, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self.code, self.message = "", response.data[:300].decode(errors="replace")
        try:
            first = json.loads(response.data)["errors"][0]
            self.code, self.message = first["code"], first["message"]
        except (ValueError, LookupError, TypeError):
            pass
        super().__init__(f"{method} {url}: {self.status} {self.code} {self.message}")


class OciClient:
    """One caller's view of a registry.

    :param url: where the registry answers, ``http://host:port``.
    :param password: the registry token; ``None`` sends no credentials.
    :param host: the ``Host`` header to send, where it should differ from *url*'s.
    :param user: who the password is of.
    """

    def __init__(
        self, url: str, password: str | None, host: str | None = None, user: str = "AWS"
    ) -> None:
        self.url = url.rstrip("/")
        self._headers: dict[str, str] = {}
        if password is not None:
            pair = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = "Basic " + pair
        if host is not None:
            self._headers["Host"] = host
        self._pool = urllib3.PoolManager(retries=False, timeout=60, maxsize=8)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return its answer, whatever the status.

        :param path: a path, or a ``Location`` that the registry gave; of an absolute one only
            path and query are used, so that an upload can go on at another server.
        """
        parts = urlsplit(path)
        target = parts.path + ("?" + parts.query if parts.query else "")
        return self._pool.request(
            method,
            urljoin(self.url, target),
            body=body,
            headers={**self._headers, **(headers or {})},
            redirect=False,
        )

    def expect(
        self,
        status: int,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return its answer.

        :raises OciError: if the status is another than *status*.
        """
        response = self.request(method, path, body, headers)
        if response.status != status:
            raise OciError(method, path, response)
        return response

    def has_blob(self, repository: str, digest: str) -> bool:
        response = self.request("HEAD", f"/v2/{repository}/blobs/{digest}")
        if response.status not in (200, 404):
            raise OciError("HEAD", digest, response)
        return response.status == 200

    def get_blob(self, repository: str, digest: str) -> bytes:
        return self.expect(200, "GET", f"/v2/{repository}/blobs/{digest}").data

    def stream_blob(self, repository: str, digest: str) -> Iterator[bytes]:
        """Yield a blob's bytes as they come, however large it is."""
        answer = self._pool.request(
            "GET",
            f"{self.url}/v2/{repository}/blobs/{digest}",
            headers=self._headers,
            preload_content=False,
        )
        try:
            if answer.status != 200:
                raise OciError("GET", digest, answer)
            yield from answer.stream(1 << 20)
        finally:
            answer.release_conn()

    def start_upload(self, repository: str) -> str:
        """Begin an upload and return its location."""
        answer = self.expect(202, "POST", f"/v2/{repository}/blobs/uploads/", body=b"")
        return answer.headers["Location"]

    def upload_chunk(self, location: str, data: bytes, offset: int) -> str:
        """Send one chunk, its first byte at *offset*, and return the next location."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Range": f"{offset}-{offset + len(data) - 1}",
        }
        return self.expect(202, "PATCH", location, data, headers).headers["Location"]

    def upload_stream(self, location: str, parts: Iterable[bytes]) -> str:
        """Send one body of unknown length (chunked transfer) and return the next location."""
        headers = {"Content-Type": "application/octet-stream"}
        return self.expect(202, "PATCH", location, parts, headers).headers["Location"]

    def upload_offset(self, location: str) -> int:
        """Return how many bytes of an upload the registry holds."""
        received = self.expect(204, "GET", location).headers["Range"]
        last = int(received.removeprefix("bytes=").split("-")[1])
        # "0-0" stands for both nothing and one byte; no test here sends a single byte.
        return last + 1 if last else 0

    def finish_upload(self, location: str, digest: str, data: bytes = b"") -> None:
        separator = "&" if "?" in location else "?"
        headers = {"Content-Type": "application/octet-stream"}
        self.expect(201, "PUT", f"{location}{separator}digest={digest}", data, headers)

    def push_blob(self, repository: str, data: bytes) -> str:
        """Upload *data* as Docker does (POST, PATCH, PUT) and return its digest."""
        digest = sha256(data)
        location = self.upload_chunk(self.start_upload(repository), data, 0)
        self.finish_upload(location, digest)
        return digest

    def put_manifest(self, repository: str, reference: str, manifest: Blob) -> None:
        path = f"/v2/{repository}/manifests/{reference}"
        self.expect(201, "PUT", path, manifest.data, {"Content-Type": manifest.media_type})

    def get_manifest(self, repository: str, reference: str) -> Blob:
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.expect(200, "GET", path, headers={"Accept": ANY_MANIFEST})
        return Blob(answer.headers["Content-Type"], answer.data)

    def push(self, repository: str, root: Image | Index, tag: str) -> None:
        """Push an image or an index with its images: blobs that are missing, then manifests."""
        if isinstance(root, Index):
            for image in root.images:
                self.push(repository, image, image.manifest.digest)
        else:
            for blob in root.blobs:
                if not self.has_blob(repository, blob.digest):
                    self.push_blob(repository, blob.data)
        self.put_manifest(repository, tag, root.manifest)

    def pull(self, repository: str, reference: str) -> dict[str, bytes]:
        """Fetch a manifest and all that it names, and return the bytes by digest."""
        manifest = self.get_manifest(repository, reference)
        found = {manifest.digest: manifest.data}
        body: dict[str, Any] = json.loads(manifest.data)
        for child in body.get("manifests", []):
            found |= self.pull(repository, child["digest"])
        if "config" in body:
            for part in [body["config"], *body["layers"]]:
                found[part["digest"]] = self.get_blob(repository, part["digest"])
        return found

    def tags(self, repository: str) -> list[str]:
        """Return all tags of a repository, page by page."""
        path = f"/v2/{repository}/tags/list?n=100"
        found: list[str] = []
        while path:
            answer = self.expect(200, "GET", path)
            found += json.loads(answer.data)["tags"] or []
            link = answer.headers.get("Link", "")
            path = link[link.find("<") + 1 : link.find(">")] if link else ""
        return found
