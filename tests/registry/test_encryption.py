"""Encryption at rest: whose blobs are sealed by what, and what becomes of it with the keys."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ecr_emulator.blobs.sealing import CHUNK, HEADER_SIZE
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.blob_copies import BlobCopies
from ecr_emulator.registry.encryption_keys import OWN_KEY, key_name
from ecr_emulator.registry.fsck import CORRUPT, MISSING, UNREADABLE, StoreCheck
from ecr_emulator.registry.garbage import Garbage
from ecr_emulator.registry.repository_blobs import RepositoryBlobs, open_blobs
from tests.support.app import ACCOUNT, REGION, App, OciCaller
from tests.support.images import Blob, Image, make_image, manifest_of, sha256
from tests.support.refusals import refusal
from tests.support.signers import artifact, public_pem, simple_signing
from tests.support.signers import key as signing_key

MARKER = b"what only who has the key may read"
KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0b8f6d1f-3c11-4f5e-9f5e-6f0d2b0c7a2f"
OTHER_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6f0d2b0c-7a2f-4c64-9f5e-0b8f6d1f3c11"
DISABLED = f"{KEY} is disabled."


def image_with(data: bytes) -> Image:
    """Return an image whose one layer is *data*."""
    config = Blob("application/vnd.oci.image.config.v1+json", b'{"x": "' + MARKER + b'"}')
    layer = Blob("application/vnd.oci.image.layer.v1.tar", data)
    return Image(manifest_of(config, [layer]), config, (layer,), "amd64")


IMAGE = image_with(MARKER * 9000)
(LAYER,) = IMAGE.layers


class Store:
    """A data folder and its keys, as a command sees them."""

    def __init__(self, app: App, *, encryption: str = "off") -> None:
        self.app = app
        self.folder = app.folder
        self.database = Database(app.settings.database_url)
        self.blobs: RepositoryBlobs = open_blobs(
            app.folder,
            self.database,
            app.clock,
            sealed_by_default=encryption == "on",
            durability="relaxed",
        )
        self.keys = self.blobs.keys
        self.copies = BlobCopies(self.database, self.blobs)

    def copies_of(self, digest: str) -> set[str]:
        """Return the names of the keys that have sealed a blob; ``""`` for a plain one."""
        return {name for found, name in self.blobs.folder.copies() if found == digest}

    def path(self, digest: str, key_id: str | None) -> Path:
        """Return a copy's file."""
        encoded = digest.removeprefix("sha256:")
        name = encoded if key_id is None else f"{encoded}.{key_name(key_id)}"
        return self.folder / "blobs" / "sha256" / encoded[:2] / name

    def readable(self) -> list[str]:
        """Return the files of blobs and uploads in which the marker can be read."""
        files = [*self.folder.glob("blobs/*/*/*"), *self.folder.glob("uploads/*")]
        return [str(path) for path in files if MARKER in path.read_bytes()]

    def faults(self, *, repair: bool = False) -> list[tuple[str, str]]:
        """Return the kind and subject of every fault."""
        found = StoreCheck(self.database, self.blobs).run(repair=repair)
        return [(fault.kind, fault.what) for fault in found]

    def collect_garbage(self) -> None:
        Garbage(self.database, self.blobs, self.app.clock, timedelta(0)).collect()


def opened(app: App, **settings: Any) -> Iterator[Store]:
    made = Store(app, **settings)
    yield made
    made.database.close()


@pytest.fixture
def store(app: App) -> Iterator[Store]:
    yield from opened(app)


@pytest.fixture
def sealed_app(tmp_path: Path) -> Iterator[App]:
    """A server with the setting ``encryption`` on."""
    made = App(tmp_path / "data", encryption="on")
    yield made
    made.close()


@pytest.fixture
def sealed_store(sealed_app: App) -> Iterator[Store]:
    yield from opened(sealed_app, encryption="on")


def create(ecr: Any, name: str, key: str | None = KEY, kind: str = "KMS") -> None:
    """Create a repository with a KMS key (that of the alias ``aws/ecr`` when it is empty)."""
    configuration = {"encryptionType": kind}
    if key:
        configuration["kmsKey"] = key
    ecr.create_repository(repositoryName=name, encryptionConfiguration=configuration)


def pull(oci: OciCaller, name: str, image: Image = IMAGE) -> None:
    """Pull an image, and part of its layer."""
    manifest = oci.expect(200, "GET", f"/v2/{name}/manifests/{image.manifest.digest}")
    assert manifest.data == image.manifest.data
    for blob in image.blobs:
        path = f"/v2/{name}/blobs/{blob.digest}"
        assert oci.expect(200, "GET", path).data == blob.data
        headers = {"Range": f"bytes={len(blob.data) - 5}-"}
        assert oci.expect(206, "GET", path, headers=headers).data == blob.data[-5:]


class TestWhatIsSealed:
    @pytest.mark.parametrize("kind", ["KMS", "KMS_DSSE"])
    @pytest.mark.parametrize("key", [KEY, None])
    def test_repositories_with_a_key(
        self, ecr: Any, oci: OciCaller, store: Store, key: str | None, kind: str
    ) -> None:
        create(ecr, "team/app", key, kind)
        oci.push("team/app", IMAGE, "1")
        location = oci.start_upload("team/app")
        oci.expect(202, "PATCH", location, MARKER)
        pull(oci, "team/app")
        assert store.readable() == []
        (repository,) = ecr.describe_repositories()["repositories"]
        arn = repository["encryptionConfiguration"]["kmsKey"]
        assert store.copies_of(LAYER.digest) == {key_name(arn)}
        assert [key.id for key in store.keys.list()] == [arn]
        assert store.faults() == []

    def test_others_are_not_unless_it_is_on(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        ecr.create_repository(repositoryName="team/app")
        oci.push("team/app", IMAGE, "1")
        assert store.copies_of(LAYER.digest) == {""}
        assert len(store.readable()) == 2
        assert store.keys.list() == []
        assert not (store.folder / "master.key").exists()

    def test_all_are_when_it_is_on(self, sealed_app: App, sealed_store: Store) -> None:
        ecr, oci = sealed_app.ecr(), sealed_app.oci()
        ecr.create_repository(repositoryName="team/app")
        oci.push("team/app", IMAGE, "1")
        oci.expect(202, "PATCH", oci.start_upload("team/app"), MARKER)
        pull(oci, "team/app")
        assert sealed_store.copies_of(LAYER.digest) == {key_name(OWN_KEY)}
        assert sealed_store.readable() == []
        assert sealed_store.faults() == []
        mode = (sealed_store.folder / "master.key").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600

    def test_an_upload_in_parts_by_both_doors(
        self, app: App, ecr: Any, oci: OciCaller, store: Store
    ) -> None:
        create(ecr, "team/app")
        data = os.urandom(3 * CHUNK + 11)
        location = oci.start_upload("team/app")
        for start, end in ((0, 10), (10, CHUNK + 5), (CHUNK + 5, len(data))):
            worker = app.another_process().oci()
            worker.expect(202, "PATCH", location, data[start:end])
        digest = sha256(data)
        oci.expect(201, "PUT", f"{location}?digest={digest}")
        assert oci.expect(200, "GET", f"/v2/team/app/blobs/{digest}").data == data
        upload_id = ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"]
        part = MARKER * 5
        ecr.upload_layer_part(
            repositoryName="team/app",
            uploadId=upload_id,
            partFirstByte=0,
            partLastByte=len(part) - 1,
            layerPartBlob=part,
        )
        assert store.readable() == []
        ecr.complete_layer_upload(
            repositoryName="team/app", uploadId=upload_id, layerDigests=[sha256(part)]
        )
        assert store.readable() == []
        assert oci.expect(200, "GET", f"/v2/team/app/blobs/{sha256(part)}").data == part

    def test_a_download_link(self, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        url = ecr.get_download_url_for_layer(repositoryName="team/app", layerDigest=LAYER.digest)[
            "downloadUrl"
        ]
        path = url.partition("4566")[2]
        assert OciCaller(oci.app, None).expect(200, "GET", path).data == LAYER.data


class TestManyKeys:
    def test_each_has_its_copy(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        create(ecr, "team/a", KEY)
        create(ecr, "team/b", OTHER_KEY)
        ecr.create_repository(repositoryName="team/c")
        names = {"team/a": key_name(KEY), "team/b": key_name(OTHER_KEY), "team/c": ""}
        for name in names:
            assert oci.request("HEAD", f"/v2/{name}/blobs/{LAYER.digest}").status_code == 404
            oci.push(name, IMAGE, "1")
            pull(oci, name)
        assert store.copies_of(LAYER.digest) == set(names.values())
        assert store.faults() == []
        # A copy goes with the last repository of its key, and no other with it.
        for name, copy in list(names.items()):
            ecr.delete_repository(repositoryName=name, force=True)
            del names[name]
            store.collect_garbage()
            assert store.copies_of(LAYER.digest) == set(names.values()), copy
            for left in names:
                pull(oci, left)

    def test_a_disabled_key_is_nothing_to_others(
        self, ecr: Any, oci: OciCaller, store: Store
    ) -> None:
        create(ecr, "team/a", KEY)
        create(ecr, "team/b", OTHER_KEY)
        for name in ("team/a", "team/b"):
            oci.push(name, IMAGE, "1")
        store.keys.set_disabled(KEY, disabled=True)
        pull(oci, "team/b")
        oci.refused(403, "DENIED", "GET", f"/v2/team/a/blobs/{LAYER.digest}")
        oci.push("team/b", make_image(), "2")

    def test_blobs_are_mounted_between_repositories_of_one_key(
        self, ecr: Any, oci: OciCaller, store: Store
    ) -> None:
        ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
        create(ecr, "team/a", KEY)
        create(ecr, "team/b", KEY)
        oci.push("team/a", IMAGE, "1")
        query = f"mount={LAYER.digest}&from=team/a"
        oci.expect(201, "POST", f"/v2/team/b/blobs/uploads/?{query}")
        assert oci.expect(200, "GET", f"/v2/team/b/blobs/{LAYER.digest}").data == LAYER.data

    @pytest.mark.parametrize(("here", "there"), [(None, KEY), (KEY, OTHER_KEY), (KEY, None)])
    def test_replication_seals_anew(
        self, app: App, oci: OciCaller, store: Store, here: str | None, there: str | None
    ) -> None:
        ecr, elsewhere = app.ecr(), app.ecr(region="eu-west-1")
        for client, key in ((ecr, here), (elsewhere, there)):
            if key is None:
                client.create_repository(repositoryName="team/app")
            else:
                create(client, "team/app", key.replace(REGION, client.meta.region_name))
        destinations = [{"region": "eu-west-1", "registryId": ACCOUNT}]
        ecr.put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": destinations}]}
        )
        oci.push("team/app", IMAGE, "1")
        app.run_jobs()
        pull(app.oci(region="eu-west-1"), "team/app")
        assert len(store.copies_of(LAYER.digest)) == 2
        assert store.faults() == []
        assert list(store.blobs.folder.uploads()) == []

    def test_replication_by_a_disabled_key_fails(
        self, app: App, ecr: Any, oci: OciCaller, store: Store
    ) -> None:
        elsewhere = app.ecr(region="eu-west-1")
        key = KEY.replace(REGION, "eu-west-1")
        create(elsewhere, "team/app", key)
        ecr.create_repository(repositoryName="team/app")
        store.keys.set_disabled(key, disabled=True)
        destinations = [{"region": "eu-west-1", "registryId": ACCOUNT}]
        ecr.put_replication_configuration(
            replicationConfiguration={"rules": [{"destinations": destinations}]}
        )
        oci.push("team/app", IMAGE, "1")
        app.run_jobs()
        (status,) = ecr.describe_image_replication_status(
            repositoryName="team/app", imageId={"imageTag": "1"}
        )["replicationStatuses"]
        assert (status["status"], status["failureCode"]) == ("FAILED", "Kms")


class TestDisabledKey:
    @pytest.fixture(autouse=True)
    def disabled(self, ecr: Any, oci: OciCaller, store: Store) -> str:
        """A repository whose key was disabled, and an upload to it."""
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        location = oci.start_upload("team/app")
        oci.expect(202, "PATCH", location, b"abc")
        assert store.keys.set_disabled(KEY, disabled=True)
        return location

    def test_the_json_door(self, ecr: Any, disabled: str) -> None:
        upload_id = disabled.rpartition("/")[2]
        named = {"repositoryName": "team/app"}
        expected = ("KmsException", DISABLED)
        assert refusal(ecr.initiate_layer_upload, **named) == expected
        part = {"partFirstByte": 3, "partLastByte": 3, "layerPartBlob": b"d"}
        assert refusal(ecr.upload_layer_part, **named, uploadId=upload_id, **part) == expected
        digests = {"uploadId": upload_id, "layerDigests": [sha256(b"abc")]}
        assert refusal(ecr.complete_layer_upload, **named, **digests) == expected
        manifest = IMAGE.manifest.data.decode()
        put = {"imageManifest": manifest, "imageTag": "2"}
        assert refusal(ecr.put_image, **named, **put) == expected
        configuration = {"encryptionType": "KMS", "kmsKey": KEY}
        with pytest.raises(ecr.exceptions.KmsException) as caught:
            ecr.create_repository(repositoryName="team/new", encryptionConfiguration=configuration)
        assert caught.value.response["kmsError"] == "DisabledException"
        answer = ecr.batch_get_image(**named, imageIds=[{"imageTag": "1"}, {"imageTag": "none"}])
        assert answer["images"] == []
        assert [(one["failureCode"], one["failureReason"]) for one in answer["failures"]] == [
            ("KmsError", DISABLED),
            ("ImageNotFound", "Requested image not found"),
        ]

    def test_the_oci_door(self, oci: OciCaller, disabled: str) -> None:
        manifest = "/v2/team/app/manifests/1"
        for method, path, body in (
            ("GET", manifest, b""),
            ("GET", f"/v2/team/app/blobs/{LAYER.digest}", b""),
            ("POST", "/v2/team/app/blobs/uploads/", b""),
            ("PATCH", disabled, b"d"),
            ("PUT", f"{disabled}?digest={sha256(b'abc')}", b""),
            ("PUT", manifest, IMAGE.manifest.data),
        ):
            headers = {"Content-Type": IMAGE.manifest.media_type} if path == manifest else {}
            message = oci.refused(403, "DENIED", method, path, body, headers)
            assert message == DISABLED, (method, path)

    def test_what_takes_no_key(self, ecr: Any, oci: OciCaller, disabled: str) -> None:
        assert ecr.describe_images(repositoryName="team/app")["imageDetails"]
        oci.expect(200, "HEAD", f"/v2/team/app/blobs/{LAYER.digest}")
        oci.expect(204, "DELETE", disabled)
        ecr.delete_repository(repositoryName="team/app", force=True)

    def test_enabled_again(self, oci: OciCaller, store: Store, disabled: str) -> None:
        store.keys.set_disabled(KEY, disabled=False)
        pull(oci, "team/app")
        oci.expect(201, "PUT", f"{disabled}?digest={sha256(b'abc')}")

    def test_fsck_tells_and_removes_nothing(self, oci: OciCaller, store: Store) -> None:
        assert {kind for kind, _ in store.faults(repair=True)} == {UNREADABLE}
        store.keys.set_disabled(KEY, disabled=False)
        assert store.faults() == []
        pull(oci, "team/app")

    def test_a_signature_says_so(self, app: App, oci: OciCaller, store: Store) -> None:
        store.keys.set_disabled(KEY, disabled=False)
        digest = IMAGE.manifest.digest
        manifest, blobs = artifact(simple_signing(signing_key(), digest))
        for blob in blobs:
            oci.push_blob("team/app", blob.data)
        oci.push("team/app", manifest, f"{digest.replace(':', '-')}.sig")
        query = f"account={ACCOUNT}&region={REGION}&repositoryName=team/app&imageTag=1"
        path = f"/_emulator/signatures?{query}"
        trusted = public_pem(signing_key())
        assert app.request("POST", path, trusted).get_json()["signatures"][0]["verified"] is True
        store.keys.set_disabled(KEY, disabled=True)
        (found,) = app.request("POST", path, trusted).get_json()["signatures"]
        assert found["reason"] == f"The signature cannot be decrypted: {DISABLED}"

    def test_a_scan_says_so(self, app: App, ecr: Any) -> None:
        ecr.start_image_scan(repositoryName="team/app", imageId={"imageTag": "1"})
        app.run_jobs()
        status = ecr.describe_image_scan_findings(
            repositoryName="team/app", imageId={"imageTag": "1"}
        )["imageScanStatus"]
        assert status["status"] == "FAILED"
        assert "is disabled" in status["description"]


class TestMasterKey:
    def test_another_one_opens_nothing(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        path = store.folder / "master.key"
        right = path.read_bytes()
        path.write_bytes(base64.b64encode(os.urandom(32)))
        blob = f"/v2/team/app/blobs/{LAYER.digest}"
        message = oci.refused(403, "DENIED", "GET", blob)
        assert "the master key is another one" in message
        upload_id = ecr.initiate_layer_upload(repositoryName="team/app")["uploadId"]
        with pytest.raises(ecr.exceptions.KmsException) as caught:
            ecr.upload_layer_part(
                repositoryName="team/app",
                uploadId=upload_id,
                partFirstByte=0,
                partLastByte=0,
                layerPartBlob=b"a",
            )
        assert caught.value.response["kmsError"] == "KeyUnavailableException"
        path.unlink()
        assert "cannot be read" in oci.refused(403, "DENIED", "GET", blob)
        # What was sealed by the one that is gone is not given up for a new one.
        create(ecr, "team/other", OTHER_KEY)
        assert refusal(ecr.initiate_layer_upload, repositoryName="team/other")[0] == "KmsException"
        assert not path.exists()
        path.write_bytes(right)
        pull(oci, "team/app")

    @pytest.mark.parametrize("text", [b"", b"short", b"\xff", b"a" * 44, b"YWJj"])
    def test_what_is_none(self, ecr: Any, oci: OciCaller, store: Store, text: bytes) -> None:
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        (store.folder / "master.key").write_bytes(text)
        message = oci.refused(403, "DENIED", "GET", f"/v2/team/app/blobs/{LAYER.digest}")
        assert "does not hold keys of 32 bytes" in message

    def test_it_is_replaced_by_a_rotation(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        path = store.folder / "master.key"
        new = base64.b64encode(os.urandom(32)) + b"  # of today\n"
        path.write_bytes(new + path.read_bytes())
        pull(oci, "team/app")
        store.keys.rotate(KEY)
        path.write_bytes(new)
        pull(oci, "team/app")


class TestRotation:
    def test_blobs_stay_as_they_are(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        path = store.path(LAYER.digest, KEY)
        before = path.read_bytes()
        assert store.keys.rotate(KEY) == 2
        pull(oci, "team/app")
        assert store.copies.rewrap(KEY) == len(IMAGE.blobs)
        assert store.copies.rewrap(KEY) == 0
        after = path.read_bytes()
        assert after[HEADER_SIZE:] == before[HEADER_SIZE:]
        assert after != before
        pull(oci, "team/app")
        oci.push("team/app", make_image(), "2")
        assert store.copies.rewrap(KEY) == 0
        assert store.faults() == []

    def test_of_a_disabled_key(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        """Or one key would hold up a new master key for all."""
        create(ecr, "team/app")
        oci.push("team/app", IMAGE, "1")
        store.keys.set_disabled(KEY, disabled=True)
        assert store.keys.rotate(KEY) == 2
        assert store.copies.rewrap(KEY) == len(IMAGE.blobs)
        oci.refused(403, "DENIED", "GET", f"/v2/team/app/blobs/{LAYER.digest}")
        store.keys.set_disabled(KEY, disabled=False)
        pull(oci, "team/app")

    def test_an_upload_under_way_goes_on(self, ecr: Any, oci: OciCaller, store: Store) -> None:
        create(ecr, "team/app")
        location = oci.start_upload("team/app")
        oci.expect(202, "PATCH", location, b"abc")
        store.keys.rotate(KEY)
        oci.expect(202, "PATCH", location, b"def")
        oci.expect(201, "PUT", f"{location}?digest={sha256(b'abcdef')}")
        blob = oci.expect(200, "GET", f"/v2/team/app/blobs/{sha256(b'abcdef')}")
        assert blob.data == b"abcdef"


class TestDamage:
    @pytest.fixture(autouse=True)
    def pushed(self, ecr: Any, oci: OciCaller) -> None:
        create(ecr, "team/app")
        create(ecr, "team/other", OTHER_KEY)
        for name in ("team/app", "team/other"):
            oci.push(name, IMAGE, "1")

    def change(self, store: Store, position: int) -> None:
        path = store.path(LAYER.digest, KEY)
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)

    def test_what_is_cut_short_is_refused(self, app: App, store: Store) -> None:
        path = store.path(LAYER.digest, KEY)
        os.truncate(path, path.stat().st_size - 1)
        response = app.request(
            "GET",
            f"/v2/team/app/blobs/{LAYER.digest}",
            headers={"Authorization": f"Basic {app.token()}"},
        )
        assert response.status_code == 500
        assert "are damaged" in response.text

    def test_a_transfer_breaks_off_before_what_is_damaged(
        self, oci: OciCaller, store: Store
    ) -> None:
        self.change(store, -1)
        response = oci.expect(200, "GET", f"/v2/team/app/blobs/{LAYER.digest}")
        # The server breaks the connection off: that is fewer bytes than it said.
        assert int(response.headers["Content-Length"]) == len(LAYER.data)
        assert len(response.data) < len(LAYER.data)
        assert LAYER.data.startswith(response.data)

    def test_fsck_finds_it_and_a_push_mends_it(self, oci: OciCaller, store: Store) -> None:
        self.change(store, -1)
        assert store.faults() == [(CORRUPT, LAYER.digest)]
        faults = store.faults(repair=True)
        assert faults[0] == (CORRUPT, LAYER.digest)
        assert store.copies_of(LAYER.digest) == {key_name(OTHER_KEY)}
        pull(oci, "team/other")
        oci.push_blob("team/app", LAYER.data)
        assert store.faults() == []
        pull(oci, "team/app")

    def test_one_copy_is_missing(self, oci: OciCaller, store: Store) -> None:
        store.path(LAYER.digest, KEY).unlink()
        assert store.faults() == [(MISSING, LAYER.digest)]
        assert oci.request("HEAD", f"/v2/team/app/blobs/{LAYER.digest}").status_code == 404
        pull(oci, "team/other")


class TestTheSettingChanges:
    def test_on_and_off_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        ours = key_name(OWN_KEY)
        second = image_with(MARKER * 3)
        for encryption, before, after in (("off", {""}, {""}), ("on", {""}, {ours})):
            app = App(folder, encryption=encryption)
            store = Store(app, encryption=encryption)
            ecr, oci = app.ecr(), app.oci()
            if encryption == "off":
                ecr.create_repository(repositoryName="team/app")
                oci.push("team/app", IMAGE, "1")
                oci.push("team/app", second, "2")
            pull(oci, "team/app")
            assert store.copies_of(LAYER.digest) == before
            store.copies.make_missing()
            store.collect_garbage()
            assert store.copies_of(LAYER.digest) == before | after
            store.copies.collect(settle=True)
            assert store.copies_of(LAYER.digest) == after
            assert bool(store.readable()) == (encryption == "off")
            pull(oci, "team/app")
            assert store.faults() == []
            store.database.close()
            app.close()
        app = App(folder, encryption="off")
        store = Store(app)
        oci = app.oci()
        pull(oci, "team/app")
        store.collect_garbage()
        pull(oci, "team/app")
        assert store.faults() == []
        assert store.copies.make_missing() == 3
        store.copies.collect(settle=True)
        assert store.copies_of(LAYER.digest) == {""}
        pull(oci, "team/app")
        store.database.close()
        app.close()

    def test_in_the_middle_of_an_upload(self, tmp_path: Path) -> None:
        folder = tmp_path / "data"
        first = App(folder, encryption="on")
        first.ecr().create_repository(repositoryName="team/app")
        location = first.oci().start_upload("team/app")
        first.oci().expect(202, "PATCH", location, b"abc")
        second = first.another_process(encryption="off")
        second.oci().expect(202, "PATCH", location, b"def")
        digest = sha256(b"abcdef")
        second.oci().expect(201, "PUT", f"{location}?digest={digest}")
        for app in (first, second):
            blob = app.oci().expect(200, "GET", f"/v2/team/app/blobs/{digest}")
            assert blob.data == b"abcdef"
        first.close()
