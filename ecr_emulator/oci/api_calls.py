"""Requests of this door as calls of ECR's operations, which is how CloudTrail records them.

Source: ECR user guide, "Logging Amazon ECR actions with AWS CloudTrail": a push is
``InitiateLayerUpload``, ``UploadLayerPart``, ``CompleteLayerUpload`` and ``PutImage``, a pull
``BatchGetImage`` and ``GetDownloadUrlForLayer``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ecr_emulator.auth.user_identity import user_identity
from ecr_emulator.digests import is_digest
from ecr_emulator.oci.authentication import AnonymousRefused
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError
from ecr_emulator.oci.http import Response
from ecr_emulator.oci.routes import Route
from ecr_emulator.registry.api_calls import INTERNAL_FAILURE, ApiCall
from ecr_emulator.registry.errors import RegistryError

_OPERATIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("uploads", "POST"): "InitiateLayerUpload",
    ("upload", "PATCH"): "UploadLayerPart",
    ("upload", "PUT"): "CompleteLayerUpload",
    ("tags", "GET"): "ListImages",
    ("referrers", "GET"): "ListImageReferrers",
}


def answer_and_record(context: Context, route: Route) -> Response:
    """Answer a request by its route, and record it as the call that it is.

    :raises OciError, RegistryError, AnonymousRefused: what the route's function refuses with.
    """
    name = _OPERATIONS.get((route.kind, context.request.method))
    if name is None or not context.registry.api_calls.enabled:
        return route.handler(context)
    error: tuple[str, str | None] | None = INTERNAL_FAILURE
    try:
        response = route.handler(context)
        error = None
        return response
    except OciError as refusal:
        code = "AccessDenied" if refusal.code == "DENIED" else refusal.code
        error = code, refusal.message
        raise
    except AnonymousRefused:
        error = "AccessDenied", None
        raise
    except RegistryError as refusal:
        error = refusal.code, refusal.message
        raise
    finally:
        context.registry.api_calls.record(_call(context, route, name, error))


def _call(
    context: Context, route: Route, name: str, error: tuple[str, str | None] | None
) -> ApiCall:
    request, principal = context.request, context.caller.principal
    return ApiCall(
        # A record is the caller's, whosever the registry is; of who has no account, the owner's.
        key=replace(context.key, account=principal.account or context.key.account),
        name=name,
        identity=user_identity(principal),
        source_ip=str(request.environ.get("REMOTE_ADDR") or ""),
        user_agent=request.header("User-Agent"),
        parameters={
            "registryId": context.key.account,
            "repositoryName": context.name,
            **_PARAMETERS.get(name, _no_more)(context, route),
        },
        error=error,
    )


def _no_more(_context: Context, _route: Route) -> dict[str, Any]:
    return {}


def _image(route: Route) -> dict[str, str]:
    return {"imageDigest" if is_digest(route.reference) else "imageTag": route.reference}


_PARAMETERS: dict[str, Callable[[Context, Route], dict[str, Any]]] = {
    "BatchGetImage": lambda _, route: {"imageIds": [_image(route)]},
    "BatchDeleteImage": lambda _, route: {"imageIds": [_image(route)]},
    "PutImage": lambda _, route: _image(route),
    "GetDownloadUrlForLayer": lambda _, route: {"layerDigest": route.reference},
    "BatchCheckLayerAvailability": lambda _, route: {"layerDigests": [route.reference]},
    "UploadLayerPart": lambda _, route: {"uploadId": route.reference},
    "CompleteLayerUpload": lambda context, route: {
        "uploadId": route.reference,
        "layerDigests": [context.request.query.get("digest", "")],
    },
    "ListImageReferrers": lambda _, route: {"subjectId": {"imageDigest": route.reference}},
}
