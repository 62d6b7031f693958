"""Keys and certificates, and signatures in the very forms in which clients store them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.support.images import OCI_CONFIG, OCI_MANIFEST, Blob

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SBOM = "https://cyclonedx.org/bom"
NOTARY = "application/vnd.cncf.notary.signature"


def key(kind: str = "P-256") -> Any:
    """Return the private key that the tests have of a kind; what follows ``#`` tells more of
    them apart."""
    return _make_key(kind)


@lru_cache
def _make_key(kind: str) -> Any:
    kind = kind.partition("#")[0]
    if kind == "RSA":
        return rsa.generate_private_key(65537, 2048)
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[kind])


def public_pem(private: Any) -> bytes:
    """Return the public half of a key in PEM."""
    pem: bytes = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def sign(private: Any, data: bytes) -> bytes:
    """Sign as cosign does with a key of its user's."""
    if isinstance(private, rsa.RSAPrivateKey):
        return private.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return private.sign(data)
    signed: bytes = private.sign(data, ec.ECDSA(hashes.SHA256()))
    return signed


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def url_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def dumped(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def artifact(
    *layers: tuple[Blob, Mapping[str, str]], subject: Blob | None = None, kind: str = ""
) -> tuple[Blob, list[Blob]]:
    """Return a manifest that holds signatures, and its blobs.

    :param layers: each with its annotations.
    :param kind: the artifact's type; cosign's older form has none.
    """
    config = Blob(kind or OCI_CONFIG, b"{}")
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config.descriptor(),
        "layers": [
            {**blob.descriptor(), **({"annotations": dict(notes)} if notes else {})}
            for blob, notes in layers
        ],
    }
    if subject is not None:
        manifest["subject"] = subject.descriptor()
    return Blob(OCI_MANIFEST, dumped(manifest)), [config, *(blob for blob, _ in layers)]


def simple_signing(private: Any, digest: str) -> tuple[Blob, dict[str, str]]:
    """Return the layer and its annotations by which cosign signs an image."""
    payload = dumped(
        {
            "critical": {
                "identity": {"docker-reference": "registry/team/app"},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    )
    signature = text(sign(private, payload))
    return Blob(SIMPLE_SIGNING, payload), {"dev.cosignproject.cosign/signature": signature}


def statement(digest: str, predicate_type: str = SBOM) -> bytes:
    """Return an in-toto statement about an image."""
    algorithm, _, value = digest.partition(":")
    return dumped(
        {
            "_type": "https://in-toto.io/Statement/v0.1",
            "predicateType": predicate_type,
            "subject": [{"name": "registry/team/app", "digest": {algorithm: value}}],
            "predicate": {"bomFormat": "CycloneDX"},
        }
    )


def dsse(
    private: Any, payload: bytes, kind: str = "application/vnd.in-toto+json"
) -> dict[str, Any]:
    """Return a DSSE envelope."""
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    return {
        "payloadType": kind,
        "payload": text(payload),
        "signatures": [{"keyid": "", "sig": text(sign(private, signed))}],
    }


def bundle(envelope: Mapping[str, Any]) -> Blob:
    """Return a bundle of sigstore's by a key of its user's."""
    return Blob(
        BUNDLE,
        dumped(
            {
                "mediaType": BUNDLE,
                "verificationMaterial": {"publicKey": {"hint": "x"}},
                "dsseEnvelope": dict(envelope),
            }
        ),
    )


def certificate(
    private: Any,
    name: str,
    issuer: tuple[Any, x509.Certificate] | None = None,
    *,
    authority: bool = False,
    start: datetime | None = None,
    days: int = 30,
    purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
) -> x509.Certificate:
    """Return a certificate of a key, signed by itself if there is no *issuer* (with its key)."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by_key, by_name = (private, subject) if issuer is None else (issuer[0], issuer[1].subject)
    start = start or datetime.now(timezone.utc) - timedelta(days=1)
    usage = x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by_name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )
    if not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(by_key, hashes.SHA256())


def pem(made: x509.Certificate) -> bytes:
    return made.public_bytes(serialization.Encoding.PEM)


def jws_sign(private: Any, data: bytes) -> tuple[str, bytes]:
    """Sign as the Notary Project does; return the algorithm's name too."""
    if isinstance(private, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        return "PS256", private.sign(data, scheme, hashes.SHA256())
    name, algorithm, size = {
        256: ("ES256", hashes.SHA256(), 32),
        384: ("ES384", hashes.SHA384(), 48),
        521: ("ES512", hashes.SHA512(), 66),
    }[private.curve.key_size]
    halves = decode_dss_signature(private.sign(data, ec.ECDSA(algorithm)))
    return name, b"".join(half.to_bytes(size, "big") for half in halves)


def notary_payload(subject: Blob) -> bytes:
    return dumped({"targetArtifact": subject.descriptor()})


def jws(
    private: Any,
    chain: Sequence[x509.Certificate],
    payload: bytes,
    **attributes: Any,
) -> Blob:
    """Return a JWS envelope.

    :param attributes: signed ones besides, or in place of, those that all have.
    """
    protected = {
        "alg": jws_sign(private, b"")[0],
        "cty": "application/vnd.cncf.notary.payload.v1+json",
        "crit": ["io.cncf.notary.signingScheme"],
        "io.cncf.notary.signingScheme": "notary.x509",
        "io.cncf.notary.signingTime": "2026-01-01T00:00:00Z",
        **attributes,
    }
    head, body = url_text(dumped(protected)), url_text(payload)
    document = {
        "payload": body,
        "protected": head,
        "header": {
            "x5c": [text(one.public_bytes(serialization.Encoding.DER)) for one in chain],
            "io.cncf.notary.signingAgent": "a test",
        },
        "signature": url_text(jws_sign(private, f"{head}.{body}".encode())[1]),
    }
    return Blob("application/jose+json", dumped(document))


def cose(private: Any, chain: Sequence[x509.Certificate], payload: bytes) -> Blob:
    """Return a COSE envelope."""
    import cbor2

    scheme = "io.cncf.notary.signingScheme"
    algorithms = {"PS256": -37, "ES256": -7, "ES384": -35, "ES512": -36}
    protected = cbor2.dumps(
        {
            1: algorithms[jws_sign(private, b"")[0]],
            2: [scheme],
            3: "application/vnd.cncf.notary.payload.v1+json",
            scheme: "notary.x509",
            "io.cncf.notary.signingTime": datetime(2026, 1, 1, tzinfo=timezone.utc),
        }
    )
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    unprotected = {33: [one.public_bytes(serialization.Encoding.DER) for one in chain]}
    message = [protected, unprotected, payload, jws_sign(private, signed)[1]]
    return Blob("application/cose", cbor2.dumps(cbor2.CBORTag(18, message)))
