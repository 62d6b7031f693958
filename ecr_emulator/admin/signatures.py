"""The signatures of an image, and whether each verifies: ``/_emulator/signatures``.

The query names the image as ``account``, ``region``, ``repositoryName`` and ``imageTag`` or
``imageDigest``. ``GET`` trusts what the setting ``trusted_keys`` names and the keys of signing
profiles; ``POST`` also the keys and certificates of its body, in PEM.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.signature_checks import CheckedSignature
from ecr_emulator.signatures.trust import InvalidTrust, Trust, parse_trust

_NEEDED = ("account", "region", "repositoryName")
_MAX_BODY = 1024**2


def signatures_blueprint(registry: Registry) -> Blueprint:
    """Return the Flask route ``/_emulator/signatures``."""
    blueprint = control_blueprint("signatures", "/_emulator/signatures")

    @blueprint.route("", methods=["GET", "POST"])
    def signatures() -> Response:
        """Say which signatures the image that the query names has, and what of each."""
        query = request.args
        missing = [name for name in _NEEDED if not query.get(name)]
        if missing:
            return _refused(f"{missing[0]} must be given")
        try:
            image, found = registry.signatures.of_image(
                RegistryKey(query["account"], query["region"]),
                query["repositoryName"],
                ImageId(query.get("imageDigest"), query.get("imageTag")),
                _trust(),
            )
        except RegistryError as error:
            return _refused(error.message)
        except InvalidTrust as error:
            return _refused(str(error))
        return jsonify(imageDigest=image.digest, signatures=[_described(item) for item in found])

    return blueprint


def _trust() -> Trust:
    if request.method != "POST":
        return Trust()
    request.max_content_length = _MAX_BODY
    return parse_trust("request", request.get_data())


def _described(item: CheckedSignature) -> dict[str, Any]:
    described = {
        "kind": item.kind,
        "manifestDigest": item.digest,
        "tag": item.tag,
        "artifactType": item.artifact_type,
        "verified": item.proof is not None,
        "trustedBy": item.proof and item.proof.trusted,
        "predicateType": (item.proof and item.proof.predicate_type) or None,
        "reason": item.reason,
    }
    return {name: value for name, value in described.items() if value is not None}


def _refused(message: str) -> Response:
    response = jsonify(message=message)
    response.status_code = 400
    return response
