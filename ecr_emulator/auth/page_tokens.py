"""Where a listing goes on: opaque, tamper-evident positions (``nextToken``, ``last``).

A token is bound to the request it continues: its operation, registry and filters. It cannot
be made up, changed, or used to continue another listing.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from typing import Any

from ecr_emulator.auth.sealing import MAC_BYTES, decode_base64, encode_base64, mac, subkey

_MAX_TOKEN = 4096


class InvalidPageToken(Exception):
    """Not a token that this installation gave for this request."""


class PageTokens:
    """Makes and reads page tokens.

    :param secret: the installation's secret.
    """

    def __init__(self, secret: bytes) -> None:
        self._key = subkey(secret, "page token")

    def seal(self, request: Sequence[object], position: Any) -> str:
        """Return the token for *position* (anything JSON can hold) in the listing *request*."""
        body = json.dumps(position, separators=(",", ":")).encode("utf-8")
        return encode_base64(self._mac(request, body) + body)

    def open(self, request: Sequence[object], token: str) -> Any:
        """Return the position that *token* holds.

        :raises InvalidPageToken: it was not given for this request.
        """
        if len(token) > _MAX_TOKEN:
            raise InvalidPageToken
        try:
            data = decode_base64(token)
        except ValueError:
            raise InvalidPageToken from None
        body = data[MAC_BYTES:]
        if not hmac.compare_digest(data[:MAC_BYTES], self._mac(request, body)):
            raise InvalidPageToken
        return json.loads(body)

    def _mac(self, request: Sequence[object], body: bytes) -> bytes:
        bound = json.dumps(list(request), separators=(",", ":")).encode("utf-8")
        return mac(self._key, len(bound).to_bytes(8, "big") + bound + body)
