"""The signatures and attestations that a repository has of an image, each looked at.

Sources: cosign's specification (the tags ``sha256-<digest>.sig`` and ``.att``, the media types);
OCI distribution specification 1.1, "Referrers"; Notary Project specifications, "OCI signatures".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_tags, images, manifests
from ecr_emulator.db.signing_tables import signing_keys
from ecr_emulator.digests import is_digest
from ecr_emulator.registry.errors import KmsFailure, LayersNotFound, ServerFailure
from ecr_emulator.registry.image_scans import find_image_or_raise
from ecr_emulator.registry.images import Image, ImageId
from ecr_emulator.registry.layers import Layers
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.signatures.notary import verify_cose, verify_jws
from ecr_emulator.signatures.sigstore import verify_bundle, verify_dsse, verify_simple_signing
from ecr_emulator.signatures.trust import Trust, certificate_trust
from ecr_emulator.signatures.verdicts import DAMAGED, NotVerified, Proof

COSIGN, ATTESTATION, BUNDLE, NOTARY = "cosign", "attestation", "bundle", "notary"

_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_DSSE = "application/vnd.dsse.envelope.v1+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle"
_JWS, _COSE = "application/jose+json", "application/cose"
_NOTARY_TYPE = "application/vnd.cncf.notary.signature"
_COSIGN_ANNOTATION = "dev.cosignproject.cosign/signature"
#: Of one image; what is beyond is not looked at.
_MAX_MANIFESTS = 500
_MAX_SIGNATURES = 1000
#: In bytes; an attestation may hold a whole bill of materials.
_MAX_ENVELOPE = 32 * 1024**2


@dataclass(frozen=True, slots=True)
class CheckedSignature:
    """A signature of an image, and what the look at it came to.

    :ivar kind: one of this module's constants.
    :ivar digest: of the manifest that it is stored by.
    :ivar tag: by which cosign finds that, if it is not a referrer.
    :ivar proof: what it proves; ``None`` if it does not verify, for *reason*.
    """

    kind: str
    digest: str
    tag: str | None
    artifact_type: str | None
    proof: Proof | None
    reason: str | None


class SignatureChecks:
    """The signatures of every registry's images.

    :param trust: the keys and certificates that are trusted besides those of the signing profiles.
    """

    def __init__(self, database: Database, layers: Layers, clock: Clock, trust: Trust) -> None:
        self._database = database
        self._layers = layers
        self._clock = clock
        self._trust = trust

    def of_image(
        self, key: RegistryKey, name: str, image_id: ImageId, trust: Trust
    ) -> tuple[Image, list[CheckedSignature]]:
        """Return an image and its signatures, in the order of their pushes.

        :param trust: what to trust besides.
        :raises RepositoryNotFound, ImageNotFound: there is no such image.
        :raises ImportError: the libraries that verify are not installed.
        """
        with self._database.read() as connection:
            repository = find_repository(connection, key, name)
            image = find_image_or_raise(connection, repository, image_id)
            stored = _artifacts(connection, image)
            trust = self._trust + _profiles(connection) + trust
        found: list[CheckedSignature] = []
        for digest, tag, artifact_type, body in stored:
            for layer in _signature_layers(body, artifact_type):
                if len(found) == _MAX_SIGNATURES:
                    return image, found
                kind = _kind(layer["mediaType"], artifact_type)
                proof, reason = None, None
                try:
                    proof = self._verify(key, name, layer, image.digest, trust)
                except NotVerified as error:
                    reason = str(error)
                found.append(CheckedSignature(kind, digest, tag, artifact_type, proof, reason))
        return image, found

    def _verify(
        self, key: RegistryKey, name: str, layer: dict[str, Any], digest: str, trust: Trust
    ) -> Proof:
        data = self._read(key, name, layer["digest"])
        media_type = layer["mediaType"]
        if media_type == _SIMPLE_SIGNING:
            annotations = layer.get("annotations")
            signature = (annotations if isinstance(annotations, dict) else {}).get(
                _COSIGN_ANNOTATION
            )
            return verify_simple_signing(data, signature, digest, trust)
        if media_type in (_JWS, _COSE):
            verify = verify_jws if media_type == _JWS else verify_cose
            return verify(data, digest, trust, self._clock.now())
        check: Callable[[bytes, str, Trust], Proof]
        check = verify_dsse if media_type == _DSSE else verify_bundle
        return check(data, digest, trust)

    def _read(self, key: RegistryKey, name: str, digest: str) -> bytes:
        try:
            layer = self._layers.get(key, name, digest)
            if layer.size > _MAX_ENVELOPE:
                raise NotVerified(f"The signature is larger than {_MAX_ENVELOPE} bytes.")
            with self._layers.open(key, name, layer) as file:
                file.seek(0)
                return file.read()
        except (LayersNotFound, ServerFailure):
            raise NotVerified(DAMAGED.format("the registry does not have all of it")) from None
        except KmsFailure as error:
            raise NotVerified(f"The signature cannot be decrypted: {error.message}") from None


def _artifacts(
    connection: Connection, image: Image
) -> list[tuple[str, str | None, str | None, bytes]]:
    """Return the manifests that may hold signatures of an image.

    :returns: of each its digest, its tag if it is found by one, its type and its content.
    """
    algorithm, _, value = image.digest.partition(":")
    tags = [f"{algorithm}-{value}.{kind}" for kind in ("sig", "att")]
    found_by = (image_tags.c.image_id == images.c.id) & image_tags.c.tag.in_(tags)
    query = (
        select(images.c.digest, image_tags.c.tag, images.c.artifact_media_type, manifests.c.body)
        .join(manifests, manifests.c.image_id == images.c.id)
        .outerjoin(image_tags, found_by)
        .where(
            images.c.repository_id == image.repository_id,
            or_(images.c.subject_digest == image.digest, image_tags.c.tag.is_not(None)),
        )
        .order_by(images.c.id, image_tags.c.tag)
        .limit(_MAX_MANIFESTS)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def _signature_layers(body: bytes, artifact_type: str | None) -> Iterable[dict[str, Any]]:
    """Yield the descriptors of what a manifest holds that are signatures."""
    # The manifest was checked when it was pushed.
    for layer in json.loads(body).get("layers") or ():
        if is_digest(layer["digest"]) and _kind(layer["mediaType"], artifact_type):
            yield layer


def _kind(media_type: str, artifact_type: str | None) -> str:
    """Return what kind of signature a layer is, or nothing if it is none."""
    if media_type == _SIMPLE_SIGNING:
        return COSIGN
    if media_type == _DSSE:
        return ATTESTATION
    if media_type.startswith(_BUNDLE):
        return BUNDLE
    return NOTARY if artifact_type == _NOTARY_TYPE and media_type in (_JWS, _COSE) else ""


def _profiles(connection: Connection) -> Trust:
    """Return the certificates of the signing profiles that sign here."""
    trust = Trust()
    query = select(signing_keys.c.profile_arn, signing_keys.c.certificate)
    for arn, certificate in connection.execute(query.order_by(signing_keys.c.profile_arn)):
        trust += certificate_trust(arn, certificate)
    return trust
