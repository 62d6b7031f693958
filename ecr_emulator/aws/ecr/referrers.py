"""The artifacts that refer to an image."""

from __future__ import annotations

from typing import Any

from ecr_emulator.aws.ecr.context import EcrContext, Params
from ecr_emulator.aws.ecr.operation import operation
from ecr_emulator.aws.image_ids import check_digest
from ecr_emulator.registry.images import ACTIVE, StoredManifest
from ecr_emulator.registry.manifests import parse_manifest

#: Referrers on a page when the caller names no number (API reference).
_DEFAULT_PAGE = 20


@operation("ListImageReferrers")
def list_image_referrers(context: EcrContext, params: Params) -> dict[str, Any]:
    """List the artifacts that refer to an image, which need not be there, a page at a time."""
    key, name = context.key(params), params["repositoryName"]
    subject = params["subjectId"]["imageDigest"]
    check_digest(subject)
    asked = params.get("filter") or {}
    artifact_types: list[str] = asked.get("artifactTypes") or []
    status = asked.get("artifactStatus", ACTIVE)
    bound_to = (
        "ListImageReferrers",
        key.account,
        key.region,
        name,
        subject,
        status,
        *artifact_types,
    )
    after = context.position(params, *bound_to) or 0
    if not after:
        context.registry.cached_referrers.sync(key, name, subject, context.permit(key, name))
    page = context.registry.images.referrers(
        key,
        name,
        subject,
        artifact_types=artifact_types,
        status=status,
        after=after,
        limit=params.get("maxResults") or _DEFAULT_PAGE,
    )
    output: dict[str, Any] = {"referrers": [_referrer(stored) for stored in page.manifests]}
    if page.more:
        output["nextToken"] = context.next_token(page.manifests[-1].image.id, *bound_to)
    return output


def _referrer(stored: StoredManifest) -> dict[str, Any]:
    image = stored.image
    return {
        "digest": image.digest,
        "mediaType": image.media_type,
        "artifactType": image.artifact_media_type,
        # As in an OCI descriptor, whose other members these are: of the manifest.
        "size": image.manifest_size,
        "annotations": parse_manifest(stored.body, image.media_type).annotations or None,
        "artifactStatus": image.status,
    }
