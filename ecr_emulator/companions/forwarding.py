"""A request as it is handed on: its target, its headers and its body as the client sent them.

A WSGI server has decoded the path and folded dashes and underscores of header names into one.
The path is encoded again (that a slash in it was an escaped one cannot be told any more), and
the names of ``x-amz-meta-`` headers, which are S3's users' own, are taken from the list of
signed headers.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import quote

from ecr_emulator.wsgi_body import BodyReader

from .services import ServiceRequest

#: Bytes of a body. S3 takes more in parts, as boto3 and the aws command send whatever is larger
#: than 8 MiB.
MAX_BODY = 256 * 1024**2
#: Bytes of a body that are kept in memory until the whole of it is there.
_IN_MEMORY = 1024**2
#: How moto is told the account.
ACCOUNT_HEADER = "x-moto-account-id"
#: What begins the names of headers that are for the companion process alone.
PRIVATE_PREFIX = "x-ecr-emulator-"
#: Headers that are about a connection, or that were dealt with when the body was read.
_NOT_HANDED_ON = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        ACCOUNT_HEADER,
    }
)
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_SIGNED_HEADERS = re.compile(r"SignedHeaders=([^,\s]{1,8192})")


@dataclass(frozen=True, slots=True)
class ForwardedRequest:
    """A request that is complete, so that it can be handed on.

    :ivar target: path and query, encoded.
    :ivar headers: without those of the connection; ``host`` is among them.
    :ivar body: at its beginning.
    """

    method: str
    scheme: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: IO[bytes]
    length: int


def forwarded(environ: Mapping[str, Any], account: str) -> ForwardedRequest:
    """Take a request in whole, to be handed on for *account*.

    :raises BodyTooLarge: the body is larger than :data:`MAX_BODY`.
    :raises BodyError: it is not whole.
    """
    path = quote(str(environ.get("PATH_INFO") or "/"), safe="/-._~", encoding="latin-1")
    # What is no ASCII here could only be an unencoded query of a client's.
    query = quote(str(environ.get("QUERY_STRING") or ""), safe=_PRINTABLE, encoding="latin-1")
    reader = BodyReader(environ, MAX_BODY)
    body: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - handed on open
    try:
        for chunk in reader:
            body.write(chunk)
        body.seek(0)
    except BaseException:
        body.close()
        raise
    return ForwardedRequest(
        method=environ["REQUEST_METHOD"],
        scheme=str(environ.get("wsgi.url_scheme") or "http"),
        target=f"{path}?{query}" if query else path,
        headers=(*_headers(environ), (ACCOUNT_HEADER, account)),
        body=body,
        length=reader.received,
    )


def authorization_of(request: ServiceRequest) -> str:
    """Return a header that names a request's service, for whom the query string tells nothing."""
    return f"AWS4-HMAC-SHA256 Credential={request.credential}, SignedHeaders=host, Signature=0"


def _headers(environ: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    signed = _signed_names(environ)
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            folded = key[5:]
        elif key == "CONTENT_TYPE" and value:
            folded = key
        else:
            continue
        name = signed.get(folded) or folded.replace("_", "-").lower()
        if name not in _NOT_HANDED_ON and not name.startswith(PRIVATE_PREFIX):
            yield name, str(value)


def _signed_names(environ: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of signed ``x-amz-meta-`` headers with underscores, as WSGI folds them."""
    found = _SIGNED_HEADERS.search(str(environ.get("HTTP_AUTHORIZATION") or ""))
    names = found[1].split(";") if found else []
    return {
        name.replace("-", "_").upper(): name
        for name in names
        if "_" in name and name.startswith("x-amz-meta-")
    }
