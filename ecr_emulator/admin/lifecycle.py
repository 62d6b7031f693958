"""The control endpoint that runs lifecycle policies: ``/_emulator/lifecycle/run``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.arns import RegistryKey
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.lifecycle import LifecycleRun


def lifecycle_blueprint(registry: Registry) -> Blueprint:
    """Return the Flask route that runs lifecycle policies at once."""
    blueprint = control_blueprint("lifecycle", "/_emulator/lifecycle")

    @blueprint.post("/run")
    def run() -> Response:
        """Run every lifecycle policy, or those of the registry ``?account=…&region=…``."""
        account, region = request.args.get("account"), request.args.get("region")
        if (account is None) != (region is None):
            response = jsonify(message="A registry is named by its account and its region.")
            response.status_code = 400
            return response
        key = None if account is None or region is None else RegistryKey(account, region)
        return jsonify(runs=[_described(done) for done in registry.lifecycle.run(key)])

    return blueprint


def _described(run: LifecycleRun) -> dict[str, Any]:
    return {
        "registryId": run.key.account,
        "region": run.key.region,
        "repositoryName": run.repository_name,
        "expired": list(run.expired),
        "archived": list(run.archived),
    }
