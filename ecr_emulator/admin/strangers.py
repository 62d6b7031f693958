"""Who may use the control endpoints: programs on this machine, and no web page."""

from __future__ import annotations

import ipaddress

from flask import Blueprint, Response, jsonify, request


def control_blueprint(name: str, prefix: str) -> Blueprint:
    """Return a blueprint that answers this machine's programs only."""
    blueprint = Blueprint(name, __name__, url_prefix=prefix)

    @blueprint.before_request
    def refuse_strangers() -> Response | None:
        """Let only programs on this machine in, and no web page that a browser shows."""
        if _is_loopback(request.remote_addr) and not request.headers.get("Origin"):
            return None
        response = jsonify(message="The control endpoints answer this machine's programs only.")
        response.status_code = 403
        return response

    return blueprint


def _is_loopback(address: str | None) -> bool:
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return False
    # As a socket for both families shows a caller over IPv4: ::ffff:127.0.0.1.
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
