"""The control endpoints: health, and emptying the emulator between tests."""

from __future__ import annotations

import ipaddress

from flask import Blueprint, Response, jsonify, request

from ecr_emulator import __version__
from ecr_emulator.registry.core import Registry

PREFIX = "/_emulator"


def admin_blueprint(registry: Registry) -> Blueprint:
    """Return the Flask routes below ``/_emulator/``."""
    blueprint = Blueprint("admin", __name__, url_prefix=PREFIX)

    @blueprint.before_request
    def refuse_strangers() -> Response | None:
        """Let only programs on this machine in, and no web page that a browser shows."""
        if _is_loopback(request.remote_addr) and not request.headers.get("Origin"):
            return None
        response = jsonify(message="The control endpoints answer this machine's programs only.")
        response.status_code = 403
        return response

    @blueprint.get("/health")
    def health() -> Response:
        """Say that the server works."""
        return jsonify(status="ok", version=__version__)

    @blueprint.post("/reset")
    def reset() -> Response:
        """Empty every registry."""
        registry.reset()
        return jsonify(status="ok")

    return blueprint


def _is_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address((address or "").partition("%")[0]).is_loopback
    except ValueError:
        return False
