"""Asking an upstream registry, over HTTP, whether it lets a client in.

Sources: OCI distribution specification, "Determining Support" (``GET /v2/``); CNCF
distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import enum
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

#: All the time that one check may take, in seconds.
CHECK_SECONDS = 5.0
#: More of an answer is not read, in bytes.
_LARGEST_ANSWER = 64 * 1024

#: urllib's usual opener would follow a registry to files and FTP servers too.
_OPENER = urllib.request.OpenerDirector()
for _handler in (
    urllib.request.ProxyHandler(),
    urllib.request.UnknownHandler(),
    urllib.request.HTTPHandler(),
    urllib.request.HTTPSHandler(),
    urllib.request.HTTPDefaultErrorHandler(),
    urllib.request.HTTPRedirectHandler(),
    urllib.request.HTTPErrorProcessor(),
):
    _OPENER.add_handler(_handler)


class UpstreamState(enum.Enum):
    """What came of asking an upstream registry."""

    OPEN = enum.auto()
    #: It answered, and did not let the client in.
    DENIED = enum.auto()
    #: It did not answer, or not as a registry does.
    UNAVAILABLE = enum.auto()


class UpstreamRegistries:
    """The upstream registries by their addresses.

    :param addresses: for a registry's host the URL where it is found instead, as
        ``{"quay.io": "http://127.0.0.1:5000"}``.
    """

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)

    def is_elsewhere(self, host: str) -> bool:
        """Say whether the registry *host* is to be found at an address of the user's."""
        return host in self._addresses

    def base_url(self, host: str) -> str:
        """Return the URL of the registry *host*, without a slash at its end."""
        return self._addresses.get(host, f"https://{host}").rstrip("/")

    def check_anonymous(self, host: str) -> UpstreamState:
        """Ask the registry *host* whether it lets in a client without credentials.

        One that wants a token is asked for it as anyone may.
        """
        deadline = time.monotonic() + CHECK_SECONDS
        url = f"{self.base_url(host)}/v2/"
        try:
            status, challenge, _ = _get(url, deadline)
            if status == 401:
                token = _anonymous_token(challenge, deadline)
                if token is None:
                    return UpstreamState.DENIED
                status, _, _ = _get(url, deadline, token)
        except (OSError, http.client.HTTPException, ValueError, RecursionError):
            # The last two: an answer that is not what it should be, or names no URL.
            return UpstreamState.UNAVAILABLE
        if status == 200:
            return UpstreamState.OPEN
        return UpstreamState.DENIED if status in (401, 403) else UpstreamState.UNAVAILABLE


def _anonymous_token(challenge: str, deadline: float) -> str | None:
    """Return the token that the challenge's realm gives to anyone, or ``None``.

    :raises OSError, HTTPException, ValueError: the realm cannot be asked.
    """
    scheme, _, rest = challenge.partition(" ")
    if scheme.lower() != "bearer":
        return None
    pairs = urllib.request.parse_keqv_list(urllib.request.parse_http_list(rest))
    realm = urllib.parse.urlsplit(pairs.get("realm", ""))
    if realm.scheme not in ("http", "https"):
        raise ValueError("the challenge names no realm")
    asked = [(name, pairs[name]) for name in ("service", "scope") if name in pairs]
    query = "&".join(filter(None, [realm.query, urllib.parse.urlencode(asked)]))
    status, _, body = _get(urllib.parse.urlunsplit(realm._replace(query=query)), deadline)
    if status != 200:
        return None
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise ValueError("the answer holds no token")
    token = answer.get("token") or answer.get("access_token")
    return token if isinstance(token, str) else None


def _get(url: str, deadline: float, token: str | None = None) -> tuple[int, str, bytes]:
    """Return an answer's status, challenge and the beginning of its body.

    :raises OSError, HTTPException, ValueError: there is none.
    """
    request = urllib.request.Request(url)  # noqa: S310 - the opener knows http and https alone
    request.add_header("User-Agent", "ecr-emulator")
    if token is not None:
        # Not sent on to where the registry may redirect.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    try:
        with _OPENER.open(request, timeout=left) as answer:
            return answer.status, "", answer.read(_LARGEST_ANSWER)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("WWW-Authenticate", ""), b""
