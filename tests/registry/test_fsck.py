"""The check of the store: what it finds, what it mends, and that clients can go on after it."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.fsck import (
    BROKEN_UPLOAD,
    CORRUPT,
    CORRUPT_MANIFEST,
    DATABASE,
    INCOMPLETE_IMAGE,
    MISSING,
    STRAY,
    UNREADABLE,
    StoreCheck,
)
from ecr_emulator.registry.repository_blobs import open_blobs
from tests.support.app import ACCOUNT, App, OciCaller
from tests.support.images import Blob, Image, make_image, sha256


class Store:
    """The store of an application, as another process sees it."""

    def __init__(self, app: App) -> None:
        self.folder = app.folder
        self.database = Database(app.settings.database_url)
        self.repository_blobs = open_blobs(app.folder, self.database, app.clock)
        self.blobs = self.repository_blobs.folder

    def check(self, *, repair: bool = False) -> list[tuple[str, str]]:
        """Return the kind and subject of every fault; a repair must have mended those it can."""
        faults = list(StoreCheck(self.database, self.repository_blobs).run(repair=repair))
        for fault in faults:
            assert fault.repaired is (repair and fault.kind in MENDED), fault
        return [(fault.kind, fault.what) for fault in faults]

    def path(self, digest: str) -> Path:
        """Return a blob's file."""
        algorithm, _, encoded = digest.partition(":")
        return self.folder / "blobs" / algorithm / encoded[:2] / encoded


MENDED = {MISSING, CORRUPT, STRAY, BROKEN_UPLOAD}


@pytest.fixture
def store(app: App) -> Iterator[Store]:
    made = Store(app)
    yield made
    made.database.close()


@pytest.fixture
def repository(ecr: Any) -> str:
    ecr.create_repository(repositoryName="app")
    return "app"


@pytest.fixture
def image(oci: OciCaller, repository: str) -> Image:
    made = make_image()
    oci.push(repository, made, "v1")
    return made


def pull(oci: OciCaller, repository: str, image: Image) -> None:
    """Read an image whole."""
    oci.expect(200, "GET", f"/v2/{repository}/manifests/{image.manifest.digest}")
    for blob in image.blobs:
        assert oci.expect(200, "GET", f"/v2/{repository}/blobs/{blob.digest}").data == blob.data


def push_what_is_missing(oci: OciCaller, repository: str, image: Image) -> int:
    """Push as clients do: only what the registry says that it lacks. Return how much that was."""
    count = 0
    for blob in image.blobs:
        path = f"/v2/{repository}/blobs/{blob.digest}"
        if oci.request("HEAD", path).status_code == 404:
            oci.push_blob(repository, blob.data)
            count += 1
    oci.push(repository, image.manifest, "v1")
    return count


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthen(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"!")


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_sound_store(store: Store, oci: OciCaller, repository: str, image: Image) -> None:
    oci.expect(202, "PATCH", oci.start_upload(repository), b"abc")
    oci.push_blob(repository, b"abc")
    check = StoreCheck(store.database, store.repository_blobs)
    assert list(check.run()) == list(check.run(repair=True)) == []
    assert (check.blobs, check.bytes) == (2 * (len(image.blobs) + 1), 2 * (image.size + 3))


@pytest.mark.parametrize(
    ("harm", "kind"),
    [(remove, MISSING), (truncate, CORRUPT), (lengthen, CORRUPT), (flip, CORRUPT)],
)
def test_a_blob_in_trouble(
    store: Store,
    oci: OciCaller,
    repository: str,
    image: Image,
    harm: Callable[[Path], None],
    kind: str,
) -> None:
    digest = image.layers[0].digest
    harm(store.path(digest))
    assert store.check() == store.check() == [(kind, digest)]
    lacking = (INCOMPLETE_IMAGE, f"{ACCOUNT}/us-east-1/app@{image.manifest.digest}")
    assert store.check(repair=True) == [(kind, digest), lacking]
    assert not store.path(digest).exists()

    oci.refused(404, "BLOB_UNKNOWN", "GET", f"/v2/{repository}/blobs/{digest}")
    assert store.check() == [lacking]
    assert push_what_is_missing(oci, repository, image) == 1
    pull(oci, repository, image)
    assert store.check() == []


def test_a_blob_of_several_repositories(
    store: Store, ecr: Any, oci: OciCaller, repository: str, image: Image
) -> None:
    ecr.create_repository(repositoryName="other")
    oci.push("other", image, "v1")
    flip(store.path(image.config.digest))
    found = store.check(repair=True)
    assert found[0] == (CORRUPT, image.config.digest)
    assert [kind for kind, _ in found[1:]] == [INCOMPLETE_IMAGE] * 2
    for name in (repository, "other"):
        assert push_what_is_missing(oci, name, image) == 1
        pull(oci, name, image)
    assert store.check() == []


def test_a_push_mends_a_corrupt_blob(
    store: Store, oci: OciCaller, repository: str, image: Image
) -> None:
    """Also without the check: whoever uploads the bytes again puts them right."""
    flip(store.path(image.config.digest))
    oci.push_blob(repository, image.config.data)
    pull(oci, repository, image)
    assert store.check() == []


def test_a_push_between_the_look_and_the_repair(
    store: Store, oci: OciCaller, repository: str, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip(store.path(image.config.digest))
    collect = store.blobs.collect_copies

    def push_and_collect(*args: Any) -> int | None:
        oci.push_blob(repository, image.config.data)
        return collect(*args)

    monkeypatch.setattr(store.blobs, "collect_copies", push_and_collect)
    assert store.check(repair=True) == []
    pull(oci, repository, image)


def test_a_blob_that_cannot_be_read_stays(
    store: Store, oci: OciCaller, repository: str, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    unreadable = image.layers[0].digest
    opened = store.blobs.open

    def open_blob(digest: str) -> Any:
        return Broken() if digest == unreadable else opened(digest)

    with monkeypatch.context() as patch:
        patch.setattr(store.blobs, "open", open_blob)
        assert store.check(repair=True) == [(UNREADABLE, unreadable)]
    assert store.check() == []
    pull(oci, repository, image)


def test_a_stray_blob(store: Store, oci: OciCaller, repository: str, image: Image) -> None:
    stray = Blob("", b"stray")
    path = store.path(stray.digest)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stray.data)
    assert store.check() == [(STRAY, stray.digest)]
    assert store.check(repair=True) == [(STRAY, stray.digest)]
    assert not path.exists()
    assert store.check() == []
    pull(oci, repository, image)


@pytest.mark.parametrize("harm", [remove, truncate])
def test_an_upload_that_lost_bytes(
    store: Store, oci: OciCaller, repository: str, harm: Callable[[Path], None]
) -> None:
    location, other = oci.start_upload(repository), oci.start_upload(repository)
    oci.expect(202, "PATCH", location, b"abc")
    oci.expect(202, "PATCH", other, b"def")
    upload_id = location.rpartition("/")[2]
    harm(store.folder / "uploads" / upload_id)
    assert store.check() == [(BROKEN_UPLOAD, upload_id)]
    assert store.check(repair=True) == [(BROKEN_UPLOAD, upload_id)]
    oci.refused(404, "BLOB_UPLOAD_UNKNOWN", "GET", location)
    oci.expect(201, "PUT", f"{other}?digest={sha256(b'def')}")
    assert store.check() == []


def test_an_upload_under_way_is_left_alone(store: Store, oci: OciCaller, repository: str) -> None:
    location = oci.start_upload(repository)
    oci.expect(202, "PATCH", location, b"abc")
    upload_id = location.rpartition("/")[2]
    (store.folder / "uploads" / upload_id).write_bytes(b"")
    with FilesystemBlobStore(store.folder).upload(upload_id):
        assert store.check(repair=True) == []


def test_an_upload_with_bytes_that_were_never_acknowledged(
    store: Store, oci: OciCaller, repository: str
) -> None:
    location = oci.start_upload(repository)
    oci.expect(202, "PATCH", location, b"abc")
    lengthen(store.folder / "uploads" / location.rpartition("/")[2])
    assert store.check(repair=True) == []
    oci.expect(201, "PUT", f"{location}?digest={sha256(b'abc')}")


def test_a_manifest_that_is_another(store: Store, image: Image) -> None:
    with sqlite3.connect(store.folder / "registry.sqlite3") as connection:
        connection.execute("UPDATE manifests SET body = CAST(body || ' ' AS BLOB)")
    name = f"{ACCOUNT}/us-east-1/app@{image.manifest.digest}"
    assert store.check(repair=True) == [(CORRUPT_MANIFEST, name)]


def test_a_damaged_database(store: Store, image: Image) -> None:
    with sqlite3.connect(store.folder / "registry.sqlite3") as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "DELETE FROM sqlite_schema WHERE name = 'ix_image_layers_digest' AND type = 'index'"
        )
    connection.close()
    assert (DATABASE, "registry") in store.check()


class TestCommand:
    def run(self, app: App, *options: str) -> tuple[int, list[str]]:
        command = [sys.executable, "-m", "ecr_emulator", "fsck", "--data-dir", str(app.folder)]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    def test_what_it_prints(self, app: App, oci: OciCaller, repository: str) -> None:
        digest = oci.push_blob(repository, bytes(2048))
        assert self.run(app) == (0, ["checked 1 blob: 2.0 KiB"])
        flip(Store(app).path(digest))
        fault = f"corrupt: {digest}: its bytes have another digest"
        last = "checked 1 blob: 2.0 KiB"
        assert self.run(app) == (1, [fault, last])
        assert self.run(app, "--repair") == (0, [f"{fault} (repaired)", last])
        assert self.run(app) == (0, ["checked 0 blobs: 0 bytes"])
