"""Blobs: read, check for, delete (OCI distribution specification, "Pulling blobs")."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from ecr_emulator import home_processor
from ecr_emulator.arns import RegistryKey
from ecr_emulator.digests import is_digest
from ecr_emulator.oci.byte_ranges import UnsatisfiableRange, matches_etag, parse_range
from ecr_emulator.oci.context import Context
from ecr_emulator.oci.errors import OciError, unsupported
from ecr_emulator.oci.http import Headers, Request, Response
from ecr_emulator.policy.data_plane import Call
from ecr_emulator.registry.arriving_layers import ArrivingLayer, LayerChunks
from ecr_emulator.registry.core import Registry
from ecr_emulator.registry.errors import LayersNotFound, RegistryError
from ecr_emulator.registry.layer_links import Layer
from ecr_emulator.registry.layers import SMALL

logger = logging.getLogger(__name__)

#: Up to this many bytes a blob is read and sent in one piece.
_ONE_PIECE = 256 * 1024
_CHUNK = 1024 * 1024


def get_blob(context: Context) -> Response:
    """``GET /v2/<name>/blobs/<digest>``: the blob, or a part of it."""
    context.require(Call.GET_BLOB)
    digest = _digest(context)
    layer = context.registry.cached_layers.get(context.key, context.name, digest, context.permit)
    if context.strict_ecr:
        # ECR sends its clients to S3, with a signed link that needs no other credentials.
        key = context.key
        location = context.services.urls.sign(key.account, key.region, context.name, digest)
        return Response(307, [("Location", location)])
    return serve_layer(context.registry, context.request, context.key, context.name, layer)


def head_blob(context: Context) -> Response:
    """``HEAD /v2/<name>/blobs/<digest>``: whether the blob is there, and its size."""
    context.require(Call.HEAD_BLOB)
    digest = _digest(context)
    registry, key, name = context.registry, context.key, context.name
    try:
        layer = registry.layers.promise(key, name, digest)
    except LayersNotFound:
        registry.cached_layers.fetch_whole(key, name, digest, context.permit)
        layer = registry.layers.promise(key, name, digest)
    headers = [*_headers(layer), ("Content-Length", str(layer.size))]
    return Response(200, headers)


def delete_blob(context: Context) -> Response:
    """``DELETE /v2/<name>/blobs/<digest>``: ECR has no such call; the specification has."""
    if context.strict_ecr:
        raise unsupported()
    context.require(Call.DELETE_BLOB)
    context.registry.layers.delete(context.key, context.name, _digest(context))
    return Response(202)


def serve_layer(
    registry: Registry,
    request: Request,
    key: RegistryKey,
    name: str,
    layer: Layer | ArrivingLayer,
) -> Response:
    """Return the answer that sends a layer's bytes, all or the range that is asked for.

    :param key: the registry that the layer is in.
    :param name: the repository in it.
    """
    if isinstance(layer, ArrivingLayer):
        # A range of it is the whole of it: nobody knows yet that the rest is right.
        headers = [*_headers(layer.layer), ("Content-Length", str(layer.layer.size))]
        return Response(200, headers, _UntilItFails(layer.chunks()))
    headers = _headers(layer)
    if matches_etag(request.header("If-None-Match"), layer.digest):
        return Response(304, headers)
    status, start, length = 200, 0, layer.size
    range_header = request.environ.get("HTTP_RANGE")
    if range_header:
        try:
            wanted = parse_range(range_header, layer.size)
        except UnsatisfiableRange:
            raise OciError(
                416,
                "SIZE_INVALID",
                "The requested range is not satisfiable.",
                [("Content-Range", f"bytes */{layer.size}")],
            ) from None
        if wanted is not None:
            status, (start, length) = 206, wanted
            headers.append(("Content-Range", f"bytes {start}-{start + length - 1}/{layer.size}"))
    headers.append(("Content-Length", str(length)))
    if layer.size <= SMALL:
        content = registry.layers.read_small(key, name, layer)
        return Response(status, headers, content[start : start + length])
    home_processor.roam()
    file = registry.layers.open(key, name, layer)
    if length <= _ONE_PIECE:
        with file:
            file.seek(start)
            return Response(status, headers, file.read(length))
    return Response(status, headers, FileChunks(file, start, length))


class FileChunks:
    """Iterates over a part of an open file, and closes it at the end or when told to."""

    def __init__(self, file: BinaryIO, start: int, length: int) -> None:
        self._file = file
        file.seek(start)
        self._left = length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            chunk = self._file.read(min(_CHUNK, self._left)) if self._left else b""
        except RegistryError as error:
            # As in _UntilItFails: the client is told by the bytes that do not come.
            logger.error("a layer broke off: %s", error.message)
            self._left, chunk = 0, b""
        if not chunk:
            self._file.close()
            raise StopIteration
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        """Close the file; the server calls it when the client went away."""
        self._file.close()


class _UntilItFails:
    """The bytes of a layer that is on its way; should the rest not come, they end too soon.

    The status is long sent by then. Fewer bytes than the Content-Length tells make the server
    break the connection off, and so tell the client.
    """

    def __init__(self, chunks: LayerChunks) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._chunks)
        except RegistryError as error:
            logger.warning("a layer broke off: %s", error.message)
            raise StopIteration from None

    def close(self) -> None:
        """Close what is read; the server calls it in any case."""
        self._chunks.close()


def _headers(layer: Layer) -> Headers:
    return [
        ("Content-Type", "application/octet-stream"),
        ("Docker-Content-Digest", layer.digest),
        ("ETag", f'"{layer.digest}"'),
        ("Accept-Ranges", "bytes"),
    ]


def _digest(context: Context) -> str:
    if not is_digest(context.reference):
        raise OciError(400, "DIGEST_INVALID", "The digest is not valid.")
    return context.reference
