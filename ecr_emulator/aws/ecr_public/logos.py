"""Logos of public repositories, at the address that ``logoUrl`` gives.

AWS serves them to everyone from a host of their own; the address cannot be guessed.
"""

from __future__ import annotations

from flask import Blueprint, Response

from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.registry.core import Registry

_PATH = "/logo/"
_TYPES = {"png": "image/png", "jpg": "image/jpeg"}


def logo_url(context: EcrPublicContext, logo_name: str) -> str:
    """Return the address of a logo, on the host by which the caller reached the server."""
    return f"{context.endpoint.scheme}://{context.endpoint.host}{_PATH}{logo_name}"


def logo_blueprint(registry: Registry) -> Blueprint:
    """Return the Flask route of the logos."""
    blueprint = Blueprint("logos", __name__)

    @blueprint.get(f"{_PATH}<logo_name>")
    def logo(logo_name: str) -> Response:
        """Return one logo."""
        image = registry.catalog.logo(logo_name)
        if image is None:
            return Response("Not Found\n", 404, mimetype="text/plain")
        # Whoever stored the image is not the server's operator: it must never be taken for a page.
        kind = _TYPES.get(logo_name.rpartition(".")[2], "application/octet-stream")
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        return Response(image, 200, headers, mimetype=kind)

    return blueprint
