"""Blob uploads (OCI distribution specification, "Pushing blobs")."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator

from ecr_emulator.digests import is_digest
from ecr_emulator.oci.byte_ranges import parse_content_range
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError, from_registry_error
from ecr_emulator.oci.http import Headers, Response
from ecr_emulator.policy.actions import When
from ecr_emulator.policy.data_plane import Call
from ecr_emulator.registry.errors import InvalidLayerPart, LayerAlreadyExists, UploadNotFound
from ecr_emulator.registry.uploads import SMALLEST_PART, Upload
from ecr_emulator.wsgi_body import BodyReader


def start_upload(context: Context) -> Response:
    """``POST /v2/<name>/blobs/uploads/``: begin an upload, mount a blob, or take a whole one."""
    context.require(Call.START_UPLOAD)
    query = context.request.query
    mounted = query.get("mount")
    if mounted is not None and _mount(context, mounted, query.get("from")):
        return _created(context, mounted)
    digest = query.get("digest")
    if digest is not None:
        _check_digest(digest)
        # A layer that is there already is what the client wanted.
        with contextlib.suppress(LayerAlreadyExists):
            context.registry.uploads.put(
                context.key, context.name, digest, context.request.body(), context.permit
            )
        return _created(context, digest)
    return begin(context)


def begin(context: Context) -> Response:
    """Begin an upload, for a caller who may."""
    upload = context.registry.uploads.start(context.key, context.name, context.permit)
    headers = _upload_headers(context, upload)
    if context.strict_ecr:
        headers.append(("OCI-Chunk-Min-Length", str(SMALLEST_PART)))
    return Response(202, headers)


def upload_chunk(context: Context) -> Response:
    """``PATCH /v2/<name>/blobs/uploads/<id>``: add bytes to an upload."""
    context.require(Call.UPLOAD_CHUNK)
    upload_id = _upload_id(context)
    chunks, first_byte = _chunks(context)
    try:
        upload = context.registry.uploads.append(
            context.key, context.name, upload_id, chunks, first_byte=first_byte
        )
    except InvalidLayerPart as error:
        raise _out_of_order(context, upload_id, error) from None
    # ECR answers 201 where the specification says 202 (public issue threads).
    return Response(201 if context.strict_ecr else 202, _upload_headers(context, upload))


def finish_upload(context: Context) -> Response:
    """``PUT /v2/<name>/blobs/uploads/<id>?digest=…``: end an upload, maybe with last bytes."""
    context.require(Call.FINISH_UPLOAD)
    return complete(context)


def get_upload(context: Context) -> Response:
    """``GET /v2/<name>/blobs/uploads/<id>``: how far the upload has come."""
    context.require(Call.UPLOAD_STATE)
    upload = context.registry.uploads.get(context.key, context.name, _upload_id(context))
    return Response(204, _upload_headers(context, upload))


def cancel_upload(context: Context) -> Response:
    """``DELETE /v2/<name>/blobs/uploads/<id>``: drop the upload."""
    context.require(Call.CANCEL_UPLOAD)
    context.registry.uploads.cancel(context.key, context.name, _upload_id(context))
    return Response(204)


def _mount(context: Context, digest: str, from_name: str | None) -> bool:
    """Mount a blob of another repository, if that can be done; otherwise an upload begins.

    Without a source any repository will do that the caller may read (OCI distribution
    specification, "Mounting a blob from another repository"). Whether ECR looks for one is not
    known.
    """
    if not is_digest(digest):
        return False
    layers = context.registry.layers
    if from_name is not None:
        sources = [from_name] if from_name else []
    else:
        sources = [] if context.strict_ecr else layers.mountable_from(context.key, digest)
    return any(
        layers.mount(context.key, context.name, digest, source, context.permit)
        for source in sources
        if _may_read(context, source)
    )


def _may_read(context: Context, repository: str) -> bool:
    try:
        context.require(Call.START_UPLOAD, When.MOUNT, repository)
    except OciError:
        return False
    return True


def complete(context: Context) -> Response:
    """End an upload, for a caller who may."""
    upload_id = _upload_id(context)
    digest = context.request.query.get("digest", "")
    _check_digest(digest)
    chunks, first_byte = _chunks(context)
    try:
        context.registry.uploads.complete(
            context.key,
            context.name,
            upload_id,
            [digest],
            chunks=chunks,
            first_byte=first_byte,
            smallest_part=SMALLEST_PART if context.strict_ecr else 0,
            allow_empty=True,
        )
    except LayerAlreadyExists:
        return _created(context, digest)
    except InvalidLayerPart as error:
        raise _out_of_order(context, upload_id, error) from None
    return _created(context, digest)


def _created(context: Context, digest: str) -> Response:
    location = f"{context.repository_path}/blobs/{digest}"
    return Response(201, [("Location", location), ("Docker-Content-Digest", digest)])


def _upload_headers(context: Context, upload: Upload) -> Headers:
    return [
        ("Location", f"{context.repository_path}/blobs/uploads/{upload.id}"),
        ("Docker-Upload-Uuid", upload.id),
        ("Range", f"0-{max(0, upload.progress.size - 1)}"),
    ]


def _out_of_order(context: Context, upload_id: str, error: InvalidLayerPart) -> OciError:
    """Return the answer to a chunk that does not begin where the upload ends."""
    upload = context.registry.uploads.get(context.key, context.name, upload_id)
    refusal = from_registry_error(error, strict_ecr=context.strict_ecr)
    refusal.headers = _upload_headers(context, upload)
    return refusal


def _chunks(context: Context) -> tuple[Iterable[bytes], int | None]:
    """Return the request's bytes, and where it says that they begin, if it says so.

    :raises OciError: its Content-Range is not one, or not that of its bytes.
    """
    body = context.request.body()
    header = context.request.header("Content-Range")
    if not header:
        return body, None
    bounds = parse_content_range(header)
    if bounds is None:
        raise OciError(416, "BLOB_UPLOAD_INVALID", "The Content-Range header is not valid.")
    first, last = bounds
    if body.length not in (None, last - first + 1):
        raise _wrong_size()
    return _exactly(last - first + 1, body), first


def _exactly(size: int, body: BodyReader) -> Iterator[bytes]:
    """Yield the body, which must have *size* bytes: one without a length may have broken off."""
    for chunk in body:
        if body.received > size:
            raise _wrong_size()
        yield chunk
    if body.received != size:
        raise _wrong_size()


def _wrong_size() -> OciError:
    return OciError(400, "SIZE_INVALID", "The body is not as long as Content-Range says.")


def _upload_id(context: Context) -> str:
    try:
        return str(uuid.UUID(context.reference))
    except ValueError:
        account = context.key.account
        raise UploadNotFound(context.reference[:64], context.name, account) from None


def _check_digest(digest: str) -> None:
    if not is_digest(digest):
        raise OciError(400, "DIGEST_INVALID", "The digest is not valid.")
