"""An image's bill of materials: ``GET /_emulator/sbom``.

The query names the image as ``account``, ``region``, ``repositoryName`` and ``imageTag`` or
``imageDigest``; the answer is CycloneDX's JSON.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.images import ImageId

_NEEDED = ("account", "region", "repositoryName")


def bills_blueprint(registry: Registry) -> Blueprint:
    """Return the Flask route ``/_emulator/sbom``."""
    blueprint = control_blueprint("bills", "/_emulator/sbom")

    @blueprint.get("")
    def bill() -> Response:
        """Return the bill of materials of the image that the query names."""
        query = request.args
        missing = [name for name in _NEEDED if not query.get(name)]
        if missing:
            return _refused(f"{missing[0]} must be given")
        try:
            document = registry.bills.of_image(
                RegistryKey(query["account"], query["region"]),
                query["repositoryName"],
                ImageId(query.get("imageDigest"), query.get("imageTag")),
                host=request.host,
            )
        except RegistryError as error:
            return _refused(error.message)
        return Response(json.dumps(document), mimetype="application/vnd.cyclonedx+json")

    return blueprint


def _refused(message: str) -> Response:
    response = jsonify(message=message)
    response.status_code = 400
    return response
