"""Registry authorization tokens: what ``GetAuthorizationToken`` hands to ``docker login``.

A token is base64 of ``AWS:<password>``. The password looks as ECR's does, base64 of a JSON
object, and is self-contained: ``payload`` holds the claims and ``datakey`` their HMAC. Nothing
is stored, and any process that knows the installation's secret can verify it.
"""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal

from ecr_emulator.clock import Clock

from .principals import Principal, principal_claims, principal_of_claims
from .sealing import VerifiedCache, decode_base64, encode_base64, mac, subkey

TOKEN_LIFETIME = timedelta(hours=12)  # API reference, GetAuthorizationToken
USER_NAME = "AWS"

# Session policies and tags go along: a password of a few kilobytes, base64 three times over.
MAX_PASSWORD = 12288
MAX_BASIC_HEADER = 20480

_as_json = json.JSONEncoder(separators=(",", ":")).encode

TokenService = Literal["ecr", "ecr-public"]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An authorization token, and when it ends (aware UTC, whole seconds)."""

    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a registry token says.

    :param principal: who asked for it.
    :param registry_account: the account of the registry it was asked for.
    :param region: the region it was asked in, to which it is tied.
    """

    principal: Principal
    registry_account: str
    region: str
    service: str
    issued_at: datetime
    expires_at: datetime


class TokenError(Exception):
    """A registry token that does not let anybody in."""


class InvalidToken(TokenError):
    """Garbage, changed on the way, or of another installation."""


class ExpiredToken(TokenError):
    """Once good; its twelve hours are over.

    :ivar claims: what it says.
    """

    def __init__(self, claims: TokenClaims) -> None:
        super().__init__("the registry token has expired")
        self.claims = claims


class MalformedBasicHeader(Exception):
    """An Authorization header that is not ``Basic`` with a user name and a password."""


class RegistryTokens:
    """Issues and verifies registry tokens.

    :param secret: the installation's secret.
    """

    def __init__(self, secret: bytes, clock: Clock) -> None:
        self._key = subkey(secret, "registry token")
        self._clock = clock
        self._verified: VerifiedCache[TokenClaims] = VerifiedCache(4096)

    def issue(
        self,
        principal: Principal,
        registry_account: str,
        region: str,
        service: TokenService = "ecr",
        lifetime: timedelta = TOKEN_LIFETIME,
    ) -> IssuedToken:
        """Return a token for the registry of *registry_account*."""
        issued = int(self._clock.now().timestamp())
        expires = issued + int(lifetime.total_seconds())
        claims = {
            **principal_claims(principal),
            "registry": registry_account,
            "region": region,
            "service": service,
            "issued": issued,
            "expires": expires,
        }
        payload = encode_base64(_as_json(claims).encode())
        password = self._password(payload, expires)
        return IssuedToken(
            token=encode_base64(f"{USER_NAME}:{password}".encode("ascii")),
            expires_at=datetime.fromtimestamp(expires, timezone.utc),
        )

    def verify_password(self, password: str) -> TokenClaims:
        """Return what the token with this *password* says.

        :raises InvalidToken: it is not, byte for byte, a password issued here.
        :raises ExpiredToken: it is, and has ended.
        """
        if len(password) > MAX_PASSWORD or not password.isascii():
            raise InvalidToken("not a registry token")
        key = self._verified.key(password)
        claims = self._verified.get(key)
        if claims is None:
            claims = self._open(password)
            self._verified.put(key, claims)
        if self._clock.now() >= claims.expires_at:
            raise ExpiredToken(claims)
        return claims

    def _password(self, payload: str, expires: int) -> str:
        envelope = {
            "payload": payload,
            "datakey": encode_base64(mac(self._key, payload.encode("ascii"))),
            "version": "2",
            "type": "DATA_KEY",
            "expiration": expires,
        }
        return encode_base64(_as_json(envelope).encode("ascii"))

    def _open(self, password: str) -> TokenClaims:
        # Nothing is parsed that was not made here: the payload stands between two fixed texts,
        # and only once its HMAC is right are the claims read. The password as a whole must
        # then be the very text that issuing these claims gives.
        try:
            envelope = decode_base64(password).decode("ascii")
        except ValueError as error:
            raise InvalidToken("not a registry token") from error
        payload, separator, rest = envelope.removeprefix('{"payload":"').partition('","datakey":"')
        datakey = encode_base64(mac(self._key, payload.encode("ascii")))
        if not separator or not hmac.compare_digest(
            rest[: len(datakey)].encode("ascii"), datakey.encode("ascii")
        ):
            raise InvalidToken("not a registry token of this installation")
        claims = json.loads(decode_base64(payload))
        expected = self._password(payload, claims["expires"])
        if not hmac.compare_digest(expected.encode("ascii"), password.encode("ascii")):
            raise InvalidToken("changed outside its claims")
        return TokenClaims(
            principal=principal_of_claims(claims),
            registry_account=claims["registry"],
            region=claims["region"],
            service=claims["service"],
            issued_at=datetime.fromtimestamp(claims["issued"], timezone.utc),
            expires_at=datetime.fromtimestamp(claims["expires"], timezone.utc),
        )


def parse_basic(header: str) -> tuple[str, str]:
    """Return user name and password of an ``Authorization: Basic`` header's value (RFC 7617).

    :raises MalformedBasicHeader: another scheme, bad base64, no colon, not UTF-8, too long.
    """
    if len(header) > MAX_BASIC_HEADER:
        raise MalformedBasicHeader("too long")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise MalformedBasicHeader("not the Basic scheme")
    try:
        user_and_password = decode_base64(encoded.strip(" ")).decode("utf-8")
    except ValueError as error:
        raise MalformedBasicHeader("not base64 of UTF-8 text") from error
    user, colon, password = user_and_password.partition(":")
    if not colon:
        raise MalformedBasicHeader("no colon between user name and password")
    return user, password
