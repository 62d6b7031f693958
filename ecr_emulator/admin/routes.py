"""The control endpoints: health, and emptying the emulator between tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Protocol

from flask import Blueprint, Response, jsonify, request

from ecr_emulator import __version__
from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.auth.identities import Identities
from ecr_emulator.auth.identities_file import IdentitiesDocument
from ecr_emulator.registry.core import Registry

PREFIX = "/_emulator"


class Resettable(Protocol):
    """What a reset empties or puts back beside the registries."""

    def reset(self) -> None:
        """Do so."""


def admin_blueprint(
    registry: Registry,
    identities: Identities,
    document: IdentitiesDocument,
    others: Sequence[Resettable | None],
) -> Blueprint:
    """Return the Flask routes below ``/_emulator/``.

    :param document: the identities file, whose users and roles a reset brings back.
    :param others: what else a reset empties or puts back: the other services, the clock.
    """
    blueprint = control_blueprint("admin", PREFIX)

    @blueprint.get("/health")
    def health() -> Response:
        """Say that the server works."""
        return jsonify(status="ok", version=__version__)

    @blueprint.post("/reset")
    def reset() -> Response:
        """Empty every registry and the other services, and put the clock back.

        The identities of the file stay.
        """
        for other in others:
            if other is not None:
                other.reset()
        registry.reset()
        identities.put_all(document.identities, document.organizations)
        return jsonify(status="ok")

    @blueprint.post("/gc")
    def collect_garbage() -> Response:
        """Collect garbage now; with ``?dry-run=true``, only say how much there is."""
        garbage = registry.garbage
        dry_run = request.args.get("dry-run", "") == "true"
        return jsonify(asdict(garbage.find() if dry_run else garbage.collect()))

    return blueprint
