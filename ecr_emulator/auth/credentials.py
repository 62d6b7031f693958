"""Access keys, and the places where they are looked up.

A :class:`CredentialSource` answers for an access key id and the session token that came with
it. Sources: the keys known from the start, temporary keys (which carry their own proof, so
that nothing is stored), several sources in a row, and the permissive one.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Protocol

from ecr_emulator.clock import Clock

from .principals import Principal, principal_claims, principal_of_claims, root_principal
from .sealing import MAC_BYTES, VerifiedCache, decode_base64, encode_base64, mac, subkey

DEFAULT_ACCOUNT = "000000000000"

_KNOWN_KEYS = {
    "test": ("test", DEFAULT_ACCOUNT),
    "testing": ("testing", "123456789012"),
}
_ACCOUNT_KEY_SECRET = "test"

# STS gives no bound ("make no assumptions about the maximum size"); ours are below 5 KiB.
MAX_SESSION_TOKEN = 8192


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key and whom it stands for.

    :param secret: the secret access key; None means that requests are taken whatever their
        signature is (only :class:`PermissiveCredentials` hands out such keys).
    :param session_token: the session token of a temporary key; None for a long-term key.
    :param expires_at: when a temporary key ends (aware); None for a long-term key.
    """

    access_key_id: str
    secret: str | None = field(repr=False)
    principal: Principal
    session_token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


class CredentialError(Exception):
    """The access key id and session token of a request name nobody."""


class UnknownAccessKey(CredentialError):
    """There is no such access key id."""


class InvalidSessionToken(CredentialError):
    """The session token is not the access key's, or is missing, or is not one of ours."""


class ExpiredSessionToken(CredentialError):
    """The session token was right, and its time is over.

    :param access_key: the key that has ended.
    """

    def __init__(self, access_key: AccessKey) -> None:
        super().__init__("expired session token")
        self.access_key = access_key


class CredentialSource(Protocol):
    """Where access keys are looked up."""

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return the access key of a request.

        :param session_token: the token sent with it; None if none was.
        :raises UnknownAccessKey: no such access key id here.
        :raises InvalidSessionToken: the token does not belong to the key.
        :raises ExpiredSessionToken: the token's time is over.
        """
        ...


def is_account_id(text: str) -> bool:
    """Tell whether *text* is an account id: 12 ASCII digits."""
    return len(text) == 12 and text.isascii() and text.isdigit()


class KnownCredentials:
    """The long-term keys that every installation knows, and those of a mapping.

    ``test``/``test`` is the root user of account 000000000000, ``testing``/``testing`` that of
    123456789012, and any 12-digit key id with the secret ``test`` that of the account it spells.

    Boilerplate written for other emulators sets a session token beside such keys, the same
    word as the secret; that one is tolerated (and dropped), any other is invalid.

    :param keys: further keys by access key id; they come before the ones above.
    """

    def __init__(self, keys: Mapping[str, AccessKey] | None = None) -> None:
        self._keys = dict(keys or {})

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return the known key *access_key_id*; errors as :class:`CredentialSource` says."""
        key = self._keys.get(access_key_id)
        if key is not None:
            if session_token is not None:
                raise InvalidSessionToken("a long-term key has no session token")
            return key
        if access_key_id in _KNOWN_KEYS:
            secret, account = _KNOWN_KEYS[access_key_id]
        elif is_account_id(access_key_id):
            secret, account = _ACCOUNT_KEY_SECRET, access_key_id
        else:
            raise UnknownAccessKey("unknown access key id")
        if session_token is not None and session_token != secret:
            raise InvalidSessionToken("a long-term key has no session token")
        return _root_key(access_key_id, secret, account)


# A key is asked for by every request, and there are few.
@lru_cache(maxsize=1024)
def _root_key(access_key_id: str, secret: str, account: str) -> AccessKey:
    return AccessKey(access_key_id, secret, root_principal(account))


@dataclass(frozen=True, slots=True)
class MintedCredentials:
    """Temporary credentials as STS hands them out; *expires_at* is aware UTC."""

    access_key_id: str
    secret: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime


class TemporaryCredentials:
    """Mints temporary credentials and recognises them again, without storing any.

    The session token holds the claims (whom the key stands for, until when, and for which
    access key id) under an HMAC; the secret access key is derived from the token.

    :param secret_key: the installation's secret; tokens of any other are invalid.
    """

    def __init__(self, secret_key: bytes, clock: Clock) -> None:
        self._token_key = subkey(secret_key, "session token")
        self._secret_key = subkey(secret_key, "temporary secret access key")
        self._clock = clock
        self._verified: VerifiedCache[AccessKey] = VerifiedCache(4096)

    def mint(
        self, principal: Principal, lifetime: timedelta, minimum_token_size: int = 0
    ) -> MintedCredentials:
        """Make credentials for *principal* that end after *lifetime* (whole seconds).

        :param minimum_token_size: pad the session token to at least this many characters.
        """
        now = self._clock.now()
        expires = int(now.timestamp()) + int(lifetime.total_seconds())
        access_key_id = "ASIA" + base64.b32encode(secrets.token_bytes(10)).decode("ascii")
        claims = {
            "key": access_key_id,
            **principal_claims(principal),
            "expires": expires,
        }
        sealed = json.dumps(claims, separators=(",", ":")).encode()
        # Base64 makes four characters of three bytes; blanks after a JSON text mean nothing.
        sealed = sealed.ljust(-(-minimum_token_size // 4) * 3 - MAC_BYTES)
        token = encode_base64(mac(self._token_key, sealed) + sealed)
        return MintedCredentials(
            access_key_id=access_key_id,
            secret=self._secret(token),
            session_token=token,
            expires_at=datetime.fromtimestamp(expires, timezone.utc),
        )

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return the temporary key of *session_token*; errors as :class:`CredentialSource`."""
        if not (access_key_id.startswith("ASIA") and len(access_key_id) == 20):
            raise UnknownAccessKey("not a temporary access key id")
        if session_token is None:
            raise InvalidSessionToken("a temporary key needs its session token")
        if len(session_token) > MAX_SESSION_TOKEN or not session_token.isascii():
            raise InvalidSessionToken("not a session token")
        cache_key = self._verified.key(session_token)
        key = self._verified.get(cache_key)
        if key is None:
            key = self._open(session_token)
            self._verified.put(cache_key, key)
        if key.access_key_id != access_key_id:
            raise InvalidSessionToken("the session token belongs to another access key")
        if key.expires_at is None or self._clock.now() >= key.expires_at:
            raise ExpiredSessionToken(key)
        return key

    def _open(self, token: str) -> AccessKey:
        try:
            data = decode_base64(token)
        except ValueError as error:
            raise InvalidSessionToken("not a session token") from error
        tag, sealed = data[:MAC_BYTES], data[MAC_BYTES:]
        if not hmac.compare_digest(mac(self._token_key, sealed), tag):
            raise InvalidSessionToken("not a session token of this installation")
        claims = json.loads(sealed)
        return AccessKey(
            access_key_id=claims["key"],
            secret=self._secret(token),
            principal=principal_of_claims(claims),
            session_token=token,
            expires_at=datetime.fromtimestamp(claims["expires"], timezone.utc),
        )

    def _secret(self, token: str) -> str:
        # Secret access keys are 40 characters long.
        return encode_base64(mac(self._secret_key, token.encode("ascii")))[:40]


class ChainedCredentials:
    """Asks several sources in turn; the first that knows the access key id answers."""

    def __init__(self, *sources: CredentialSource) -> None:
        self._sources = sources

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return the key; errors as :class:`CredentialSource` says."""
        for source in self._sources:
            try:
                return source.lookup(access_key_id, session_token)
            except UnknownAccessKey:
                continue
        raise UnknownAccessKey("unknown access key id")


class PermissiveCredentials:
    """Takes any credential (``--auth permissive``), for suites that invent theirs.

    A 12-digit key id is the root user of that account, a key that *source* knows stands for
    its own principal (be its token right, wrong or expired), and everything else is the root
    user of account 000000000000. The keys returned have no secret: no signature is checked.

    :param source: where known and temporary keys are looked up.
    """

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def lookup(self, access_key_id: str, session_token: str | None) -> AccessKey:
        """Return a key without a secret; raises nothing."""
        if is_account_id(access_key_id):
            return AccessKey(access_key_id, None, root_principal(access_key_id))
        try:
            key = self._source.lookup(access_key_id, session_token)
        except ExpiredSessionToken as error:
            key = error.access_key
        except CredentialError:
            return self._without_token(access_key_id)
        return replace(key, secret=None)

    def _without_token(self, access_key_id: str) -> AccessKey:
        try:
            key = self._source.lookup(access_key_id, None)
        except CredentialError:
            return AccessKey(access_key_id, None, root_principal(DEFAULT_ACCOUNT))
        return replace(key, secret=None)
