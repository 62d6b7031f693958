"""The Notary Project's signatures, in JWS and in COSE envelopes, verified.

Sources: Notary Project specifications, "JWS signature envelope", "COSE signature envelope",
"Signature specification" (attributes, schemes, certificate requirements) and "Trust store and
trust policy" (the chain must end in a trusted certificate, and be valid now: countersignatures of
time stamping authorities, and revocation, are not looked at). RFC 9052, section 4.4.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ecr_emulator.signatures.chains import verified_chain
from ecr_emulator.signatures.public_keys import verifies_jws
from ecr_emulator.signatures.sigstore import base64_of, json_object
from ecr_emulator.signatures.trust import Trust
from ecr_emulator.signatures.verdicts import (
    DAMAGED,
    NOTHING_TRUSTED,
    NotVerified,
    Proof,
    check_digest,
)

_PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
_SCHEME = "io.cncf.notary.signingScheme"
_EXPIRY = "io.cncf.notary.expiry"
_SIGNING_TIME = "io.cncf.notary.signingTime"
_AUTHENTIC_TIME = "io.cncf.notary.authenticSigningTime"
_X509 = "notary.x509"
_AUTHORITY = "notary.x509.signingAuthority"
_UNDERSTOOD = frozenset({_SCHEME, _EXPIRY, _AUTHENTIC_TIME})
#: COSE's numbers for what JWS has names for (RFC 9053, RFC 8812 section 2).
_COSE_ALGORITHMS = {
    -37: "PS256",
    -38: "PS384",
    -39: "PS512",
    -7: "ES256",
    -35: "ES384",
    -36: "ES512",
}
_COSE_ALG, _COSE_CRIT, _COSE_TYPE, _COSE_CHAIN = 1, 2, 3, 33
_COSE_SIGN1 = 18
_MAX_CHAIN = 10


@dataclass(frozen=True, slots=True)
class _Envelope:
    """An envelope, whichever form it has.

    :ivar signed: the bytes that the signature is over.
    :ivar attributes: the signed ones.
    :ivar critical: those of them that a verifier must understand.
    """

    algorithm: str
    content_type: object
    attributes: dict[str, Any]
    critical: object
    chain: Sequence[bytes]
    signed: bytes
    signature: bytes
    payload: bytes


def verify_jws(envelope: bytes, digest: str, trust: Trust, now: datetime) -> Proof:
    """Verify a signature in a JWS envelope.

    :raises NotVerified: it does not verify.
    """
    return _verify(_jws(envelope), digest, trust, now)


def verify_cose(envelope: bytes, digest: str, trust: Trust, now: datetime) -> Proof:
    """Verify a signature in a COSE envelope.

    :raises NotVerified: it does not verify.
    """
    return _verify(_cose(envelope), digest, trust, now)


def _verify(envelope: _Envelope, digest: str, trust: Trust, now: datetime) -> Proof:
    if not trust.certificates:
        raise NotVerified(NOTHING_TRUSTED)
    _check_attributes(envelope, now)
    scheme = envelope.attributes.get(_SCHEME)
    # Only an authority's word on the time is taken.
    at = _time(envelope.attributes.get(_AUTHENTIC_TIME)) if scheme == _AUTHORITY else now
    name = _signed_by(envelope, trust, at)
    if envelope.content_type != _PAYLOAD_TYPE:
        raise NotVerified(DAMAGED.format("its payload is of another type"))
    target = json_object(envelope.payload).get("targetArtifact")
    check_digest(target.get("digest") if isinstance(target, dict) else None, digest)
    return Proof(name)


def _check_attributes(envelope: _Envelope, now: datetime) -> None:
    critical = envelope.critical
    if not isinstance(critical, (list, tuple)) or _SCHEME not in critical:
        raise NotVerified(DAMAGED.format("its signing scheme is not critical"))
    for name in critical:
        if not isinstance(name, str) or name not in _UNDERSTOOD:
            raise NotVerified(f"The signature asks for what is not known here: {str(name)[:100]}.")
    if envelope.attributes.get(_SCHEME) not in (_X509, _AUTHORITY):
        raise NotVerified(DAMAGED.format("its signing scheme is not known"))
    expiry = envelope.attributes.get(_EXPIRY)
    if expiry is not None and _time(expiry) <= now:
        raise NotVerified(f"The signature expired at {_time(expiry).isoformat()}.")


def _signed_by(envelope: _Envelope, trust: Trust, at: datetime) -> str:
    """Return the name of the trusted certificate that the signature goes back to."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    if not 0 < len(envelope.chain) <= _MAX_CHAIN:
        raise NotVerified(DAMAGED.format("it has no chain of certificates, or too long a one"))
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in envelope.chain]
        key = certificates[0].public_key()
        if not verifies_jws(envelope.algorithm, key, envelope.signature, envelope.signed):
            raise NotVerified("The signature was not made by the key of its certificate.")
        return verified_chain(certificates, trust, at)
    # Parts of a certificate are read only when they are asked for.
    except (
        ValueError,
        TypeError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ):
        raise NotVerified(DAMAGED.format("a certificate cannot be read")) from None


def _jws(data: bytes) -> _Envelope:
    document = json_object(data)
    protected, payload = document.get("protected"), document.get("payload")
    header = document.get("header")
    chain = header.get("x5c") if isinstance(header, dict) else None
    if not isinstance(protected, str) or not isinstance(payload, str):
        raise NotVerified(DAMAGED.format("it is no JSON Web Signature"))
    attributes = json_object(_base64url(protected))
    algorithm = attributes.get("alg")
    return _Envelope(
        algorithm if isinstance(algorithm, str) else "",
        attributes.get("cty"),
        attributes,
        attributes.get("crit"),
        [base64_of(item) for item in chain[: _MAX_CHAIN + 1]] if isinstance(chain, list) else [],
        f"{protected}.{payload}".encode(),
        _base64url(document.get("signature")),
        _base64url(payload),
    )


def _cose(data: bytes) -> _Envelope:
    try:
        import cbor2
    except ImportError:
        raise NotVerified(
            "COSE envelopes are read by the Python package 'cbor2', which is not installed "
            "(pip install 'ecr-emulator[signing]')."
        ) from None
    try:
        message = cbor2.loads(data)
        body = message.value if isinstance(message, cbor2.CBORTag) else None
        if body is None or message.tag != _COSE_SIGN1 or len(body) != 4:
            raise ValueError
        protected, unprotected, payload, signature = body
        attributes, chain = cbor2.loads(protected), unprotected.get(_COSE_CHAIN)
        signed = cbor2.dumps(["Signature1", protected, b"", payload])
        algorithm = _COSE_ALGORITHMS.get(attributes.get(_COSE_ALG), "")
        named = {name: item for name, item in attributes.items() if isinstance(name, str)}
        if not isinstance(payload, bytes) or not isinstance(signature, bytes):
            raise ValueError
    # Whatever it decodes to may not be what is asked of it here.
    except (cbor2.CBORDecodeError, ValueError, TypeError, AttributeError, RecursionError):
        raise NotVerified(DAMAGED.format("it is no COSE_Sign1 message")) from None
    chain = [chain] if isinstance(chain, bytes) else chain
    return _Envelope(
        algorithm,
        attributes.get(_COSE_TYPE),
        named,
        attributes.get(_COSE_CRIT),
        [item for item in chain if isinstance(item, bytes)]
        if isinstance(chain, (list, tuple))
        else [],
        signed,
        signature,
        payload,
    )


def _time(value: object) -> datetime:
    """Return a time of RFC 3339, or of COSE (seconds since the epoch), in UTC."""
    try:
        if isinstance(value, datetime):
            found = value
        elif isinstance(value, int):
            found = datetime.fromtimestamp(value, timezone.utc)
        elif isinstance(value, str) and len(value) < 64:
            found = datetime.fromisoformat(value.replace("Z", "+00:00"))
        else:
            raise ValueError
    except (ValueError, OverflowError, OSError):
        raise NotVerified(DAMAGED.format("a time in it cannot be read")) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=timezone.utc)


def _base64url(text: object) -> bytes:
    if isinstance(text, str):
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            return base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            pass
    raise NotVerified(DAMAGED.format("something in it is not base64"))
