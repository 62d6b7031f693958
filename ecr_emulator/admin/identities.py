"""The control endpoints for users and roles: ``/_emulator/identities``."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from ecr_emulator.admin.strangers import control_blueprint
from ecr_emulator.auth.identities import Identities
from ecr_emulator.auth.identities_file import InvalidIdentities, parse_identities


def identities_blueprint(identities: Identities) -> Blueprint:
    """Return the Flask routes that list, put and delete users and roles."""
    blueprint = control_blueprint("identities", "/_emulator/identities")

    @blueprint.get("")
    def list_identities() -> Response:
        """List users and roles."""
        return jsonify(
            identities=[
                {
                    "arn": identity.arn,
                    "id": identity.unique_id,
                    "tags": identity.tags,
                    "policies": identities.policies(identity),
                }
                for identity in identities.all()
            ]
        )

    @blueprint.put("")
    def put_identities() -> Response:
        """Create or change the users and roles of a document like the identities file's."""
        try:
            document = parse_identities(request.get_json(force=True, silent=True))
        except InvalidIdentities as error:
            return _refusal(str(error), 400)
        identities.put_all(document.identities, document.organizations)
        return jsonify(status="ok", identities=len(document.identities))

    @blueprint.delete("")
    def delete_identity() -> Response:
        """Delete the user or role ``?arn=…``."""
        arn = request.args.get("arn", "")
        found = next((identity for identity in identities.all() if identity.arn == arn), None)
        if found is None:
            return _refusal("there is no user or role of that ARN", 404)
        identities.delete(found.account, found.kind, found.name)
        return jsonify(status="ok")

    return blueprint


def _refusal(message: str, status: int) -> Response:
    response = jsonify(message=message)
    response.status_code = status
    return response
