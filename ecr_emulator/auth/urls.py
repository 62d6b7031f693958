"""Signed download URLs: what ``GetDownloadUrlForLayer`` answers with.

Whoever holds such a URL may read that one layer until it ends, with no other credential, as
with the pre-signed URLs of S3 that ECR hands out.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

from ecr_emulator.clock import Clock

from .failures import amz_date
from .sealing import mac, subkey

PATH_PREFIX = "/_layers/"
DEFAULT_EXPIRES_IN = 3600  # seconds; API reference, GetDownloadUrlForLayer: one hour
MAX_EXPIRES_IN = 604800

# A repository name has at most 256 characters, a digest fewer.
_MAX_PATH = 1024
_MAX_QUERY = 256


class UrlError(Exception):
    """A download URL that gives nothing."""


class InvalidUrl(UrlError):
    """Not a download URL of this installation, or changed."""


class ExpiredUrl(UrlError):
    """Once good; its time is over."""


class DownloadUrls:
    """Signs and verifies the path and query string of download URLs.

    :param secret: the installation's secret.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._key = subkey(secret, "download url")
        self._clock = clock

    def sign(
        self,
        account: str,
        region: str,
        repository_name: str,
        digest: str,
        expires_in: int = DEFAULT_EXPIRES_IN,
    ) -> str:
        """Return path and query string of a URL for one layer.

        :param expires_in: seconds from now, 1 to 604800.
        :raises ValueError: *expires_in* is out of bounds, or a part cannot stand in a URL as it
            is (no valid name or digest is such).
        """
        if not 1 <= expires_in <= MAX_EXPIRES_IN:
            raise ValueError("expires_in must be 1 to 604800 seconds")
        path = f"{PATH_PREFIX}{account}/{region}/{repository_name}/{digest}"
        if len(path) > _MAX_PATH or quote(path, safe="/:+") != path:
            raise ValueError("a part of the path cannot stand in a URL")
        return f"{path}?{self._query(path, amz_date(self._clock.now()), str(expires_in))}"

    def verify(self, path: str, query_string: str) -> tuple[str, str, str, str]:
        """Return account, region, repository name and digest of a URL made by :meth:`sign`.

        :param path: the URL's path, as sent.
        :param query_string: the raw query string, as sent.
        :raises InvalidUrl: not, byte for byte, a URL of this installation.
        :raises ExpiredUrl: it is, and has ended.
        """
        if len(path) > _MAX_PATH or len(query_string) > _MAX_QUERY:
            raise InvalidUrl("too long")
        if not (path.isascii() and query_string.isascii()):
            raise InvalidUrl("not a download URL")
        values = [part.partition("=")[2] for part in query_string.split("&")]
        if len(values) != 4:
            raise InvalidUrl("not the query string of a download URL")
        _, date, expires_in, _ = values
        expected = self._query(path, date, expires_in)
        if not hmac.compare_digest(expected.encode("ascii"), query_string.encode("ascii")):
            raise InvalidUrl("wrong signature")
        # From here on, everything was written by sign().
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if self._clock.now() >= signed_at + timedelta(seconds=int(expires_in)):
            raise ExpiredUrl("the download URL has expired")
        account, region, rest = path.removeprefix(PATH_PREFIX).split("/", 2)
        repository_name, _, digest = rest.rpartition("/")
        return account, region, repository_name, digest

    def _query(self, path: str, date: str, expires_in: str) -> str:
        message = f"{path}\n{date}\n{expires_in}".encode("ascii")
        return (
            f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}&X-Amz-Expires={expires_in}"
            f"&X-Amz-Signature={mac(self._key, message).hex()}"
        )
