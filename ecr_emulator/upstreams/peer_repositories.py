"""A repository of another emulator, as replication sees it.

Images are pushed by the OCI protocol, and each request says that it replicates
(:mod:`ecr_emulator.peer_headers`).
"""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import urllib3

from ecr_emulator.arns import RegistryKey
from ecr_emulator.peer_headers import FAILURE_CODE, REPLICATED_TAG, REPLICATES_FROM
from ecr_emulator.upstreams.client import Login, UpstreamError, UpstreamUnavailable
from ecr_emulator.upstreams.peers import LoginRefused, Peers
from ecr_emulator.upstreams.pools import ConnectionPools, origin_of

#: The longest silence while something is sent or answered, in seconds.
_TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
#: More of a refusal is not read, in bytes.
_LARGEST_REFUSAL = 16 * 1024
#: The code of the refusal to delete what an index lists.
_HELD_UP = "ImageReferencedByManifestList"
_FAILURES = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, ValueError)


class PeerRefused(UpstreamError):
    """The other emulator refuses.

    :ivar code: why, as replication statuses have it.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class PeerRepository:
    """A repository of the registry *destination*, held by the emulator at *url*.

    All methods raise :class:`PeerRefused` and :class:`.UpstreamUnavailable`.

    :param source: the registry whose images are replicated.
    """

    def __init__(
        self,
        peers: Peers,
        pools: ConnectionPools,
        url: str,
        source: RegistryKey,
        destination: RegistryKey,
        name: str,
    ) -> None:
        self._peers, self._pools, self._url = peers, pools, url
        self._source, self._destination = source, destination
        self._path = f"/v2/{name}"

    def has_manifest(self, digest: str) -> bool:
        """Say whether an image is there."""
        return self._is_there(f"/manifests/{digest}")

    def has_blob(self, digest: str) -> bool:
        """Say whether a layer is there."""
        return self._is_there(f"/blobs/{digest}")

    def push_blob(self, digest: str, size: int, file: BinaryIO) -> None:
        """Send a layer.

        :param file: its bytes, read from the beginning as they are sent.
        """
        begun = self._expect(202, "POST", "/blobs/uploads/")
        url = urllib.parse.urljoin(f"{self._url}/", begun.headers.get("Location", ""))
        if origin_of(url) != origin_of(self._url):
            raise UpstreamUnavailable("an upload goes on elsewhere")
        url += ("&" if "?" in url else "?") + urllib.parse.urlencode({"digest": digest})
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self._expect(201, "PUT", url, headers, file)

    def push_manifest(
        self, body: bytes, media_type: str, digest: str, tag: str | None, announced: str | None
    ) -> None:
        """Send a manifest, whose parts are there.

        :param tag: for it to have.
        :param announced: the tag it was pushed with, maybe empty; ``None`` for what is to be
            part of an index, of which no event tells.
        """
        headers = {"Content-Type": media_type}
        if announced is not None:
            headers[REPLICATED_TAG] = announced
        self._expect(201, "PUT", self._image(digest, tag), headers, body)

    def delete(self, digest: str, tag: str | None) -> bool:
        """Delete an image, or take a tag off it; say whether no index holds that up."""
        try:
            self._expect(202, "DELETE", self._image(digest, tag))
        except PeerRefused as refusal:
            if refusal.code != _HELD_UP:
                raise
            return False
        return True

    @staticmethod
    def _image(digest: str, tag: str | None) -> str:
        if tag is None:
            return f"/manifests/{digest}"
        return f"/manifests/{tag}?{urllib.parse.urlencode({'digest': digest})}"

    def _is_there(self, path: str) -> bool:
        response = self._request("HEAD", path)
        if response.status == 404:
            return False
        if response.status != 200:
            raise _refusal(response)
        return True

    def _expect(
        self,
        status: int,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
    ) -> _Answer:
        response = self._request(method, path, headers, body)
        if response.status != status:
            raise _refusal(response)
        return response

    def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
    ) -> _Answer:
        """Make a request; once more with a new token if it looks as if the old one is refused."""
        response, login = self._send(method, path, headers, body)
        if response.status in (400, 401, 403) and FAILURE_CODE not in response.headers:
            self._peers.forget(login)
            response, _ = self._send(method, path, headers, body)
        return response

    def _send(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None,
        body: bytes | BinaryIO | None,
    ) -> tuple[_Answer, Login]:
        try:
            login = self._peers.login(self._url, self._source.account, self._destination)
        except LoginRefused as refused:
            raise PeerRefused(refused.code.removesuffix("Exception")) from None
        url = path if path.startswith("http") else f"{self._url}{self._path}{path}"
        sent: dict[str, Any] = {
            "Authorization": login.basic,
            "User-Agent": "ecr-emulator",
            REPLICATES_FROM: self._source.region,
            **(headers or {}),
        }
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        try:
            response = self._pools.of(url).request(
                method,
                url,
                headers=sent,
                body=body,
                timeout=_TIMEOUT,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            # All of it, so that the connection can be used again; there is not much.
            answer = response.read(_LARGEST_REFUSAL)
        except _FAILURES as error:
            raise UpstreamUnavailable(type(error).__name__) from None
        response.release_conn()
        if response.status >= 500 or response.status in (408, 409, 429):
            raise UpstreamUnavailable(f"status {response.status}")
        return _Answer(response.status, response.headers, answer), login


def _refusal(response: _Answer) -> PeerRefused:
    """Return why a request is refused: in our own words, or else in those of the protocol."""
    code = response.headers.get(FAILURE_CODE)
    if code is None:
        try:
            code = str(json.loads(response.body)["errors"][0]["code"])
        except (ValueError, LookupError, TypeError):
            code = f"Status{response.status}"
    return PeerRefused(code[:100])
