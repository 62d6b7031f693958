"""Signatures as the Notary Project specifies them, apart from the key that makes them.

Sources: Notary Project specifications, "OCI signatures" (the payload, the manifest that holds
the signature, its annotations) and "JWS signature envelope".
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ecr_emulator import media_types
from ecr_emulator.digests import digest_bytes
from ecr_emulator.registry.manifests import Descriptor

#: The type of the artifact that a signature is stored as.
SIGNATURE_TYPE = "application/vnd.cncf.notary.signature"
ENVELOPE_TYPE = "application/jose+json"

_PAYLOAD_TYPE = "application/vnd.cncf.notary.payload.v1+json"
_SIGNING_SCHEME = "io.cncf.notary.signingScheme"
_SIGNING_TIME = "io.cncf.notary.signingTime"
_SIGNING_AGENT = "io.cncf.notary.signingAgent"
_THUMBPRINTS = "io.cncf.notary.x509chain.thumbprint#S256"
_CREATED = "org.opencontainers.image.created"
#: A signature's configuration says nothing.
EMPTY_CONFIGURATION = b"{}"


@dataclass(frozen=True, slots=True)
class Signer:
    """What makes signatures.

    :ivar algorithm: its name in JSON Web Algorithms (RFC 7518).
    :ivar certificate: of the key, X.509 in DER.
    :ivar sign: returns the signature of some bytes in the form of that algorithm.
    """

    algorithm: str
    certificate: bytes
    sign: Callable[[bytes], bytes]


def make_envelope(signer: Signer, subject: Descriptor, at: datetime) -> bytes:
    """Sign the image that *subject* describes; return the signature's envelope.

    :param at: the time of signing (UTC).
    """
    payload = _encoded_json({"targetArtifact": _descriptor(subject)})
    protected = _encoded_json(
        {
            "alg": signer.algorithm,
            "cty": _PAYLOAD_TYPE,
            "crit": [_SIGNING_SCHEME],
            _SIGNING_SCHEME: "notary.x509",
            _SIGNING_TIME: _time(at),
        }
    )
    signature = signer.sign(f"{protected}.{payload}".encode("ascii"))
    envelope = {
        "payload": payload,
        "protected": protected,
        "header": {
            "x5c": [base64.b64encode(signer.certificate).decode("ascii")],
            _SIGNING_AGENT: "ecr_emulator",
        },
        "signature": _encoded(signature),
    }
    return json.dumps(envelope, separators=(",", ":")).encode("ascii")


def make_manifest(signer: Signer, subject: Descriptor, envelope: bytes, at: datetime) -> bytes:
    """Return the manifest that stores a signature beside the image it is of."""
    thumbprints = [hashlib.sha256(signer.certificate).hexdigest()]
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": _descriptor(_describe(EMPTY_CONFIGURATION, SIGNATURE_TYPE)),
        "layers": [_descriptor(_describe(envelope, ENVELOPE_TYPE))],
        "subject": _descriptor(subject),
        "annotations": {
            _THUMBPRINTS: json.dumps(thumbprints, separators=(",", ":")),
            _CREATED: _time(at),
        },
    }
    return json.dumps(manifest, separators=(",", ":")).encode("utf-8")


def _describe(data: bytes, media_type: str) -> Descriptor:
    return Descriptor(digest_bytes(data), len(data), media_type)


def _descriptor(descriptor: Descriptor) -> dict[str, Any]:
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
    }


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _encoded_json(document: dict[str, Any]) -> str:
    return _encoded(json.dumps(document, separators=(",", ":")).encode("utf-8"))


def _encoded(data: bytes) -> str:
    """Return *data* in the base64 of JSON Web Signatures: for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
