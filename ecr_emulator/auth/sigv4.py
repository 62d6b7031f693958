"""Signature Version 4 as the server sees it: whose request is this, and is it as they sent it?

The steps, in order: read what the request claims (from the Authorization header, else from the
query string), compare the credential's scope, look the access key up, compare the time, see
that the headers that matter are signed, hash the body, and compare the signature. Every
refusal is an :class:`~ecr_emulator.auth.failures.AuthenticationFailure`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from ecr_emulator.clock import Clock

from . import failures
from .canonical import (
    QueryPart,
    SignedRequest,
    canonical_request,
    payload_hash,
    split_query,
)
from .credentials import AccessKey, CredentialError, CredentialSource, ExpiredSessionToken
from .failures import AuthenticationFailure
from .principals import Principal

__all__ = [
    "ALGORITHM",
    "Authenticated",
    "AuthenticationFailure",
    "SignatureVerifier",
    "SignedRequest",
]

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
CLOCK_SKEW = timedelta(minutes=5)
MAX_EXPIRES = 604800

# Real Authorization headers are below 1 KiB; more is somebody's experiment.
_MAX_AUTHORIZATION = 8192
_HEADER_PARAMETERS = ("Credential", "Signature", "SignedHeaders")
_QUERY_PARAMETERS = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
# us-east-1, us-gov-west-1, us-isob-east-1. No two parts can match the same character, so the
# match is linear; the API bounds a region to 25 characters.
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]{1,2}")
_MAX_REGION = 25
_UTC = (" GMT", " +0000", " -0000")
_MONTHS = {
    name: f"{number:02}"
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whose request it is.

    :param region: the region of the credential's scope.
    :param service: the service of the credential's scope.
    :param session_token: the token of temporary credentials; None for long-term keys.
    """

    principal: Principal
    access_key_id: str
    region: str
    service: str
    session_token: str | None = field(default=None, repr=False)


class _Claim(NamedTuple):
    """What a request says about its own signature.

    :param date: the request's date as sent; None when the header form has none.
    :param expires: how long a presigned request lasts; None in the header form.
    :param query: the parts of the query string that the signature covers.
    """

    access_key_id: str
    scope_date: str
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    date: str | None
    expires: timedelta | None
    query: tuple[QueryPart, ...]
    authorization: str


class SignatureVerifier:
    """Verifies requests against a source of access keys."""

    def __init__(self, credentials: CredentialSource, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock

    def verify(self, request: SignedRequest, services: Sequence[str]) -> Authenticated:
        """Return whose *request* it is.

        :param services: the service names its credential may be scoped to; an error names the
            first.
        :raises AuthenticationFailure: with AWS's code and text.
        """
        try:
            return self._verify(request, services)
        except UnicodeEncodeError:
            # A character that no HTTP/1.1 server hands over; nobody can have signed it.
            raise failures.signature_mismatch() from None

    def _verify(self, request: SignedRequest, services: Sequence[str]) -> Authenticated:
        claim = _read_claim(request)
        _check_scope(claim, services)
        key = self._access_key(claim)
        if key.secret is not None:
            signed_at = self._check_time(claim)
            _check_signed_headers(claim, request.headers)
            _check_signature(claim, request, signed_at, key.secret)
        return Authenticated(
            principal=key.principal,
            access_key_id=claim.access_key_id,
            region=claim.region,
            service=claim.service,
            session_token=key.session_token,
        )

    def _access_key(self, claim: _Claim) -> AccessKey:
        try:
            return self._credentials.lookup(claim.access_key_id, claim.session_token)
        except ExpiredSessionToken:
            raise failures.expired_token() from None
        except CredentialError:
            raise failures.unrecognized_client() from None

    def _check_time(self, claim: _Claim) -> str:
        """Return the date of the request in the form that is signed."""
        if claim.date is None:
            raise failures.header_lacks((), date=True, authorization=claim.authorization)
        stamp = _basic_date(claim.date)
        signed_at = _parse_basic_date(stamp)
        if claim.scope_date != stamp[:8]:
            raise failures.wrong_scope([failures.scope_date(claim.scope_date, stamp[:8], stamp)])
        now = self._clock.now().replace(microsecond=0)
        lifetime = CLOCK_SKEW if claim.expires is None else claim.expires
        age = now - signed_at
        if age > lifetime:
            raise failures.signature_expired(signed_at, now, lifetime)
        if age < -CLOCK_SKEW:
            raise failures.signature_not_current(signed_at, now, CLOCK_SKEW)
        return stamp


def _read_claim(request: SignedRequest) -> _Claim:
    query = split_query(request.query_string)
    authorization = request.headers.get("authorization")
    if authorization:
        return _read_header(authorization, request.headers, query)
    if any(name in _QUERY_PARAMETERS for name, _ in query):
        return _read_query(query)
    raise failures.missing_token()


def _read_header(authorization: str, headers: Mapping[str, str], query: list[QueryPart]) -> _Claim:
    if len(authorization) > _MAX_AUTHORIZATION:
        raise failures.header_too_long()
    # Parameters are set apart by commas, blanks or both.
    algorithm, *parts = authorization.replace(",", " ").split() or [""]
    found: dict[str, str] = {}
    for part in parts:
        name, equal, value = part.partition("=")
        if not equal:
            raise failures.not_key_value(part, authorization)
        if name in found and name in _HEADER_PARAMETERS:
            raise failures.header_repeats(name, authorization)
        found[name] = value
    date = headers.get("x-amz-date") or headers.get("date") or None
    missing = [name for name in _HEADER_PARAMETERS if not found.get(name)]
    if missing:
        raise failures.header_lacks(missing, date is None, authorization)
    if algorithm != ALGORITHM:
        raise failures.unsupported_algorithm(algorithm)
    access_key_id, scope_date, region, service, terminator = _split_credential(found["Credential"])
    return _Claim(
        access_key_id=access_key_id,
        scope_date=scope_date,
        region=region,
        service=service,
        terminator=terminator,
        signed_headers=tuple(found["SignedHeaders"].split(";")),
        signature=found["Signature"],
        session_token=headers.get("x-amz-security-token") or None,
        date=date,
        expires=None,
        query=tuple(query),
        authorization=authorization,
    )


def _read_query(query: list[QueryPart]) -> _Claim:
    found: dict[str, str] = {}
    signed: list[QueryPart] = []
    for name, value in query:
        if name in _QUERY_PARAMETERS or name == "X-Amz-Security-Token":
            if name in found:
                raise failures.query_repeats(name)
            found[name] = unquote(value[1:], encoding="latin-1")
        if name != "X-Amz-Signature":
            signed.append((name, value))
    missing = [name for name in _QUERY_PARAMETERS if not found.get(name)]
    if missing:
        raise failures.query_lacks(missing)
    if found["X-Amz-Algorithm"] != ALGORITHM:
        raise failures.unsupported_algorithm(found["X-Amz-Algorithm"])
    access_key_id, scope_date, region, service, terminator = _split_credential(
        found["X-Amz-Credential"]
    )
    return _Claim(
        access_key_id=access_key_id,
        scope_date=scope_date,
        region=region,
        service=service,
        terminator=terminator,
        signed_headers=tuple(found["X-Amz-SignedHeaders"].split(";")),
        signature=found["X-Amz-Signature"],
        session_token=found.get("X-Amz-Security-Token") or None,
        date=found["X-Amz-Date"],
        expires=_parse_expires(found["X-Amz-Expires"]),
        query=tuple(signed),
        authorization="",
    )


def _split_credential(credential: str) -> list[str]:
    elements = credential.split("/")
    if len(elements) != 5:
        raise failures.malformed_credential(credential)
    return elements


def _parse_expires(text: str) -> timedelta:
    if not (text.isascii() and text.isdigit()):
        raise failures.malformed_expires(failures.EXPIRES_NOT_A_NUMBER)
    if len(text) > len(str(MAX_EXPIRES)) or int(text) > MAX_EXPIRES:
        raise failures.malformed_expires(failures.EXPIRES_TOO_LONG)
    return timedelta(seconds=int(text))


def _check_scope(claim: _Claim, services: Sequence[str]) -> None:
    complaints = []
    if len(claim.region) > _MAX_REGION or not _REGION.fullmatch(claim.region):
        complaints.append(failures.scope_region())
    if claim.service not in services:
        complaints.append(failures.scope_service(services[0]))
    if claim.terminator != TERMINATOR:
        complaints.append(failures.scope_terminator(claim.terminator))
    if complaints:
        raise failures.wrong_scope(complaints)


def _basic_date(text: str) -> str:
    """Return a date header's value in ISO 8601 basic form.

    ``Date`` may also be an HTTP date (``Mon, 09 Sep 2011 23:36:00 GMT``, RFC 9110), or have
    ``-0000`` for its zone, as botocore writes it.
    """
    if text[3:5] == ", " and text[25:] in _UTC:
        day, month, year, time = text[5:7], text[8:11], text[12:16], text[17:25]
        if month in _MONTHS and text[7] == text[11] == text[16] == " " and time[2::3] == "::":
            return f"{year}{_MONTHS[month]}{day}T{time.replace(':', '')}Z"
    return text


# Most requests of a second say the same.
@lru_cache(maxsize=256)
def _parse_basic_date(stamp: str) -> datetime:
    digits = stamp[:8] + stamp[9:15]
    if len(stamp) != 16 or stamp[8] != "T" or stamp[15] != "Z" or not digits.isascii():
        raise failures.malformed_date(stamp)
    if not digits.isdigit():
        raise failures.malformed_date(stamp)
    try:
        return datetime(
            int(digits[:4]),
            int(digits[4:6]),
            int(digits[6:8]),
            int(digits[8:10]),
            int(digits[10:12]),
            int(digits[12:]),
            tzinfo=timezone.utc,
        )
    except ValueError:
        raise failures.malformed_date(stamp) from None


def _check_signed_headers(claim: _Claim, headers: Mapping[str, str]) -> None:
    signed = set(claim.signed_headers)
    if "host" not in signed:
        raise failures.host_not_signed()
    unsigned = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if unsigned:
        raise failures.headers_not_signed(unsigned)
    # A header that was signed and did not arrive is a request changed on its way.
    if len(signed) != len(claim.signed_headers) or not signed.issubset(headers):
        raise failures.signature_mismatch()


def _check_signature(claim: _Claim, request: SignedRequest, stamp: str, secret: str) -> None:
    body_hash = payload_hash(request.body)
    # Never the client's word for it, so "UNSIGNED-PAYLOAD" is refused too, as on AWS (where
    # only S3 knows it).
    if request.headers.get("x-amz-content-sha256", body_hash) != body_hash:
        raise failures.signature_mismatch()
    canonical = canonical_request(request, claim.query, claim.signed_headers, body_hash)
    scope = f"{claim.scope_date}/{claim.region}/{claim.service}/{TERMINATOR}"
    string_to_sign = f"{ALGORITHM}\n{stamp}\n{scope}\n{payload_hash(canonical)}"
    # hmac.digest would let go of the interpreter's lock, which costs a busy server more.
    signer = _signer(secret, claim.scope_date, claim.region, claim.service).copy()
    signer.update(string_to_sign.encode("ascii"))
    expected = signer.hexdigest()
    if not hmac.compare_digest(expected.encode("ascii"), claim.signature.encode("latin-1")):
        raise failures.signature_mismatch()


# Four HMACs that only change with the day: derived once, not for every request.
@lru_cache(maxsize=1024)
def _signer(secret: str, date: str, region: str, service: str) -> hmac.HMAC:
    """Return the HMAC by the signing key, of nothing yet."""
    key = hmac.digest(b"AWS4" + secret.encode(), date.encode("ascii"), "sha256")
    for part in (region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("ascii"), "sha256")
    return hmac.new(key, digestmod="sha256")
