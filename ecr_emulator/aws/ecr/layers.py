"""Layers: upload in parts, check for, download."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.operation_calls import CallContext, Params
from ecr_emulator.registry.errors import InvalidLayerPart, InvalidParameter, LimitExceeded
from ecr_emulator.registry.uploads import PART_SIZE, SMALLEST_PART


@operation("InitiateLayerUpload")
def initiate_layer_upload(context: CallContext, params: Params) -> dict[str, Any]:
    """Begin an upload."""
    key, name = context.key(params), params["repositoryName"]
    try:
        upload = context.registry.uploads.start(key, name, context.permit(key, name))
    except LimitExceeded as error:
        # Of a repository that a template would create: the operation does not model that
        # exception; what it answers instead is likeliest.
        raise InvalidParameter(error.message) from None
    return {"uploadId": upload.id, "partSize": PART_SIZE}


@operation("UploadLayerPart")
def upload_layer_part(context: CallContext, params: Params) -> dict[str, Any]:
    """Add a part to an upload: it begins where the parts before it end."""
    key, name = context.key(params), params["repositoryName"]
    upload_id, part = params["uploadId"], params["layerPartBlob"]
    first, last = params["partFirstByte"], params["partLastByte"]
    if not part or last - first + 1 != len(part):
        upload = context.registry.uploads.get(key, name, upload_id)
        last_valid = max(0, upload.progress.size - 1)
        raise InvalidLayerPart(key.account, name, upload_id, last_valid)
    upload = context.registry.uploads.append(
        key, name, upload_id, [part], first_byte=first, limit_parts=True
    )
    return {
        "registryId": key.account,
        "repositoryName": name,
        "uploadId": upload_id,
        "lastByteReceived": upload.progress.size - 1,
    }


@operation("CompleteLayerUpload")
def complete_layer_upload(context: CallContext, params: Params) -> dict[str, Any]:
    """End an upload: its parts become a layer."""
    key, name, upload_id = context.key(params), params["repositoryName"], params["uploadId"]
    layer = context.registry.uploads.complete(
        key, name, upload_id, params["layerDigests"], smallest_part=SMALLEST_PART
    )
    return {
        "registryId": key.account,
        "repositoryName": name,
        "uploadId": upload_id,
        "layerDigest": layer.digest,
    }


@operation("BatchCheckLayerAvailability")
def batch_check_layer_availability(context: CallContext, params: Params) -> dict[str, Any]:
    """Say which layers a repository has."""
    found, failures = context.registry.layers.check_availability(
        context.key(params), params["repositoryName"], params["layerDigests"]
    )
    return {
        "layers": [
            {
                "layerDigest": layer.digest,
                "layerAvailability": layer.availability,
                "layerSize": layer.size,
                "mediaType": layer.media_type,
            }
            for layer in found
        ],
        "failures": [
            {
                "layerDigest": failure.digest,
                "failureCode": failure.code,
                "failureReason": failure.reason,
            }
            for failure in failures
        ],
    }


@operation("GetDownloadUrlForLayer")
def get_download_url_for_layer(context: CallContext, params: Params) -> dict[str, Any]:
    """Return a link that downloads a layer for an hour."""
    key, name = context.key(params), params["repositoryName"]
    digest = params["layerDigest"]
    layers = context.registry.cached_layers
    layers.check_downloadable(key, name, digest, context.permit(key, name))
    path = context.services.urls.sign(key.account, key.region, name, digest)
    # The address by which the caller reached us, and not the registry's own, which a
    # template may have made of names that only docker's host can resolve.
    endpoint = context.endpoint
    return {
        "downloadUrl": f"{endpoint.scheme}://{endpoint.host}{path}",
        "layerDigest": digest,
    }
