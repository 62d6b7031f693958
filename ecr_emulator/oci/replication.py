"""What another emulator's replication asks of this door (:mod:`ecr_emulator.peer_headers`).

The requests are those of a push, and of deletes; the rules are those of replication: it is the
registry policy that lets the source in, a template that the repository is made by, and nothing
that a push sets going is set going.
"""

from __future__ import annotations

import re

from ecr_emulator.arns import RegistryKey
from ecr_emulator.digests import is_digest
from ecr_emulator.oci import uploads
from ecr_emulator.oci.authentication import Caller
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError, from_registry_error, unsupported
from ecr_emulator.oci.http import Response
from ecr_emulator.oci.manifests import read_manifest, reference_of
from ecr_emulator.peer_headers import FAILURE_CODE, REPLICATED_TAG, REPLICATES_FROM
from ecr_emulator.registry.errors import RegistryError
from ecr_emulator.registry.image_deletes import REFERENCED_BY_INDEX
from ecr_emulator.registry.images import ImageId, is_tag
from ecr_emulator.registry.replication_errors import ReplicationDenied
from ecr_emulator.registry.replication_outcomes import failure_code
from ecr_emulator.registry.replication_queue import Route

_REGION = re.compile(r"[a-z]{2}[0-9a-z-]{2,23}\Z")
_ACCESS_DENIED = "AccessDenied"


def is_replication(context: Context) -> bool:
    """Say whether a request replicates."""
    return context.request.has_header(REPLICATES_FROM)


def answer(context: Context, kind: str) -> Response:
    """Answer a request of replication.

    :param kind: of its path, as the table of routes has it.
    :raises OciError: it is refused; its header tells the other emulator the failure code.
    """
    handler = _HANDLERS.get((context.request.method, kind))
    if handler is None:
        raise unsupported()
    try:
        return handler(context, _route(context))
    except RegistryError as error:
        refusal = from_registry_error(error, strict_ecr=context.strict_ecr)
        if isinstance(error, ReplicationDenied):
            refusal.status, refusal.code = 403, "DENIED"
        refusal.headers.append((FAILURE_CODE, failure_code(error)))
        raise refusal from None


def _route(context: Context) -> Route:
    """Return from where to where the request replicates.

    Who sends it must be let to do so by the account that the images come from; whether the
    destination lets that account is asked with each step.

    :raises OciError: it may not, or there is no such way.
    """
    region = context.request.header(REPLICATES_FROM)
    principal = context.caller.principal
    source = RegistryKey(principal.account, region)
    if (
        not _REGION.match(region)
        or source.is_public
        or context.key.is_public
        or source == context.key
        or source.partition != context.key.partition
    ):
        raise OciError(
            400,
            "UNSUPPORTED",
            "There is no such replication.",
            [(FAILURE_CODE, "InvalidParameter")],
        )
    try:
        context.services.authenticator.check(
            Caller(principal, source), "ecr:ReplicateImage", context.name, context.request
        )
    except OciError as refusal:
        refusal.headers.append((FAILURE_CODE, _ACCESS_DENIED))
        raise
    return Route(source, context.key, context.name)


def _head_blob(context: Context, route: Route) -> Response:
    context.registry.arrivals.check(route)
    layer = context.registry.layers.promise(context.key, context.name, context.reference)
    return Response(200, [("Content-Length", str(layer.size))])


def _start_upload(context: Context, route: Route) -> Response:
    context.registry.arrivals.make_destination(route)
    return uploads.begin(context)


def _finish_upload(context: Context, route: Route) -> Response:
    context.registry.arrivals.check(route)
    return uploads.complete(context)


def _head_manifest(context: Context, route: Route) -> Response:
    arrivals = context.registry.arrivals
    arrivals.check(route)
    return Response(200 if arrivals.has_image(route, context.reference) else 404)


def _put_manifest(context: Context, route: Route) -> Response:
    image_id = _image_id(context)
    announced = None
    if context.request.has_header(REPLICATED_TAG):
        tag = context.request.header(REPLICATED_TAG)
        announced = tag if is_tag(tag) else ""
    body, media_type = read_manifest(context)
    context.registry.arrivals.put(
        route, body, media_type, str(image_id.digest), image_id.tag, announced
    )
    return Response(201, [("Docker-Content-Digest", str(image_id.digest))])


def _delete_manifest(context: Context, route: Route) -> Response:
    if context.registry.arrivals.delete(route, [_image_id(context)], lambda _: False):
        headers = [(FAILURE_CODE, REFERENCED_BY_INDEX)]
        raise OciError(405, "UNSUPPORTED", "An index lists the image.", headers)
    return Response(202)


def _image_id(context: Context) -> ImageId:
    """Return the digest, and the tag where there is one, that a request is about."""
    image_id = reference_of(context)
    if image_id.tag is None:
        return image_id
    digest = context.request.query.get("digest", "")
    if not is_digest(digest):
        raise OciError(400, "DIGEST_INVALID", "The digest is not valid.")
    return ImageId(digest, image_id.tag)


_HANDLERS = {
    ("HEAD", "blobs"): _head_blob,
    ("POST", "uploads"): _start_upload,
    ("PUT", "upload"): _finish_upload,
    ("HEAD", "manifests"): _head_manifest,
    ("PUT", "manifests"): _put_manifest,
    ("DELETE", "manifests"): _delete_manifest,
}
