"""Events as the bodies of POST requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import urllib3

#: Seconds until a connection must stand, and until an answer must begin.
CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 10.0


class WebhookTarget:
    """A URL that takes each event as a POST of JSON; any 2xx answer means that it has it.

    :param url: may hold credentials, which are sent as Basic authentication.
    """

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        parsed = urllib3.util.parse_url(url)
        self._headers = {"Content-Type": "application/json", "User-Agent": "ecr-emulator"}
        if parsed.auth is not None:
            self._headers.update(urllib3.make_headers(basic_auth=parsed.auth))
        self._url = parsed._replace(auth=None, fragment=None).url
        self._pool = urllib3.PoolManager(
            retries=False, timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS)
        )

    def deliver(self, event: Mapping[str, Any]) -> str | None:
        """Send *event*; return why that failed, or ``None`` when it did not."""
        try:
            response = self._pool.request(
                "POST",
                self._url,
                body=json.dumps(event).encode(),
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            # Its text may repeat the URL.
            return f"no answer ({type(error).__name__})"
        # What the answer says is of no interest, and may be endless.
        response.close()
        return None if 200 <= response.status < 300 else f"answered {response.status}"
