"""Pinning what scans of an image find: ``PUT`` and ``DELETE /_emulator/scan-findings``.

The body names the image by ``account``, ``region``, ``repositoryName`` and ``imageDigest``; to
pin, it also has ``findings`` or ``enhancedFindings`` (or both), which are lists in the shapes
of the API. The image need not be there yet; if it is, it counts as scanned from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.arns import RegistryKey
from ecr_emulator.digests import is_digest
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.scan_pins import ENHANCED_FINDINGS, FINDINGS

#: Checks lists of findings by their members' names; raises ``ValueError`` saying what is wrong.
FindingsCheck = Callable[[Mapping[str, Any]], None]

_NAMING = ("account", "region", "repositoryName", "imageDigest")
_LISTS = (FINDINGS, ENHANCED_FINDINGS)
#: Bytes; a finding takes about two thousand.
_MAX_BODY = 16 * 1024**2
_MAX_NAME = 512


def scan_findings_blueprint(registry: Registry, check: FindingsCheck) -> Blueprint:
    """Return the Flask routes below ``/_emulator/scan-findings``.

    :param check: refuses findings that the API could not answer.
    """
    blueprint = control_blueprint("scan_findings", "/_emulator/scan-findings")

    @blueprint.put("")
    def pin() -> Response:
        """Let the scans of an image find what the body says."""
        try:
            body = _body((*_NAMING, *_LISTS))
            findings = {name: body[name] for name in _LISTS if name in body}
            if not findings:
                raise ValueError(f"one of {' and '.join(_LISTS)} is needed")
            check(findings)
        except ValueError as error:
            return _refused(str(error))
        there = registry.scan_pins.put(*_image(body), findings)
        return jsonify(status="ok", imageExists=there)

    @blueprint.delete("")
    def unpin() -> Response:
        """Let the scans of an image find what is in it."""
        try:
            body = _body(_NAMING)
        except ValueError as error:
            return _refused(str(error))
        if not registry.scan_pins.remove(*_image(body)):
            return _refused("nothing is pinned for this image", 404)
        return jsonify(status="ok")

    return blueprint


def _body(known: tuple[str, ...]) -> dict[str, Any]:
    """Return the request's body.

    :raises ValueError: it is not what the endpoint takes; the text says why.
    """
    request.max_content_length = _MAX_BODY
    try:
        body = request.get_json(force=True, silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    unknown = sorted(set(body) - set(known))
    if unknown:
        raise ValueError(f"unknown member {unknown[0][:_MAX_NAME]!r}")
    for name in _NAMING:
        value = body.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
            raise ValueError(f"{name} must be given as text")
    if not is_digest(body["imageDigest"]):
        raise ValueError("imageDigest is no digest")
    return body


def _image(body: Mapping[str, Any]) -> tuple[RegistryKey, str, str]:
    return (
        RegistryKey(body["account"], body["region"]),
        body["repositoryName"],
        body["imageDigest"],
    )


def _refused(message: str, status: int = 400) -> Response:
    response = jsonify(message=message)
    response.status_code = status
    return response
