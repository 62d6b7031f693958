"""Connections to other registries, directly or through the proxies of the environment."""

from __future__ import annotations

import threading
import urllib.parse
import urllib.request

import urllib3


class ConnectionPools:
    """Keeps connections open for the next request."""

    def __init__(self) -> None:
        self._pools: dict[str, urllib3.PoolManager] = {}
        self._lock = threading.Lock()

    def of(self, url: str) -> urllib3.PoolManager:
        """Return the connections to use for *url*: through a proxy or not."""
        scheme, host, _ = origin_of(url)
        proxy = "" if urllib.request.proxy_bypass(host) else _proxies().get(scheme, "")
        with self._lock:
            if proxy not in self._pools:
                self._pools[proxy] = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
            return self._pools[proxy]


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Return the scheme, host and port that *url* leads to."""
    parts = urllib.parse.urlsplit(url)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or default


def _proxies() -> dict[str, str]:
    return urllib.request.getproxies()
