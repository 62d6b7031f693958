"""Manifests: read, store, delete (OCI distribution specification, "Manifests")."""

from __future__ import annotations

from ecr_emulator.digests import is_digest
from ecr_emulator.oci.byte_ranges import matches_etag
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError
from ecr_emulator.oci.http import Headers, Response
from ecr_emulator.policy.data_plane import Call
from ecr_emulator.registry.errors import ImageAlreadyExists, ImageTagAlreadyExists, LayersNotFound
from ecr_emulator.registry.image_deletes import REFERENCED_BY_INDEX
from ecr_emulator.registry.images import ImageId, StoredManifest, is_tag
from ecr_emulator.registry.manifest_conversion import convert
from ecr_emulator.wsgi_body import BodyTooLarge


def get_manifest(context: Context) -> Response:
    """``GET /v2/<name>/manifests/<reference>``: the manifest, in a form that is understood."""
    context.require(Call.GET_MANIFEST)
    stored = _find(context)
    context.registry.images.record_pull(context.key, stored.image, context.caller.principal.arn)
    body, media_type, digest = _as_accepted(context, stored)
    headers = _headers(media_type, digest)
    if matches_etag(context.request.header("If-None-Match"), digest):
        return Response(304, headers)
    return Response(200, headers, body)


def head_manifest(context: Context) -> Response:
    """``HEAD /v2/<name>/manifests/<reference>``: what the manifest is, without it."""
    context.require(Call.HEAD_MANIFEST)
    body, media_type, digest = _as_accepted(context, _find(context))
    headers = [*_headers(media_type, digest), ("Content-Length", str(len(body)))]
    return Response(200, headers)


def put_manifest(context: Context) -> Response:
    """``PUT /v2/<name>/manifests/<reference>``: store a manifest, by tag or by digest."""
    context.require(Call.PUT_MANIFEST)
    image_id = reference_of(context)
    body, media_type = read_manifest(context)
    try:
        pushed = context.registry.pushes.put(
            context.key,
            context.name,
            body,
            media_type=media_type,
            tag=image_id.tag,
            digest=image_id.digest,
            permit=context.permit,
        )
        digest, subject = pushed.image.digest, pushed.image.subject_digest
    except ImageAlreadyExists as error:
        # A push of what is there changes nothing: fine, except where the tag is immutable.
        if error.tag_is_immutable:
            raise ImageTagAlreadyExists(image_id.tag, context.name) from None
        digest, subject = error.digest, error.subject
    except LayersNotFound as error:
        raise OciError(400, "MANIFEST_BLOB_UNKNOWN", error.message) from None
    headers = [
        ("Location", f"{context.repository_path}/manifests/{digest}"),
        ("Docker-Content-Digest", digest),
    ]
    if subject is not None:
        headers.append(("OCI-Subject", subject))
    return Response(201, headers)


def read_manifest(context: Context) -> tuple[bytes, str | None]:
    """Return the manifest that a request brings, and what it says that it is.

    :raises OciError: it is too large.
    """
    media_type = context.request.header("Content-Type").partition(";")[0].strip().lower() or None
    try:
        return context.request.body(context.services.max_manifest).read(), media_type
    except BodyTooLarge:
        raise OciError(413, "SIZE_INVALID", "The manifest is too large.") from None


def delete_manifest(context: Context) -> Response:
    """``DELETE /v2/<name>/manifests/<reference>``: remove an image, or take a tag off one.

    The specification takes the tag alone; ECR deletes an image with its last tag.
    """
    context.require(Call.DELETE_MANIFEST)
    image_id = reference_of(context)
    if image_id.tag is not None and not context.strict_ecr:
        context.registry.deletes.untag(context.key, context.name, image_id.tag)
        return Response(202)
    _, failures = context.registry.deletes.batch_delete(context.key, context.name, [image_id])
    for failure in failures:
        if failure.code == REFERENCED_BY_INDEX:
            raise OciError(405, "UNSUPPORTED", failure.reason)
        raise OciError(404, "MANIFEST_UNKNOWN", failure.reason)
    return Response(202)


def _find(context: Context) -> StoredManifest:
    return context.registry.cached_images.manifest(
        context.key, context.name, reference_of(context), context.permit
    )


def _as_accepted(context: Context, stored: StoredManifest) -> tuple[bytes, str, str]:
    """Return body, media type and digest of a manifest, as the client accepts it.

    As ECR (user guide, "Amazon ECR image manifest conversion"): an image pulled by tag is
    converted for who does not understand what was pushed; a digest names its bytes alone.
    """
    image = stored.image
    as_stored = (stored.body, image.media_type, image.digest)
    accept = context.request.header("Accept")
    # Nearly all clients accept what is stored: then the header need not be taken apart.
    if not accept or image.media_type in accept or not is_tag(context.reference):
        return as_stored
    accepted = {item.partition(";")[0].strip().lower() for item in accept.split(",")}
    if "*/*" in accepted or "application/*" in accepted:
        return as_stored
    return convert(stored, accepted)


def _headers(media_type: str, digest: str) -> Headers:
    return [
        ("Content-Type", media_type),
        ("Docker-Content-Digest", digest),
        ("ETag", f'"{digest}"'),
    ]


def reference_of(context: Context) -> ImageId:
    """Return the tag or the digest in a request's path.

    :raises OciError: it is neither.
    """
    reference = context.reference
    if is_tag(reference):
        return ImageId(tag=reference)
    if is_digest(reference):
        return ImageId(digest=reference)
    if ":" in reference:
        raise OciError(400, "DIGEST_INVALID", "The digest is not valid.")
    raise OciError(400, "TAG_INVALID", "The tag is not valid.")
