"""Reading the challenges by which a registry asks for credentials.

Sources: RFC 9110, section 11.6.1; CNCF distribution, "Token Authentication Specification".
"""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass

#: More of a challenge is not looked at, in characters.
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge.

    :ivar scheme: in lower case: ``bearer``, ``basic``.
    """

    scheme: str
    parameters: dict[str, str]

    def token_url(self, repository: str, *, secure: bool) -> str:
        """Return where a token for pulls from *repository* is asked for.

        :param secure: whether the registry itself was asked over TLS; then credentials go
            nowhere else.
        :raises ValueError: the challenge names no such place.
        """
        realm = urllib.parse.urlsplit(self.parameters.get("realm", ""))
        if realm.scheme not in (("https",) if secure else ("http", "https")) or not realm.netloc:
            raise ValueError("the challenge names no realm that can be asked")
        asked = [("scope", self.parameters.get("scope") or f"repository:{repository}:pull")]
        if not repository and "scope" not in self.parameters:
            asked = []
        if self.parameters.get("service"):
            asked.insert(0, ("service", self.parameters["service"]))
        query = "&".join(filter(None, [realm.query, urllib.parse.urlencode(asked)]))
        return urllib.parse.urlunsplit(realm._replace(query=query, fragment=""))


def best_challenge(headers: Iterable[str]) -> Challenge | None:
    """Return the challenge to answer: one for a token before one for a password.

    :param headers: the values of the ``WWW-Authenticate`` headers.
    """
    found: dict[str, Challenge] = {}
    for header in headers:
        scheme, _, rest = header[:_LONGEST].strip().partition(" ")
        pairs = [
            item for item in urllib.request.parse_http_list(rest) if "=" in item and item[0] != "="
        ]
        parameters = urllib.request.parse_keqv_list([pair for pair in pairs if pair[-1] != "="])
        lowered = {name.strip().lower(): value for name, value in parameters.items()}
        found.setdefault(scheme.lower(), Challenge(scheme.lower(), lowered))
    return found.get("bearer") or found.get("basic")
