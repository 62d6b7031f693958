"""Reading manifests: what an image or an index names, and whether it may be stored.

Sources: OCI image specification (manifest.md, image-index.md), Docker image manifest v2
schemas 1 and 2, ECR API reference ``PutImage``.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, NoReturn

from ecr_emulator import media_types
from ecr_emulator.digests import is_digest
from ecr_emulator.registry.errors import InvalidParameter

_MEMBER = "ImageManifest"
_MAX_SIZE = (1 << 63) - 1
#: Characters of a media type: RFC 6838 has 127 for each of its halves.
_MAX_MEDIA_TYPE = 255
#: No manifest nests so deep. A bound of our own: what is read once must be readable again,
#: from wherever, and Python's own bound depends on how deep the reader stands itself.
_MAX_DEPTH = 64
#: Objects and lists, and ends of strings: 4 MiB hold descriptors for a fraction of either.
#: Bounds of our own, on memory.
_MAX_OBJECTS = 100_000
_MAX_QUOTES = 1_000_000
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_ALL_BUT_BRACKETS = bytes(code for code in range(256) if code not in _STEPS)
_HALF_A_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A manifest's pointer to a blob or to another manifest; the size is in bytes."""

    digest: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says.

    :ivar layers: blobs the repository must have: the configuration first, then the layers;
        foreign layers, which no registry holds, are left out.
    :ivar children: the manifests that an index lists.
    :ivar subject: the digest of the manifest that this one refers to.
    """

    media_type: str
    artifact_media_type: str | None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)

    @property
    def is_index(self) -> bool:
        """Whether this is an index (a manifest list) and not an image."""
        return self.media_type in media_types.INDEX_TYPES


def parse_manifest(body: bytes, media_type: str | None) -> Manifest:
    """Read a manifest.

    :param media_type: what the caller says it is; when left out, its own ``mediaType`` counts.
    :raises InvalidParameter: it is not a manifest that ECR stores.
    """
    document = _load(body)
    own_type = document.get("mediaType")
    if own_type is not None and not isinstance(own_type, str):
        raise _invalid("mediaType must be a string")
    media_type = media_type or own_type or _schema1_type(document)
    if media_type is None:
        raise InvalidParameter("image manifest mediatype not provided in manifest or parameter")
    if own_type is not None and own_type != media_type:
        raise _invalid(f"mediaType in manifest should be '{media_type}' not '{own_type[:200]}'")
    if media_type in media_types.SCHEMA1_TYPES:
        return _schema1(document, media_type)
    if _version(document) != 2:
        raise _invalid("schemaVersion must be 2")
    if media_type in media_types.IMAGE_TYPES:
        return _image(document, media_type)
    if media_type in media_types.INDEX_TYPES:
        return _index(document, media_type)
    raise _invalid(f"Unsupported manifest media type '{media_type[:200]}'")


def _invalid(text: str) -> InvalidParameter:
    # ECR's text is known for broken JSON only; the others are likeliest.
    return InvalidParameter.at(_MEMBER, text)


def _load(body: bytes) -> dict[str, Any]:
    try:
        text = body.decode("utf-8")
        _check_structure(body)
        document = json.loads(text, parse_constant=_refuse_constant)
        if _HALF_A_PAIR.search(text):
            # Half of a surrogate pair is no text: nothing could store it or send it back.
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise _invalid("Invalid JSON syntax") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON syntax")
    return document


def _check_structure(body: bytes) -> None:
    """Refuse, before it costs memory or recursion, what nests too deep or holds too much.

    :raises ValueError: it does. What is not JSON at all may pass.
    """
    if body.count(b"{") + body.count(b"[") <= _MAX_DEPTH:
        return
    # Without its strings, whose brackets do not count.
    unescaped = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if unescaped.count(b'"') > _MAX_QUOTES:
        raise ValueError("too many strings")
    outside = b"".join(unescaped.split(b'"')[::2])
    brackets = outside.translate(None, delete=_ALL_BUT_BRACKETS)
    if len(brackets) > 2 * _MAX_OBJECTS:
        raise ValueError("too many objects")
    if max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > _MAX_DEPTH:
        raise ValueError("too deep")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _version(document: dict[str, Any]) -> int | None:
    version = document.get("schemaVersion")
    return version if type(version) is int else None


def _schema1_type(document: dict[str, Any]) -> str | None:
    if _version(document) != 1:
        return None
    signed = "signatures" in document
    return media_types.DOCKER_SCHEMA1_SIGNED if signed else media_types.DOCKER_SCHEMA1


def _schema1(document: dict[str, Any], media_type: str) -> Manifest:
    if _version(document) != 1:
        raise _invalid("schemaVersion must be 1")
    layers: dict[str, Descriptor] = {}
    for layer in _list(document, "fsLayers"):
        digest = layer.get("blobSum")
        if not isinstance(digest, str) or not is_digest(digest):
            raise _invalid("Invalid blobSum in fsLayers")
        layers[digest] = Descriptor(digest, 0, "application/octet-stream")
    return Manifest(media_type, None, layers=tuple(layers.values()))


def _image(document: dict[str, Any], media_type: str) -> Manifest:
    config = _descriptor(document.get("config"), "config")
    layers = {config.digest: config}
    for layer in _list(document, "layers"):
        descriptor = _descriptor(layer, "layers")
        if descriptor.media_type not in media_types.FOREIGN_LAYER_TYPES or not layer.get("urls"):
            layers.setdefault(descriptor.digest, descriptor)
    artifact_type = _artifact_type(document)
    return Manifest(
        media_type,
        artifact_type or config.media_type,
        layers=tuple(layers.values()),
        subject=_subject(document),
        annotations=_annotations(document),
    )


def _index(document: dict[str, Any], media_type: str) -> Manifest:
    children: dict[str, Descriptor] = {}
    for child in _list(document, "manifests"):
        descriptor = _descriptor(child, "manifests")
        children.setdefault(descriptor.digest, descriptor)
    return Manifest(
        media_type,
        _artifact_type(document),
        children=tuple(children.values()),
        subject=_subject(document),
        annotations=_annotations(document),
    )


def _list(document: dict[str, Any], member: str) -> list[dict[str, Any]]:
    value = document.get(member)
    if value is None and member in document:
        # As Go writes a list that has nothing in it.
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _invalid(f"{member} must be a list of objects")
    return value


def _artifact_type(document: dict[str, Any]) -> str | None:
    value = document.get("artifactType")
    if value is not None and not _is_short_text(value):
        raise _invalid("Invalid artifactType")
    return value or None


def _is_short_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_MEDIA_TYPE and value.isprintable()


def _descriptor(value: Any, member: str) -> Descriptor:
    if not isinstance(value, dict):
        raise _invalid(f"{member} must be a descriptor")
    digest, size, media_type = value.get("digest"), value.get("size"), value.get("mediaType")
    if not isinstance(digest, str) or not is_digest(digest):
        raise _invalid(f"Invalid digest in {member}")
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= _MAX_SIZE:
        raise _invalid(f"Invalid size in {member}")
    if not _is_short_text(media_type) or not media_type:
        raise _invalid(f"Invalid mediaType in {member}")
    return Descriptor(digest, size, media_type)


def _subject(document: dict[str, Any]) -> str | None:
    subject = document.get("subject")
    return None if subject is None else _descriptor(subject, "subject").digest


def _annotations(document: dict[str, Any]) -> dict[str, str]:
    annotations = document.get("annotations")
    if annotations is None:
        return {}
    if not isinstance(annotations, dict) or not all(
        isinstance(value, str) for value in annotations.values()
    ):
        raise _invalid("annotations must map strings to strings")
    return annotations
