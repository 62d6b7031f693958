"""The refusals of a request's signature: AWS's codes and texts, all in this one place.

Texts are those AWS services print (``MissingAuthenticationTokenException`` and so on as AWS
JSON services name them; the Query protocol has other names for the same things). Those that
were not seen from AWS, but follow the manner of their neighbours, say so.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta

MISSING_TOKEN = "MissingAuthenticationTokenException"
UNRECOGNIZED_CLIENT = "UnrecognizedClientException"
EXPIRED_TOKEN = "ExpiredTokenException"
INVALID_SIGNATURE = "InvalidSignatureException"
INCOMPLETE_SIGNATURE = "IncompleteSignatureException"

_MAX_ECHO = 1024
_MAX_NAMES_ECHOED = 10


class AuthenticationFailure(Exception):
    """A request whose caller could not be established.

    :param code: AWS's error code, in its JSON-protocol form.
    :param message: AWS's text.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


def amz_date(moment: datetime) -> str:
    """Return *moment* (UTC) in the ISO 8601 basic form, as ``20240101T000000Z``."""
    # Not strftime: its %Y does not pad years before 1000.
    return (
        f"{moment.year:04}{moment.month:02}{moment.day:02}"
        f"T{moment.hour:02}{moment.minute:02}{moment.second:02}Z"
    )


def _echo(text: str) -> str:
    """Return what a client sent, short and printable enough to be sent back."""
    return "".join(c if c.isprintable() else "?" for c in text[:_MAX_ECHO])


def missing_token() -> AuthenticationFailure:
    """No signature at all."""
    return AuthenticationFailure(MISSING_TOKEN, "Missing Authentication Token")


def unrecognized_client() -> AuthenticationFailure:
    """The access key id is unknown, or the session token is not its own."""
    return AuthenticationFailure(
        UNRECOGNIZED_CLIENT, "The security token included in the request is invalid."
    )


def expired_token() -> AuthenticationFailure:
    """The session token has ended."""
    return AuthenticationFailure(
        EXPIRED_TOKEN, "The security token included in the request is expired"
    )


def signature_mismatch() -> AuthenticationFailure:
    """The signature is not that of this request under the caller's secret key."""
    return AuthenticationFailure(
        INVALID_SIGNATURE,
        "The request signature we calculated does not match the signature you provided. "
        "Check your AWS Secret Access Key and signing method. "
        "Consult the service documentation for details.",
    )


def _span(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    # AWS prints minutes; presigned requests may last any number of seconds (not observed).
    return f"{seconds} sec." if seconds % 60 else f"{seconds // 60} min."


def signature_expired(
    signed_at: datetime, now: datetime, lifetime: timedelta
) -> AuthenticationFailure:
    """The request was signed more than *lifetime* before *now*."""
    return AuthenticationFailure(
        INVALID_SIGNATURE,
        f"Signature expired: {amz_date(signed_at)} is now earlier than "
        f"{amz_date(now - lifetime)} ({amz_date(now)} - {_span(lifetime)})",
    )


def signature_not_current(
    signed_at: datetime, now: datetime, skew: timedelta
) -> AuthenticationFailure:
    """The request was signed more than *skew* after *now*."""
    return AuthenticationFailure(
        INVALID_SIGNATURE,
        f"Signature not yet current: {amz_date(signed_at)} is still later than "
        f"{amz_date(now + skew)} ({amz_date(now)} + {_span(skew)})",
    )


def wrong_scope(complaints: Iterable[str]) -> AuthenticationFailure:
    """The credential scope is for another day, region, service or terminator.

    :param complaints: texts of the ``scope_…`` functions.
    """
    return AuthenticationFailure(INVALID_SIGNATURE, " ".join(complaints))


def scope_region() -> str:
    """The scope's region cannot be one."""
    return "Credential should be scoped to a valid region."


def scope_service(service: str) -> str:
    """The scope names another service than *service*."""
    return f"Credential should be scoped to correct service: '{service}'."


def scope_terminator(found: str) -> str:
    """The scope's last element is not ``aws4_request`` (text from recollection)."""
    return (
        "Credential should be scoped with a valid terminator: 'aws4_request', "
        f"not '{_echo(found)}'."
    )


def scope_date(found: str, expected: str, signed_at: str) -> str:
    """The scope's day is not that of the request's date."""
    return (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from "
        f"HTTP: '{_echo(found)}' != '{expected}', from '{signed_at}'."
    )


def host_not_signed() -> AuthenticationFailure:
    """``host`` is not among the signed headers."""
    return AuthenticationFailure(
        INVALID_SIGNATURE,
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    )


def headers_not_signed(names: Iterable[str]) -> AuthenticationFailure:
    """An ``x-amz-*`` header came unsigned (AWS requires it; text by analogy with ``Host``)."""
    sentences = [
        f"'{_echo(name.title())}' must be a 'SignedHeader' in the AWS Authorization."
        for name in sorted(names)[:_MAX_NAMES_ECHOED]
    ]
    return AuthenticationFailure(INVALID_SIGNATURE, " ".join(sentences))


def header_lacks(
    parameters: Iterable[str], date: bool, authorization: str
) -> AuthenticationFailure:
    """Parameters, or the date (when *date*), are missing beside the Authorization header."""
    sentences = [f"Authorization header requires '{name}' parameter." for name in parameters]
    if date:
        sentences.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE, " ".join(sentences) + _authorization_echo(authorization)
    )


def header_repeats(parameter: str, authorization: str) -> AuthenticationFailure:
    """A parameter of the Authorization header came twice (text by analogy)."""
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE,
        f"Authorization header requires only one '{parameter}' parameter."
        + _authorization_echo(authorization),
    )


def header_too_long() -> AuthenticationFailure:
    """The Authorization header is longer than any real one (our bound and text)."""
    return AuthenticationFailure(INCOMPLETE_SIGNATURE, "Authorization header is too long.")


def not_key_value(part: str, authorization: str) -> AuthenticationFailure:
    """A part of the Authorization header is not ``key=value``."""
    if _is_aws(authorization):
        text = (
            f"'{_echo(part)}' not a valid key=value pair (missing equal-sign) in Authorization "
            f"header: '{_echo(authorization)}'."
        )
    else:
        text = (
            "Invalid key=value pair (missing equal-sign) in Authorization header "
            f"(hashed with SHA-256 and encoded with Base64): '{_hashed(authorization)}'."
        )
    return AuthenticationFailure(INCOMPLETE_SIGNATURE, text)


def _is_aws(authorization: str) -> bool:
    # The header of another scheme may be a password or a bearer token: AWS's hashed form of
    # the texts keeps it out of answers and logs. An AWS header holds no secret.
    return authorization.startswith("AWS4-")


def _authorization_echo(authorization: str) -> str:
    if _is_aws(authorization):
        return f" Authorization={_echo(authorization)}"
    return f" (Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(authorization)}"


def _hashed(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode("utf-8", "replace")).digest()).decode("ascii")


def unsupported_algorithm(algorithm: str) -> AuthenticationFailure:
    """Signed, but not by ``AWS4-HMAC-SHA256``."""
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE, f"Unsupported AWS 'algorithm': '{_echo(algorithm)}'."
    )


def malformed_credential(credential: str) -> AuthenticationFailure:
    """The credential does not have its five elements."""
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE,
        "Credential must have exactly 5 slash-delimited elements, e.g. "
        f"keyid/date/region/service/term, got '{_echo(credential)}'",
    )


def malformed_date(date: str) -> AuthenticationFailure:
    """The date of the request cannot be read."""
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE,
        f"Date must be in ISO-8601 'basic format'. Got '{_echo(date)}'. "
        "See http://en.wikipedia.org/wiki/ISO_8601",
    )


def query_lacks(parameters: Iterable[str]) -> AuthenticationFailure:
    """Parameters of a signature in the query string are missing."""
    sentences = [f"AWS query-string parameters must include '{name}'." for name in parameters]
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE, " ".join(sentences) + " Re-examine the query-string parameters."
    )


def query_repeats(parameter: str) -> AuthenticationFailure:
    """A parameter of a signature in the query string came twice (text by analogy)."""
    return AuthenticationFailure(
        INCOMPLETE_SIGNATURE,
        f"AWS query-string parameters must include only one '{parameter}'. "
        "Re-examine the query-string parameters.",
    )


def malformed_expires(complaint: str) -> AuthenticationFailure:
    """``X-Amz-Expires`` is no number of seconds within a week (texts as S3 prints them)."""
    return AuthenticationFailure(INCOMPLETE_SIGNATURE, complaint)


EXPIRES_NOT_A_NUMBER = "X-Amz-Expires should be a number"
EXPIRES_TOO_LONG = (
    "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires "
    "must be less than 604800 seconds"
)
