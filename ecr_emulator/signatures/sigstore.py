"""What cosign makes: signatures of images, and attestations.

Sources: sigstore's cosign, "SIGNATURE_SPEC" (simple signing, and where the signature is);
secure-systems-lab, DSSE 1.0.2 "Protocol"; in-toto attestation framework, "Statement"; sigstore
protobuf-specs, ``Bundle`` (version 0.3 in JSON).

Only keys are looked at: no transparency log is, and no certificate of Fulcio's.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from ecr_emulator.signatures.public_keys import verifies
from ecr_emulator.signatures.trust import Trust
from ecr_emulator.signatures.verdicts import (
    DAMAGED,
    NOT_BY_TRUSTED,
    NOTHING_TRUSTED,
    NotVerified,
    Proof,
    check_digest,
)

_IN_TOTO = "application/vnd.in-toto+json"
_MAX_SIGNATURES = 20
_MAX_SUBJECTS = 10_000


def verify_simple_signing(payload: bytes, signature: object, digest: str, trust: Trust) -> Proof:
    """Verify a signature of cosign's.

    :param payload: the layer that was signed.
    :param signature: the layer's annotation, in base64.
    :param digest: of the image that it should be of.
    :raises NotVerified: it does not verify.
    """
    name = _trusted(trust, base64_of(signature), payload)
    document = json_object(payload)
    critical = document.get("critical")
    image = critical.get("image") if isinstance(critical, dict) else None
    check_digest(image.get("docker-manifest-digest") if isinstance(image, dict) else None, digest)
    return Proof(name)


def verify_dsse(envelope: bytes, digest: str, trust: Trust) -> Proof:
    """Verify an attestation in a DSSE envelope.

    :raises NotVerified: it does not verify.
    """
    return _verify_dsse(json_object(envelope), digest, trust)


def verify_bundle(bundle: bytes, digest: str, trust: Trust) -> Proof:
    """Verify a bundle of sigstore's: an attestation, or a signature of the manifest itself.

    :raises NotVerified: it does not verify.
    """
    document = json_object(bundle)
    envelope = document.get("dsseEnvelope")
    if isinstance(envelope, dict):
        return _verify_dsse(envelope, digest, trust)
    raise NotVerified(DAMAGED.format("the bundle holds no envelope"))


def _verify_dsse(envelope: dict[str, Any], digest: str, trust: Trust) -> Proof:
    kind, payload = envelope.get("payloadType"), base64_of(envelope.get("payload"))
    signatures = envelope.get("signatures")
    if not isinstance(kind, str) or not isinstance(signatures, list) or not signatures:
        raise NotVerified(DAMAGED.format("the envelope lacks its type or its signatures"))
    signed = b"DSSEv1 %d %b %d %b" % (len(kind.encode()), kind.encode(), len(payload), payload)
    name = ""
    for item in signatures[:_MAX_SIGNATURES]:
        try:
            signature = base64_of(item.get("sig") if isinstance(item, dict) else None)
            name = _trusted(trust, signature, signed)
            break
        except NotVerified as error:
            reason = error
    if not name:
        raise reason
    if kind != _IN_TOTO:
        raise NotVerified(f"The envelope holds no statement of in-toto: {kind[:100]}.")
    statement = json_object(payload)
    _check_subject(statement.get("subject"), digest)
    predicate = statement.get("predicateType")
    return Proof(name, predicate if isinstance(predicate, str) else "")


def _check_subject(subjects: object, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    named: object = None
    for subject in subjects[:_MAX_SUBJECTS] if isinstance(subjects, list) else ():
        digests = subject.get("digest") if isinstance(subject, dict) else None
        found = digests.get(algorithm) if isinstance(digests, dict) else None
        if found == value:
            return
        if isinstance(found, str):
            named = f"{algorithm}:{found}"
    check_digest(named, digest)


def _trusted(trust: Trust, signature: bytes, data: bytes) -> str:
    """Return the name of the trusted key that made a signature."""
    if not trust:
        raise NotVerified(NOTHING_TRUSTED)
    for name, key in trust.keys:
        if verifies(key, signature, data):
            return name
    raise NotVerified(NOT_BY_TRUSTED)


def base64_of(text: object) -> bytes:
    """Return what a text in base64 says.

    :raises NotVerified: it is none.
    """
    if isinstance(text, str):
        try:
            return base64.b64decode(text.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            pass
    raise NotVerified(DAMAGED.format("something in it is not base64"))


def json_object(data: bytes) -> dict[str, Any]:
    """Return a JSON object.

    :raises NotVerified: it is none.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise NotVerified(DAMAGED.format("it is no JSON object"))
    return document
