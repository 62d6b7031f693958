"""The canonical request of Signature Version 4: what exactly a signature covers.

Rules: IAM User Guide, "Create a signed AWS API request". The canonical form is made from the
request as it came over the wire. Where AWS's rules map several wire forms onto one canonical
form, and no AWS SDK sends the odd ones, the odd ones are kept as they are here, so that they
miss the signature: escapes with lower-case hex digits, a query parameter without ``=``, and
paths with ``//`` or dot segments. So every byte of path and query counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_UNRESERVED_TEXT = frozenset(map(chr, _UNRESERVED))
_UPPER_HEX = frozenset("0123456789ABCDEF")
_HEX = frozenset("0123456789ABCDEFabcdef")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came over the wire, and as far as a signature can cover it.

    Strings hold one byte a character (ISO 8859-1), as WSGI gives them.

    :param path: the URI path, percent-encoding untouched.
    :param query_string: the raw query string, without ``?``.
    :param headers: values as received by lower-case name, ``content-type`` and
        ``content-length`` included; several of one name joined by a comma.
    """

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


# A parameter's name, and its value behind the equal-sign; both in canonical encoding.
QueryPart = tuple[str, str]


def split_query(query_string: str) -> list[QueryPart]:
    """Split a raw query string into parts in canonical encoding, order kept.

    :raises UnicodeEncodeError: a character beyond ISO 8859-1.
    """
    if not query_string:
        return []
    parts = []
    for piece in query_string.split("&"):
        name, equal, value = piece.partition("=")
        parts.append((_encode(name), equal + _encode(value)))
    return parts


def _encode(text: str) -> str:
    """Percent-encode all but unreserved characters, leaving escapes that are there alone."""
    if _UNRESERVED_TEXT.issuperset(text):
        return text
    if "%" not in text:
        return quote(text, safe="-._~", encoding="latin-1", errors="strict")
    first, *rest = text.split("%")
    encoded = [quote(first, safe="-._~", encoding="latin-1", errors="strict")]
    for chunk in rest:
        digits, tail = chunk[:2], chunk[2:]
        if len(digits) < 2 or not _HEX.issuperset(digits):
            encoded.append("%25")
            tail = chunk
        elif _UPPER_HEX.issuperset(digits) and int(digits, 16) in _UNRESERVED:
            encoded.append(chr(int(digits, 16)))
        else:
            encoded.append("%" + digits)
        if tail:
            encoded.append(quote(tail, safe="-._~", encoding="latin-1", errors="strict"))
    return "".join(encoded)


def canonical_query(parts: Iterable[QueryPart]) -> str:
    """Return the canonical query string of *parts*: by name, then by value."""
    return "&".join(name + value for name, value in sorted(parts))


def canonical_path(path: str) -> str:
    """Return the canonical URI of a wire path: encoded once more, slashes left alone.

    :raises UnicodeEncodeError: a character beyond ISO 8859-1.
    """
    if path == "/":
        return path
    return quote(path, safe="/-._~", encoding="latin-1", errors="strict")


def _trim(value: str) -> str:
    """Return *value* without blanks around it and with single blanks inside (``Trimall``)."""
    value = value.strip(" \t")
    if "  " in value:
        return " ".join(part for part in value.split(" ") if part)
    return value


def canonical_request(
    request: SignedRequest,
    query: Iterable[QueryPart],
    signed_headers: Iterable[str],
    payload_hash: str,
) -> bytes:
    """Return the canonical request.

    :param query: the parts of the query string that are signed.
    :param signed_headers: header names in the order the client named them; all are present.
    :param payload_hash: hex SHA-256 of the body.
    :raises UnicodeEncodeError: a character beyond ISO 8859-1.
    """
    names, headers = list(signed_headers), request.headers
    lines = [
        request.method,
        canonical_path(request.path),
        canonical_query(query),
        *[f"{name}:{_trim(headers[name])}" for name in names],
        "",
        ";".join(names),
        payload_hash,
    ]
    return "\n".join(lines).encode("latin-1")


def payload_hash(body: bytes) -> str:
    """Return the hex SHA-256 of a request's body."""
    return hashlib.sha256(body).hexdigest()
