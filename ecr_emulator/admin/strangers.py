"""Who may use the control endpoints: programs on this machine and no web page; or, where there is
a token, whoever has it.

A browser on this machine is a program on it too, and shows pages of strangers. Such a page can
have it send requests here; what gives them away is their ``Origin`` or ``Sec-Fetch-Site``. A
page can even have its own host name lead here ("DNS rebinding"); then ``Host`` has that name. And
who stands behind a proxy on this machine is not on it.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping

from flask import Blueprint, Response, current_app, jsonify, request

from ecr_emulator.endpoints import host_name

#: The key of the token in Flask's configuration; empty for none.
ADMIN_TOKEN = "ECR_EMULATOR_ADMIN_TOKEN"

_REFUSAL = "The control endpoints answer this machine's programs only."
#: Proxies add one of these.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
#: Bytes of a body, where an endpoint does not set its own bound.
_MAX_BODY = 16 * 1024**2


def control_blueprint(name: str, prefix: str) -> Blueprint:
    """Return a blueprint that answers those only who may use the control endpoints."""
    blueprint = Blueprint(name, __name__, url_prefix=prefix)

    @blueprint.before_request
    def refuse_strangers() -> Response | None:
        request.max_content_length = _MAX_BODY
        token = current_app.config[ADMIN_TOKEN]
        if token:
            return None if _has_token(token) else _unauthorized()
        headers = dict(request.headers.items())
        own = is_own_program(request.remote_addr or "", request.host, headers)
        return None if own else _refused(_REFUSAL, 403)

    @blueprint.errorhandler(413)
    def too_large(_error: Exception) -> Response:
        return _refused("The body is too large.", 413)

    @blueprint.errorhandler(RecursionError)
    def too_deep(_error: Exception) -> Response:
        return _refused("The body is nested too deeply.", 400)

    return blueprint


def is_own_program(address: str, host: str, headers: Mapping[str, str]) -> bool:
    """Say whether a request comes from a program on this machine, other than a page in a browser.

    :param address: the peer's.
    :param host: the ``Host`` header.
    """
    name = host_name(host)
    return (
        _is_loopback(address)
        and (_is_loopback(name) or name == "localhost" or name.endswith(".localhost"))
        and "Origin" not in headers
        and headers.get("Sec-Fetch-Site", "none") == "none"
        and not any(name in headers for name in _FORWARDED)
    )


def _has_token(token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # Compared as bytes, for a str beyond ASCII cannot be; in a time that tells nothing.
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return same and scheme.lower() == "bearer"


def _unauthorized() -> Response:
    response = _refused("The control endpoints need the token of the setting admin_token.", 401)
    response.headers["WWW-Authenticate"] = 'Bearer realm="ecr-emulator"'
    return response


def _refused(message: str, status: int) -> Response:
    response = jsonify(message=message)
    response.status_code = status
    return response


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
