"""Pulling from an upstream registry by the OCI distribution protocol.

Sources: OCI distribution specification, "Pull"; CNCF distribution, "Token Authentication
Specification". Whatever an upstream sends is bounded in size and time, and what it says a
digest is of is held against the digest.
"""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import urllib3

from ecr_emulator import media_types
from ecr_emulator.digests import algorithm_of, digest_bytes, is_digest
from ecr_emulator.upstreams.challenges import Challenge, best_challenge
from ecr_emulator.upstreams.http import UpstreamRegistries, UpstreamState
from ecr_emulator.upstreams.pools import ConnectionPools, origin_of

#: All the time that the answer to anything but a layer may take, in seconds.
ANSWER_SECONDS = 20.0
#: All the time that a layer may take, and the longest silence on the way, in seconds.
LAYER_SECONDS = 3600.0
SILENCE_SECONDS = 30.0
_CONNECT_SECONDS = 5.0
_REDIRECTS = 5
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
#: The largest answer to the request for a token, in bytes.
_LARGEST_TOKEN = 64 * 1024
#: Tokens without a word on how long they last are good for a minute (token specification).
_TOKEN_SECONDS = 60.0
_TOKENS_KEPT = 256
_CHUNK = 256 * 1024
_ACCEPT = ", ".join(
    [
        media_types.OCI_INDEX,
        media_types.DOCKER_MANIFEST_LIST,
        media_types.OCI_MANIFEST,
        media_types.DOCKER_MANIFEST,
        media_types.DOCKER_SCHEMA1_SIGNED,
    ]
)
#: What goes wrong between here and an upstream; the last two: names and answers that are none.
_FAILURES = (
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
    RecursionError,
)


class UpstreamError(Exception):
    """The upstream does not give what it was asked for; the subclass says why."""


class UpstreamMissing(UpstreamError):
    """It does not have it."""


class UpstreamDenied(UpstreamError):
    """It does not let the client in."""


class UpstreamBusy(UpstreamError):
    """It has had too many requests."""


class UpstreamUnavailable(UpstreamError):
    """It does not answer, or not as a registry does."""


class Credentials(Protocol):
    """What a client shows that is asked who it is."""

    @property
    def basic(self) -> str:
        """The value of the header that sends it. May raise :class:`UpstreamError`."""

    def forget(self) -> bool:
        """Be told that it was refused; say whether there is another try to be made."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and what proves it."""

    username: str
    password: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of the header that sends it."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def forget(self) -> bool:
        """Be told that it was refused: it does not get any better."""
        return False


@dataclass(frozen=True, slots=True)
class PulledManifest:
    """A manifest as the upstream has it; its bytes have the digest."""

    body: bytes
    digest: str
    media_type: str | None


#: What a token is good for: a registry, a repository, and who asks.
_Kept = tuple[str, str, "Credentials | None"]


class UpstreamClient:
    """A client of every upstream registry.

    :param max_manifest: the largest manifest, in bytes.
    """

    def __init__(self, upstreams: UpstreamRegistries, max_manifest: int) -> None:
        self._upstreams = upstreams
        self._max_manifest = max_manifest
        self._pools = ConnectionPools()
        self._tokens: OrderedDict[_Kept, tuple[str, float]] = OrderedDict()
        self._lock = threading.Lock()

    def check(self, host: str, login: Credentials | None) -> UpstreamState:
        """Ask the registry *host* whether it lets *login* in."""
        try:
            self._open("GET", host, "", "/v2/", login, ANSWER_SECONDS).close()
        except UpstreamDenied:
            return UpstreamState.DENIED
        except UpstreamError:
            return UpstreamState.UNAVAILABLE
        return UpstreamState.OPEN

    def digest(
        self, host: str, repository: str, reference: str, login: Credentials | None
    ) -> str | None:
        """Return the digest that a manifest has at the upstream, if it tells.

        :raises UpstreamError: it answers something else.
        """
        path = f"/v2/{repository}/manifests/{reference}"
        response = self._open("HEAD", host, repository, path, login, ANSWER_SECONDS)
        response.close()
        digest = response.headers.get("Docker-Content-Digest", "")
        return digest if is_digest(digest) else None

    def manifest(
        self, host: str, repository: str, reference: str, login: Credentials | None
    ) -> PulledManifest:
        """Return the manifest that a tag or a digest names.

        :raises UpstreamError: the upstream does not give it, or not the one.
        """
        until = time.monotonic() + ANSWER_SECONDS
        path = f"/v2/{repository}/manifests/{reference}"
        response = self._open("GET", host, repository, path, login, ANSWER_SECONDS)
        body = _read(response, self._max_manifest, until)
        stated = reference if is_digest(reference) else ""
        stated = stated or response.headers.get("Docker-Content-Digest", "")
        digest = digest_bytes(body, algorithm_of(stated) if is_digest(stated) else "sha256")
        if stated and digest != stated:
            raise UpstreamUnavailable("a manifest does not have its digest")
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return PulledManifest(body, digest, media_type or None)

    def referrers(
        self, host: str, repository: str, digest: str, login: Credentials | None
    ) -> bytes:
        """Return the first page of the index of what refers to *digest*.

        :raises UpstreamError: the upstream does not give it; :class:`UpstreamMissing` if it has
            no such API.
        """
        until = time.monotonic() + ANSWER_SECONDS
        path = f"/v2/{repository}/referrers/{digest}"
        response = self._open("GET", host, repository, path, login, ANSWER_SECONDS)
        return _read(response, self._max_manifest, until)

    @contextmanager
    def blob(
        self, host: str, repository: str, digest: str, size: int, login: Credentials | None
    ) -> Iterator[Iterator[bytes]]:
        """Open a layer at the upstream: the block is given its bytes, no more than *size*.

        That they have the digest is the receiver's to check.

        :raises UpstreamError: the upstream does not give it, or not of that size; also while
            the bytes are read.
        """
        until = time.monotonic() + LAYER_SECONDS
        path = f"/v2/{repository}/blobs/{digest}"
        response = self._open("GET", host, repository, path, login, LAYER_SECONDS)
        try:
            length = response.headers.get("Content-Length")
            if length is not None and length != str(size):
                raise UpstreamUnavailable("a layer does not have the size its manifest says")
            yield _chunks(response, size, until)
        finally:
            # Not given back to the pool: what is unread would have to be read first.
            response.close()

    def _open(
        self,
        method: str,
        host: str,
        repository: str,
        path: str,
        login: Credentials | None,
        seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        """Make a request, with what credentials it takes; return the answer if it is a 200."""
        until = time.monotonic() + min(seconds, ANSWER_SECONDS)
        response = self._ask(method, host, repository, path, login, until)
        if response.status in (400, 401, 403) and login is not None and login.forget():
            response.close()
            response = self._ask(method, host, repository, path, login, until)
        if response.status == 200:
            return response
        response.close()
        raise _refusal(response.status)

    def _ask(
        self,
        method: str,
        host: str,
        repository: str,
        path: str,
        login: Credentials | None,
        until: float,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self._upstreams.base_url(host)}{path}"
        kept = (host, repository, login)
        try:
            authorization = self._token(kept)
            response, is_own = self._follow(method, url, authorization, until)
            if response.status == 401 and is_own:
                challenge = best_challenge(response.headers.getlist("WWW-Authenticate"))
                response.close()
                authorization = self._answer(challenge, kept, url, until)
                if authorization is None:
                    raise UpstreamDenied("no credentials for it")
                response, _ = self._follow(method, url, authorization, until)
        except _FAILURES as error:
            raise UpstreamUnavailable(type(error).__name__) from None
        return response

    def _follow(
        self, method: str, url: str, authorization: str | None, until: float
    ) -> tuple[urllib3.BaseHTTPResponse, bool]:
        """Make a request and follow where it leads; say whether that is the same server.

        Credentials stay with the server they are for.
        """
        first = origin_of(url)
        for _ in range(_REDIRECTS + 1):
            is_own = origin_of(url) == first
            headers = {"Accept-Encoding": "identity", "User-Agent": "ecr-emulator"}
            if "/manifests/" in url:
                headers["Accept"] = _ACCEPT
            if authorization is not None and is_own:
                headers["Authorization"] = authorization
            response = self._request(method, url, headers, until)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTING or not location:
                return response, is_own
            response.close()
            url = urllib.parse.urljoin(url, location)
            allowed = ("https",) if first[0] == "https" else ("http", "https")
            if origin_of(url)[0] not in allowed:
                raise UpstreamUnavailable("a redirect leads where none may")
        raise UpstreamUnavailable("too many redirects")

    def _request(
        self, method: str, url: str, headers: dict[str, str], until: float
    ) -> urllib3.BaseHTTPResponse:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        timeout = urllib3.Timeout(
            connect=min(left, _CONNECT_SECONDS), read=min(left, SILENCE_SECONDS)
        )
        return self._pools.of(url).request(
            method,
            url,
            headers=headers,
            timeout=timeout,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
        )

    def _token(self, kept: _Kept) -> str | None:
        with self._lock:
            token, ends = self._tokens.get(kept, ("", 0.0))
        return token if time.monotonic() < ends else None

    def _answer(
        self,
        challenge: Challenge | None,
        kept: _Kept,
        url: str,
        until: float,
    ) -> str | None:
        """Return what answers a challenge; ``None`` when there is nothing that could."""
        _, repository, login = kept
        if challenge is None or (challenge.scheme == "basic" and login is None):
            return None
        if challenge.scheme == "basic":
            return None if login is None else login.basic
        realm = challenge.token_url(repository, secure=url.startswith("https:"))
        response, _ = self._follow("GET", realm, None if login is None else login.basic, until)
        if response.status != 200:
            response.close()
            if response.status in (400, 401, 403, 404):
                return None
            raise _refusal(response.status)
        answer = json.loads(_read(response, _LARGEST_TOKEN, until))
        if not isinstance(answer, dict):
            raise ValueError("the answer holds no token")
        token = answer.get("token") or answer.get("access_token")
        if not isinstance(token, str):
            return None
        seconds = answer.get("expires_in")
        lasts = float(seconds) if isinstance(seconds, int) else _TOKEN_SECONDS
        with self._lock:
            # A little less than it lasts: it has to arrive.
            ends = time.monotonic() + min(lasts, 3600.0) * 0.8
            self._tokens[kept] = (f"Bearer {token}", ends)
            while len(self._tokens) > _TOKENS_KEPT:
                self._tokens.popitem(last=False)
        return f"Bearer {token}"


def _refusal(status: int) -> UpstreamError:
    kinds = {404: UpstreamMissing, 401: UpstreamDenied, 403: UpstreamDenied, 429: UpstreamBusy}
    return kinds.get(status, UpstreamUnavailable)(f"status {status}")


def _read(response: urllib3.BaseHTTPResponse, limit: int, until: float) -> bytes:
    """Return a body of no more than *limit* bytes."""
    return b"".join(_chunks(response, limit, until))


def _chunks(response: urllib3.BaseHTTPResponse, limit: int, until: float) -> Iterator[bytes]:
    """Yield a body of no more than *limit* bytes as it comes, and close it."""
    received = 0
    try:
        while chunk := response.read1(_CHUNK):
            received += len(chunk)
            if received > limit:
                raise UpstreamUnavailable("an answer is too large")
            if time.monotonic() > until:
                raise UpstreamUnavailable("an answer takes too long")
            yield chunk
    except _FAILURES as error:
        raise UpstreamUnavailable(type(error).__name__) from None
    finally:
        response.close()
