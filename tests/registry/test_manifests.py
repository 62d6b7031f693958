"""Reading manifests: what they name, and what is no manifest (whoever sends it)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_emulator import media_types
from ecr_emulator.registry.errors import InvalidParameter
from ecr_emulator.registry.manifests import Manifest, parse_manifest
from tests.support.images import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    sha256,
)

FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def descriptor(name: str, media_type: str = OCI_LAYER, **members: Any) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": sha256(name.encode()),
        "size": len(name),
        **members,
    }


def image(**members: Any) -> dict[str, Any]:
    """Return an OCI manifest; a member that is ``...`` is left out."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("config", OCI_CONFIG),
        "layers": [descriptor("one"), descriptor("two")],
        **members,
    }
    return {name: value for name, value in document.items() if value is not ...}


def index(**members: Any) -> dict[str, Any]:
    """Return an OCI index; a member that is ``...`` is left out."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor("one", OCI_MANIFEST), descriptor("two", OCI_MANIFEST)],
        **members,
    }
    return {name: value for name, value in document.items() if value is not ...}


def parse(document: Any, media_type: str | None = None) -> Manifest:
    return parse_manifest(json.dumps(document).encode(), media_type)


def refusal(body: bytes, media_type: str | None = None) -> str:
    """Return why ECR would not store *body*, as the caller reads it."""
    with pytest.raises(InvalidParameter) as caught:
        parse_manifest(body, media_type)
    return caught.value.message


def constraint(document: Any, media_type: str | None = None) -> str:
    """Return what the member ``ImageManifest`` fails to satisfy."""
    message = refusal(json.dumps(document).encode(), media_type)
    before, after = "Invalid parameter at 'ImageManifest' failed to satisfy constraint: '", "'"
    assert message.startswith(before)
    return message.removeprefix(before).removesuffix(after)


def digests(descriptors: Any) -> list[str]:
    return [descriptor.digest for descriptor in descriptors]


class TestWhatTheyName:
    def test_an_image(self) -> None:
        manifest = parse(image())
        assert manifest.media_type == OCI_MANIFEST
        assert manifest.artifact_media_type == OCI_CONFIG
        assert not manifest.is_index
        assert digests(manifest.layers) == [sha256(b"config"), sha256(b"one"), sha256(b"two")]
        assert manifest.children == ()
        assert manifest.subject is None
        assert manifest.annotations == {}

    def test_a_docker_image(self) -> None:
        manifest = parse(
            image(
                mediaType=DOCKER_MANIFEST,
                config=descriptor("config", DOCKER_CONFIG),
                layers=[descriptor("one", DOCKER_LAYER)],
            )
        )
        assert manifest.media_type == DOCKER_MANIFEST
        assert manifest.artifact_media_type == DOCKER_CONFIG
        assert [layer.media_type for layer in manifest.layers] == [DOCKER_CONFIG, DOCKER_LAYER]

    @pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
    def test_an_index(self, media_type: str) -> None:
        manifest = parse(index(mediaType=media_type))
        assert manifest.is_index
        assert manifest.media_type == media_type
        assert manifest.artifact_media_type is None
        assert manifest.layers == ()
        assert digests(manifest.children) == [sha256(b"one"), sha256(b"two")]

    def test_an_artifact(self) -> None:
        manifest = parse(
            image(
                artifactType="application/spdx+json",
                config=descriptor("{}", media_types.OCI_EMPTY),
                layers=[descriptor("{}", media_types.OCI_EMPTY)],
                subject=descriptor("subject", OCI_MANIFEST),
                annotations={"org.example": "yes"},
            )
        )
        assert manifest.artifact_media_type == "application/spdx+json"
        assert digests(manifest.layers) == [sha256(b"{}")]
        assert manifest.subject == sha256(b"subject")
        assert manifest.annotations == {"org.example": "yes"}

    def test_an_index_that_is_an_artifact(self) -> None:
        subject = descriptor("subject", OCI_MANIFEST)
        manifest = parse(index(artifactType="application/x", subject=subject))
        assert manifest.artifact_media_type == "application/x"
        assert manifest.subject == sha256(b"subject")

    def test_an_empty_artifact_type_is_none(self) -> None:
        assert parse(image(artifactType="")).artifact_media_type == OCI_CONFIG
        assert parse(index(artifactType="")).artifact_media_type is None

    @pytest.mark.parametrize("version", [1])
    def test_schema_1(self, version: int) -> None:
        layers = [{"blobSum": sha256(name)} for name in (b"one", b"two", b"one")]
        document = {"schemaVersion": version, "name": "x", "tag": "y", "fsLayers": layers}
        manifest = parse(document)
        assert manifest.media_type == media_types.DOCKER_SCHEMA1
        assert manifest.artifact_media_type is None
        assert digests(manifest.layers) == [sha256(b"one"), sha256(b"two")]
        signed = parse({**document, "signatures": []})
        assert signed.media_type == media_types.DOCKER_SCHEMA1_SIGNED
        assert parse(document, signed.media_type).media_type == signed.media_type

    def test_what_is_named_twice_counts_once(self) -> None:
        manifest = parse(image(layers=[descriptor("one"), descriptor("config"), descriptor("one")]))
        assert digests(manifest.layers) == [sha256(b"config"), sha256(b"one")]
        assert manifest.layers[0].media_type == OCI_CONFIG

    def test_foreign_layers_are_elsewhere(self) -> None:
        """No registry holds them: their bytes are at their URLs."""
        elsewhere = descriptor("foreign", FOREIGN, urls=["https://example.com/layer"])
        here = descriptor("here", FOREIGN)
        manifest = parse(image(layers=[elsewhere, here, descriptor("one", urls=["https://x"])]))
        assert digests(manifest.layers) == [sha256(b"config"), sha256(b"here"), sha256(b"one")]

    @pytest.mark.parametrize("layers", [[], None])
    def test_no_layers(self, layers: Any) -> None:
        """``null`` is how Go writes a list that has nothing in it."""
        assert digests(parse(image(layers=layers)).layers) == [sha256(b"config")]
        assert parse(index(manifests=layers)).children == ()

    def test_sha512(self) -> None:
        digest = "sha512:" + "0" * 128
        manifest = parse(image(layers=[descriptor("one", digest=digest)]))
        assert digests(manifest.layers)[1] == digest

    def test_members_that_nobody_knows(self) -> None:
        assert parse(image(other={"a": [1.5e10, None, True]})) == parse(image())


class TestMediaType:
    def test_what_the_caller_says_counts(self) -> None:
        assert parse(image(mediaType=...), OCI_MANIFEST).media_type == OCI_MANIFEST
        assert parse(image(mediaType=...), DOCKER_MANIFEST).media_type == DOCKER_MANIFEST

    def test_else_what_the_manifest_says(self) -> None:
        assert parse(image(), None).media_type == OCI_MANIFEST

    def test_neither(self) -> None:
        body = json.dumps(image(mediaType=...)).encode()
        expected = "image manifest mediatype not provided in manifest or parameter"
        assert refusal(body) == expected
        assert refusal(b"{}") == expected

    def test_both_and_they_differ(self) -> None:
        assert constraint(image(), DOCKER_MANIFEST) == (
            f"mediaType in manifest should be '{DOCKER_MANIFEST}' not '{OCI_MANIFEST}'"
        )

    @pytest.mark.parametrize(
        "media_type",
        ["application/json", "application/vnd.oci.artifact.manifest.v1+json", OCI_CONFIG, "x"],
    )
    def test_others(self, media_type: str) -> None:
        expected = f"Unsupported manifest media type '{media_type}'"
        assert constraint(image(mediaType=...), media_type) == expected
        assert constraint(image(mediaType=media_type)) == expected


REFUSED = [
    (image(mediaType=5), "mediaType must be a string"),
    (image(schemaVersion=1), "schemaVersion must be 2"),
    (image(schemaVersion="2"), "schemaVersion must be 2"),
    (image(schemaVersion=2.5), "schemaVersion must be 2"),
    (image(schemaVersion=...), "schemaVersion must be 2"),
    (image(schemaVersion=None), "schemaVersion must be 2"),
    (image(config=...), "config must be a descriptor"),
    (image(config=None), "config must be a descriptor"),
    (image(config=[]), "config must be a descriptor"),
    (image(config={}), "Invalid digest in config"),
    (image(layers=...), "layers must be a list of objects"),
    (image(layers={}), "layers must be a list of objects"),
    (image(layers=[None]), "layers must be a list of objects"),
    (image(layers=["a"]), "layers must be a list of objects"),
    (image(layers=[{}]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", digest=5)]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", digest="sha256:abc")]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", digest="md5:" + "0" * 32)]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", digest="sha256:" + "A" * 64)]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", digest="../" * 22)]), "Invalid digest in layers"),
    (image(layers=[descriptor("a", size=-1)]), "Invalid size in layers"),
    (image(layers=[descriptor("a", size=1.0)]), "Invalid size in layers"),
    (image(layers=[descriptor("a", size="1")]), "Invalid size in layers"),
    (image(layers=[descriptor("a", size=True)]), "Invalid size in layers"),
    (image(layers=[descriptor("a", size=None)]), "Invalid size in layers"),
    (image(layers=[descriptor("a", size=2**63)]), "Invalid size in layers"),
    (image(layers=[descriptor("a", mediaType=None)]), "Invalid mediaType in layers"),
    (image(layers=[descriptor("a", mediaType="")]), "Invalid mediaType in layers"),
    (image(layers=[descriptor("a", mediaType=7)]), "Invalid mediaType in layers"),
    (image(layers=[descriptor("a", mediaType="a/" + "b" * 254)]), "Invalid mediaType in layers"),
    (image(config=descriptor("a", mediaType="a\0b")), "Invalid mediaType in config"),
    (image(artifactType=5), "Invalid artifactType"),
    (image(artifactType=["a"]), "Invalid artifactType"),
    (image(artifactType="a" * 256), "Invalid artifactType"),
    (image(artifactType="a\nb"), "Invalid artifactType"),
    (image(subject="sha256:abc"), "subject must be a descriptor"),
    (image(subject={}), "Invalid digest in subject"),
    (image(annotations=[]), "annotations must map strings to strings"),
    (image(annotations={"a": 1}), "annotations must map strings to strings"),
    (image(annotations={"a": {"b": "c"}}), "annotations must map strings to strings"),
    (index(manifests=...), "manifests must be a list of objects"),
    (index(manifests={}), "manifests must be a list of objects"),
    (index(manifests=[{}]), "Invalid digest in manifests"),
    (index(schemaVersion=1), "schemaVersion must be 2"),
    (index(artifactType={}), "Invalid artifactType"),
    ({"schemaVersion": 1}, "fsLayers must be a list of objects"),
    ({"schemaVersion": 1, "fsLayers": [{}]}, "Invalid blobSum in fsLayers"),
    ({"schemaVersion": 1, "fsLayers": [{"blobSum": []}]}, "Invalid blobSum in fsLayers"),
    (
        {"schemaVersion": 2, "mediaType": media_types.DOCKER_SCHEMA1, "fsLayers": []},
        "schemaVersion must be 1",
    ),
]


@pytest.mark.parametrize(("document", "text"), REFUSED, ids=lambda value: str(value)[-60:])
def test_refused(document: dict[str, Any], text: str) -> None:
    assert constraint(document) == text


NO_JSON = [
    b"",
    b" ",
    b"{",
    b"[]",
    b"null",
    b"5",
    b'"a"',
    b"\xff\xfe",
    json.dumps(image()).encode("utf-16"),
    b"\xef\xbb\xbf" + json.dumps(image()).encode(),
    json.dumps(image()).encode()[:-1],
    json.dumps(image()).encode() + b"}",
    b'{"schemaVersion": NaN}',
    b'{"schemaVersion": -Infinity}',
    json.dumps(image(artifactType="\ud800")).encode(),
    json.dumps(image(annotations={"a": "\udfff"})).encode(),
    json.dumps(image(annotations={"\ud83d": "a"})).encode(),
    b'{"a": ' + b"9" * 5000 + b"}",
]


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: repr(body[:20]))
def test_no_json(body: bytes) -> None:
    expected = (
        "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"
    )
    assert refusal(body, OCI_MANIFEST) == expected
    assert refusal(body) == expected


def test_text_that_is_not_ascii() -> None:
    annotations = {"a": "gr\u00fcn \U0001f600", "\u00e9": "\\ud800 is no escape here: \\\\"}
    for ascii_only in (True, False):
        body = json.dumps(image(annotations=annotations), ensure_ascii=ascii_only).encode()
        assert parse_manifest(body, None).annotations == annotations


FOUR_MIB = 4 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"[" * FOUR_MIB,
        b'{"a":' * (FOUR_MIB // 5),
        b"[],".join([b"["] + [b""] * (FOUR_MIB // 3)) + b"0]",
        b'{"layers":[' + b"{}," * (FOUR_MIB // 3) + b"{}]}",
        b'{"layers":[' + b'"",' * (FOUR_MIB // 3) + b'"",{},' + b"[" * 70,
        b'"\\"' * (FOUR_MIB // 3),
        b"[" * 100 + b'"' + b'\\"' * (FOUR_MIB // 2),
        b'{"a":"' + b"\\ud83d\\ude00" * (FOUR_MIB // 12) + b'"}',
        b'{"a":' + b"1" * FOUR_MIB + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_large_and_hostile(body: bytes) -> None:
    """Refused in about the time that reading it takes."""
    started = time.monotonic()
    assert refusal(body)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("depth", [60, 64, 65, 500, 990])
def test_nesting(depth: int) -> None:
    body = json.dumps(image(other=0)).replace('"other": 0', '"other": ' + "[" * depth + "]" * depth)
    if depth < 64:
        parse_manifest(body.encode(), None)
    else:
        assert "Invalid JSON syntax" in refusal(body.encode())


def test_brackets_in_strings_do_not_nest() -> None:
    annotations = {"a": "[{" * 1000, "b": '\\"[[' * 100, "c": "\\"}
    assert parse(image(annotations=annotations)).annotations == annotations


def test_the_largest_images() -> None:
    layers = [descriptor(f"layer {number}") for number in range(20_000)]
    body = json.dumps(image(layers=layers)).encode()
    assert 3_000_000 < len(body) < FOUR_MIB
    assert len(parse_manifest(body, None).layers) == 20_001


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    [
        "schemaVersion",
        "mediaType",
        "config",
        "layers",
        "manifests",
        "fsLayers",
        "subject",
        "artifactType",
        "annotations",
    ]
)


@settings(max_examples=150, deadline=None)
@given(
    base=st.sampled_from([image(), index(), {"schemaVersion": 1, "fsLayers": []}, {}]),
    changes=st.dictionaries(MEMBERS, JSON, max_size=3),
    media_type=st.none() | st.sampled_from(sorted(media_types.MANIFEST_TYPES)) | st.text(),
)
def test_any_json_is_a_manifest_or_refused(
    base: dict[str, Any], changes: dict[str, Any], media_type: str | None
) -> None:
    try:
        manifest = parse({**base, **changes}, media_type)
    except InvalidParameter:
        return
    assert manifest.media_type in media_types.MANIFEST_TYPES
    json.dumps([manifest.artifact_media_type, manifest.annotations], ensure_ascii=False).encode()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_refused(body: bytes) -> None:
    assert refusal(body)
