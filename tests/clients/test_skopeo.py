"""skopeo: indexes with all their images in and out, and blobs mounted between repositories."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.caller import Caller
from tests.clients.skopeo import Skopeo, oci_layout, requests
from tests.support.images import (
    OCI_INDEX,
    Index,
    layout_digests,
    layout_root,
    make_image,
    make_index,
    write_layout,
)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of three platforms, written to ``layout`` below `tmp_path` with the tag ``v1``."""
    made = make_index([make_image(architecture=name) for name in ("amd64", "arm64", "s390x")])
    write_layout(tmp_path / "layout", made, "v1")
    return made


def test_index_in_and_out(skopeo: Skopeo, caller: Caller, index: Index, tmp_path: Path) -> None:
    uri = caller.create_repository("multi/arch")
    skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{uri}:v1")

    details = caller.describe_image("multi/arch", imageTag="v1")
    assert details["imageDigest"] == index.manifest.digest
    assert details["imageManifestMediaType"] == OCI_INDEX
    # An index counts as much as its largest image (API reference, imageSizeInBytes).
    assert details["imageSizeInBytes"] == max(image.size for image in index.images)
    for image in index.images:
        child = caller.describe_image("multi/arch", imageDigest=image.manifest.digest)
        assert child["imageSizeInBytes"] == image.size
        assert "imageTags" not in child

    skopeo.copy(f"docker://{uri}:v1", oci_layout(tmp_path / "back", "v1"))
    assert layout_root(tmp_path / "back") == index.manifest.digest
    assert set(layout_digests(tmp_path / "back")) == set(layout_digests(tmp_path / "layout"))


@pytest.mark.parametrize("mounting", ["ENABLED", "DISABLED", None])
def test_copy_between_repositories(
    skopeo: Skopeo, caller: Caller, index: Index, tmp_path: Path, mounting: str | None
) -> None:
    layers = {layer.digest for image in index.images for layer in image.layers}
    configs = {image.config.digest for image in index.images}
    first = caller.create_repository("first")
    second = caller.create_repository("second")
    if mounting is not None:
        caller.ecr.put_account_setting(name="BLOB_MOUNTING", value=mounting)
    log = skopeo.copy(oci_layout(tmp_path / "layout", "v1"), f"docker://{first}:v1")
    assert len(requests(log, "PATCH", "/v2/first/blobs/uploads/")) == len(layers | configs)

    log = skopeo.copy(f"docker://{first}:v1", f"docker://{second}:v2")
    # skopeo mounts layers only; the small configs it always sends.
    mounts = requests(log, "POST", "mount=")
    assert {digest for digest in layers if digest[7:] in "".join(mounts)} == layers
    uploads = requests(log, "PATCH", "/v2/second/blobs/uploads/")
    # Off unless the account turned it on; then the mount's answer offers an upload.
    assert len(uploads) == len(configs if mounting == "ENABLED" else layers | configs)

    details = caller.describe_image("second", imageTag="v2")
    assert details["imageDigest"] == index.manifest.digest
    skopeo.copy(f"docker://{second}:v2", oci_layout(tmp_path / "back", "v1"))
    assert set(layout_digests(tmp_path / "back")) == set(layout_digests(tmp_path / "layout"))
