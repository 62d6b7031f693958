"""Signatures checked by public keys, in the algorithms of cosign and of JSON Web Signatures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


def verifies(key: PublicKeyTypes, signature: bytes, data: bytes) -> bool:
    """Say whether *signature* is the key's over *data*, as sigstore's clients sign.

    Source: sigstore's ``signature`` library: ECDSA in ASN.1 and RSA (PKCS #1 v1.5, or PSS) over
    SHA-256, or over the hash that fits a larger key; Ed25519.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    for algorithm in _hashes(key):
        try:
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, data)
                return True
            if isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, data, ec.ECDSA(algorithm))
                return True
            if isinstance(key, rsa.RSAPublicKey):
                try:
                    key.verify(signature, data, padding.PKCS1v15(), algorithm)
                except InvalidSignature:
                    key.verify(signature, data, _pss(algorithm), algorithm)
                return True
        except InvalidSignature:
            continue
    return False


def _hashes(key: PublicKeyTypes) -> Iterator[hashes.HashAlgorithm]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    yield hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.key_size > 256:
        yield hashes.SHA384() if key.curve.key_size == 384 else hashes.SHA512()


def verifies_jws(algorithm: str, key: PublicKeyTypes, signature: bytes, data: bytes) -> bool:
    """Say whether *signature* is the key's over *data* by an algorithm of RFC 7518.

    :param algorithm: ``PS256`` to ``PS512`` or ``ES256`` to ``ES512``; by any other nothing
        verifies.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    known = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    used = known.get(algorithm[2:])
    if used is None:
        return False
    try:
        if algorithm[:2] == "PS" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, _pss(used), used)
            return True
        if algorithm[:2] == "ES" and isinstance(key, ec.EllipticCurvePublicKey):
            # Section 3.4: each size of hash has its curve; both halves as they are.
            bits = 521 if algorithm == "ES512" else used.digest_size * 8
            half = (key.curve.key_size + 7) // 8
            if key.curve.key_size != bits or len(signature) != 2 * half:
                return False
            numbers = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            key.verify(encode_dss_signature(*numbers), data, ec.ECDSA(used))
            return True
    except InvalidSignature:
        return False
    return False


def _pss(algorithm: hashes.HashAlgorithm) -> padding.PSS:
    from cryptography.hazmat.primitives.asymmetric import padding

    return padding.PSS(mgf=padding.MGF1(algorithm), salt_length=algorithm.digest_size)
