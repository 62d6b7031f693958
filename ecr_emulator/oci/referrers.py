"""Referrers: the manifests that refer to a subject (OCI distribution specification 1.1)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from ecr_emulator import media_types
from ecr_emulator.auth.page_tokens import InvalidPageToken
from ecr_emulator.digests import is_digest
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError
from ecr_emulator.oci.http import Response
from ecr_emulator.policy.data_plane import Call
from ecr_emulator.registry.images import StoredManifest
from ecr_emulator.registry.manifests import parse_manifest

_PAGE = 500


def list_referrers(context: Context) -> Response:
    """``GET /v2/<name>/referrers/<digest>``: an index of the manifests that refer to it."""
    context.require(Call.LIST_REFERRERS)
    subject = context.reference
    if not is_digest(subject):
        raise OciError(400, "DIGEST_INVALID", "The digest is not valid.")
    artifact_type = context.request.query.get("artifactType")
    path = f"{context.repository_path}/referrers/{subject}"
    bound_to = (path, context.key.account, context.key.region, artifact_type)
    after = _position(context, bound_to)
    if not after:
        context.registry.cached_referrers.sync(context.key, context.name, subject, context.permit)
    page = context.registry.images.referrers(
        context.key,
        context.name,
        subject,
        artifact_types=[artifact_type] if artifact_type else [],
        after=after,
        limit=_PAGE,
    )
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [_descriptor(stored) for stored in page.manifests],
    }
    headers = [("Content-Type", media_types.OCI_INDEX)]
    if artifact_type:
        headers.append(("OCI-Filters-Applied", "artifactType"))
    if page.more:
        token = context.services.page_tokens.seal(bound_to, page.manifests[-1].image.id)
        query = {"artifactType": artifact_type} if artifact_type else {}
        following = urlencode({**query, "last": token})
        headers.append(("Link", f'<{path}?{following}>; rel="next"'))
    return Response(200, headers, json.dumps(document).encode("utf-8"))


def _position(context: Context, bound_to: tuple[object, ...]) -> int:
    last = context.request.query.get("last")
    if not last:
        return 0
    try:
        return int(context.services.page_tokens.open(bound_to, last))
    except InvalidPageToken:
        raise OciError(400, "UNSUPPORTED", "The position in the listing is not valid.") from None


def _descriptor(stored: StoredManifest) -> dict[str, Any]:
    image = stored.image
    descriptor: dict[str, Any] = {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": image.manifest_size,
    }
    if image.artifact_media_type:
        descriptor["artifactType"] = image.artifact_media_type
    annotations = parse_manifest(stored.body, image.media_type).annotations
    if annotations:
        descriptor["annotations"] = annotations
    return descriptor
