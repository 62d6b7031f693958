"""What the collector takes and what it leaves, beside pushes, mounts and deletes too."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, func, select
from werkzeug.test import TestResponse

from ecr_emulator.blobs.filesystem import FilesystemBlobStore
from ecr_emulator.db import schema
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.garbage import EVERY, Collected, Garbage
from ecr_emulator.registry.repository_blobs import open_blobs
from tests.support.app import App, OciCaller
from tests.support.images import make_image, make_layer, manifest_of

NOTHING = Collected(0, 0, 0, 0)
GRACE = timedelta(hours=24)
MOMENT = timedelta(seconds=1)
TURNS = 15  # of each of the four who race


class Store:
    """The store of an application, as another process sees it."""

    def __init__(self, app: App, grace: timedelta = GRACE) -> None:
        self.app = app
        self.database = Database(app.settings.database_url)
        blobs = open_blobs(app.folder, self.database, app.clock)
        self._blobs = blobs.folder
        self.garbage = Garbage(self.database, blobs, app.clock, grace)

    def collect(self, after: timedelta = timedelta(0)) -> Collected:
        """Collect once the clock has gone forward; the dry run must have foretold it."""
        self.app.clock.advance(after)
        foretold = self.garbage.find()
        collected = self.garbage.collect()
        assert collected == foretold
        assert self.garbage.collect() == NOTHING
        return collected

    @property
    def blobs(self) -> set[str]:
        """The digests of the blobs' files."""
        return set(self._blobs.digests())

    @property
    def uploads(self) -> set[str]:
        """The ids of the uploads' files."""
        return set(self._blobs.uploads())

    def rows(self, table: Table) -> int:
        query = select(func.count()).select_from(table)
        return int(self.database.reader().execute(query).scalar_one())


@pytest.fixture
def store(app: App) -> Iterator[Store]:
    made = Store(app)
    yield made
    made.database.close()


@pytest.fixture
def repository(ecr: Any) -> str:
    ecr.put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    ecr.create_repository(repositoryName="app")
    return "app"


@pytest.fixture
def other(ecr: Any) -> str:
    ecr.create_repository(repositoryName="other")
    return "other"


def control(app: App, path: str) -> TestResponse:
    """Ask for something as a program on this machine."""
    return app.request("POST", path, environ={"REMOTE_ADDR": "127.0.0.1"})


def test_an_empty_store(store: Store) -> None:
    assert store.collect() == NOTHING


class TestLayers:
    def test_an_image_keeps_its_layers(self, store: Store, oci: OciCaller, repository: str) -> None:
        image = make_image()
        oci.push(repository, image, "v1")
        assert store.collect(after=timedelta(days=365)) == NOTHING
        for blob in image.blobs:
            path = f"/v2/{repository}/blobs/{blob.digest}"
            assert oci.app.oci().expect(200, "GET", path).data == blob.data

    def test_a_layer_that_no_image_names(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        digest = oci.push_blob(repository, b"abc")
        assert store.collect(after=GRACE - MOMENT) == NOTHING
        assert store.blobs == {digest}
        assert store.collect(after=MOMENT) == Collected(0, 1, 1, 3)
        assert store.blobs == set()
        assert store.rows(schema.blobs) == store.rows(schema.layers) == 0
        oci.app.oci().refused(404, "BLOB_UNKNOWN", "GET", f"/v2/{repository}/blobs/{digest}")

    def test_the_layers_of_a_deleted_image(
        self, store: Store, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        gone, kept = make_image(layers=2), make_image(layers=2)
        shared = gone.layers[0]
        oci.push(repository, gone, "gone")
        oci.push(repository, kept, "kept")
        oci.push_blob(repository, shared.data)
        store.app.clock.advance(GRACE)
        ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": "gone"}])
        collected = store.collect()
        assert collected == Collected(0, 3, 3, gone.size)
        assert store.blobs == {blob.digest for blob in kept.blobs}

    def test_a_blob_that_another_repository_needs(
        self, store: Store, oci: OciCaller, repository: str, other: str
    ) -> None:
        image = make_image()
        oci.push(repository, image, "v1")
        for blob in image.blobs:
            oci.push_blob(other, blob.data)
        assert store.collect(after=GRACE) == Collected(0, len(image.blobs), 0, 0)
        assert store.blobs == {blob.digest for blob in image.blobs}

    def test_an_image_of_another_repository_keeps_no_layer(
        self, store: Store, oci: OciCaller, repository: str, other: str
    ) -> None:
        """The layer is the repository's, and so is the image that keeps it."""
        digest = oci.push_blob(repository, b"abc")
        oci.expect(201, "POST", f"/v2/{other}/blobs/uploads/?mount={digest}&from={repository}")
        assert store.rows(schema.layers) == 2
        assert store.collect(after=GRACE) == Collected(0, 2, 1, 3)

    def test_a_deleted_repository(
        self, store: Store, ecr: Any, oci: OciCaller, repository: str, other: str
    ) -> None:
        image = make_image()
        oci.push(repository, image, "v1")
        oci.push_blob(other, image.layers[0].data)
        ecr.delete_repository(repositoryName=repository, force=True)
        # Nobody can read them: no grace is needed.
        freed = image.size - len(image.layers[0].data)
        assert store.collect() == Collected(0, 0, len(image.blobs) - 1, freed)
        assert store.blobs == {image.layers[0].digest}

    def test_a_deleted_blob(self, store: Store, oci: OciCaller, repository: str) -> None:
        digest = oci.push_blob(repository, b"abc")
        oci.expect(202, "DELETE", f"/v2/{repository}/blobs/{digest}")
        assert store.collect() == Collected(0, 0, 1, 3)

    @pytest.mark.parametrize("how", ["head", "batch", "upload", "mount"])
    def test_who_was_told_that_it_is_there_can_go_on(
        self, store: Store, oci: OciCaller, repository: str, other: str, how: str
    ) -> None:
        """An old layer without an image, which the next push would not upload again."""
        digest = oci.push_blob(repository, b"abc")
        oci.push_blob(other, b"abc")
        store.app.clock.advance(GRACE - MOMENT)
        if how == "head":
            store.app.oci().expect(200, "HEAD", f"/v2/{repository}/blobs/{digest}")
        elif how == "batch":
            (found,) = store.app.ecr().batch_check_layer_availability(
                repositoryName=repository, layerDigests=[digest]
            )["layers"]
            assert found["layerAvailability"] == "AVAILABLE"
        elif how == "upload":
            store.app.oci().push_blob(repository, b"abc")
        else:
            path = f"/v2/{repository}/blobs/uploads/?mount={digest}&from={other}"
            store.app.oci().expect(201, "POST", path)
        # The other repository's is as old as it was.
        assert store.collect(after=MOMENT) == Collected(0, 1, 0, 0)
        assert store.app.oci().expect(200, "GET", f"/v2/{repository}/blobs/{digest}").data
        assert store.collect(after=GRACE).blobs == 1

    def test_asking_often_writes_seldom(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        path = f"/v2/{repository}/blobs/{oci.push_blob(repository, b'abc')}"

        def linked_at() -> Any:
            query = select(schema.layers.c.linked_at)
            return store.database.reader().execute(query).scalar_one()

        first = linked_at()
        store.app.clock.advance(timedelta(hours=12))
        store.app.oci().expect(200, "HEAD", path)
        assert linked_at() == first
        store.app.clock.advance(MOMENT)
        store.app.oci().expect(200, "HEAD", path)
        assert linked_at() == store.app.clock.now()

    def test_a_push_between_the_look_and_the_delete(
        self, store: Store, oci: OciCaller, repository: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The image arrives after its layers were found to be idle, and before they go."""
        image = make_image()
        for blob in image.blobs:
            oci.push_blob(repository, blob.data)
        store.app.clock.advance(GRACE)
        drop = store.garbage._drop_layers

        def push_and_drop(*args: Any) -> int:
            path = f"/v2/{repository}/manifests/v1"
            headers = {"Content-Type": image.manifest.media_type}
            store.app.oci().expect(201, "PUT", path, image.manifest.data, headers)
            return drop(*args)

        monkeypatch.setattr(store.garbage, "_drop_layers", push_and_drop)
        assert store.garbage.collect() == NOTHING
        assert store.blobs == {blob.digest for blob in image.blobs}


class TestUploads:
    def test_one_that_nobody_went_on_with(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc")
        assert store.collect(after=GRACE - MOMENT) == NOTHING
        assert store.app.oci().expect(204, "GET", location).headers["Range"] == "0-2"
        assert store.collect(after=MOMENT) == Collected(1, 0, 0, 3)
        assert store.uploads == set()
        store.app.oci().refused(404, "BLOB_UPLOAD_UNKNOWN", "PATCH", location, b"def")

    def test_one_that_somebody_went_on_with(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        location = oci.start_upload(repository)
        store.app.clock.advance(GRACE - MOMENT)
        store.app.oci().expect(202, "PATCH", location, b"abc")
        assert store.collect(after=GRACE - MOMENT) == NOTHING

    def test_one_that_is_being_written_to(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        location = oci.start_upload(repository)
        upload_id = location.rpartition("/")[2]
        store.app.clock.advance(GRACE)
        with store._blobs.upload(upload_id):
            assert store.garbage.collect() == NOTHING
        assert store.uploads == {upload_id}

    def test_one_that_lost_its_bytes(self, store: Store, oci: OciCaller, repository: str) -> None:
        location = oci.start_upload(repository)
        oci.expect(202, "PATCH", location, b"abc")
        (store.app.folder / "uploads" / location.rpartition("/")[2]).unlink()
        assert store.collect(after=GRACE) == Collected(1, 0, 0, 3)
        assert store.rows(schema.uploads) == 0

    def test_those_of_a_deleted_repository(
        self, store: Store, ecr: Any, oci: OciCaller, repository: str
    ) -> None:
        oci.expect(202, "PATCH", oci.start_upload(repository), b"abc")
        ecr.delete_repository(repositoryName=repository)
        assert len(store.uploads) == 1
        assert store.collect().uploads == 1
        assert store.uploads == set()

    def test_one_that_begins_meanwhile(
        self, store: Store, oci: OciCaller, repository: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its file is there before its row is committed."""
        begun, go_on = threading.Event(), threading.Event()
        start = FilesystemBlobStore.start_upload

        def start_slowly(blob_store: FilesystemBlobStore, upload_id: str) -> None:
            start(blob_store, upload_id)
            begun.set()
            assert go_on.wait(10)

        monkeypatch.setattr(FilesystemBlobStore, "start_upload", start_slowly)
        with ThreadPoolExecutor(2) as pool:
            started = pool.submit(oci.start_upload, repository)
            assert begun.wait(10)
            collected = pool.submit(store.garbage.collect)
            go_on.set()
            location = started.result()
            assert collected.result() == NOTHING
        oci.expect(202, "PATCH", location, b"abc")


class TestCrashes:
    def test_bytes_that_were_never_recorded(
        self, store: Store, oci: OciCaller, repository: str
    ) -> None:
        kept = oci.push_blob(repository, b"kept")
        stray = store.app.folder / "blobs" / "sha256" / "ab" / ("ab" * 32)
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"stray")
        assert store.collect() == Collected(0, 0, 1, 5)
        assert store.blobs == {kept}

    def test_a_record_without_bytes(self, store: Store, oci: OciCaller, repository: str) -> None:
        digest = oci.push_blob(repository, b"abc")
        oci.expect(202, "DELETE", f"/v2/{repository}/blobs/{digest}")
        (path,) = (store.app.folder / "blobs").glob("*/*/*")
        path.unlink()
        assert store.garbage.collect().blobs == 1
        assert store.rows(schema.blobs) == 0

    def test_the_collector_is_cut_short(
        self, store: Store, oci: OciCaller, repository: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = oci.push_blob(repository, b"abc")
        oci.expect(202, "DELETE", f"/v2/{repository}/blobs/{digest}")

        def cut(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "unlink", cut)
            with pytest.raises(KeyboardInterrupt):
                store.garbage.collect()
        assert store.rows(schema.blobs) == 0
        assert store.blobs == {digest}
        assert store.collect() == Collected(0, 0, 1, 3)


class TestHowItIsCalled:
    def test_every_hour(self, app: App, oci: OciCaller, repository: str) -> None:
        store = Store(app)
        oci.push_blob(repository, b"abc")
        jobs = app.application.jobs
        jobs._queue_recurring()
        jobs._queue_recurring()
        app.clock.advance(EVERY - MOMENT)
        assert app.run_jobs() == 0
        app.clock.advance(MOMENT)
        assert app.run_jobs() == 1
        assert len(store.blobs) == 1
        app.clock.advance(GRACE - EVERY)
        assert app.run_jobs() == 1
        assert store.blobs == set()
        app.clock.advance(EVERY)
        assert app.run_jobs() == 1

    def test_it_goes_on_after_a_failure_and_a_reset(
        self, app: App, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app.application.jobs._queue_recurring()

        def fail(_: object) -> None:
            raise OSError("Input/output error")

        with monkeypatch.context() as patch:
            patch.setattr(FilesystemBlobStore, "uploads", fail)
            for _ in range(10):
                app.clock.advance(EVERY)
                assert app.run_jobs() == 1
        assert control(app, "/_emulator/reset").status_code == 200
        app.clock.advance(EVERY)
        assert app.run_jobs() == 1

    def test_the_control_endpoint(self, tmp_path: Path) -> None:
        app = App(tmp_path / "data", garbage_grace=1)
        app.ecr().create_repository(repositoryName="app")
        app.oci().push_blob("app", b"abc")
        app.clock.advance(timedelta(hours=1))
        found = {"uploads": 0, "layers": 1, "blobs": 1, "freed": 3}
        for path in ("/_emulator/gc?dry-run=true", "/_emulator/gc"):
            response = control(app, path)
            assert (response.status_code, response.get_json()) == (200, found)
        response = control(app, "/_emulator/gc")
        assert response.get_json() == {"uploads": 0, "layers": 0, "blobs": 0, "freed": 0}
        app.close()

    def test_the_command(self, app: App, oci: OciCaller, repository: str) -> None:
        oci.push_blob(repository, os.urandom(3000))
        oci.start_upload(repository)

        def gc(*options: str) -> str:
            command = [sys.executable, "-m", "ecr_emulator", "gc", "--data-dir", str(app.folder)]
            done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
            return done.stdout

        assert gc() == "removed 0 uploads, 0 layers, 0 blobs: 0 bytes\n"
        whole = "1 upload, 1 layer, 1 blob: 2.9 KiB\n"
        assert gc("--garbage-grace", "0", "--dry-run") == f"would remove {whole}"
        assert gc("--garbage-grace", "0") == f"removed {whole}"
        assert gc("--garbage-grace", "0") == "removed 0 uploads, 0 layers, 0 blobs: 0 bytes\n"


def test_a_race_of_pushes_mounts_deletes_and_collectors(
    app: App, store: Store, repository: str
) -> None:
    """Whatever goes on beside it, what was acknowledged is there, and nothing else stays.

    Two processes push the same few layers to repositories of their own and mount them from each
    other, and delete images, blobs and repositories again, while two collectors run.
    """
    pool_of_layers = [make_layer(size=200)[0] for _ in range(6)]
    configs = [make_image(layers=0).config for _ in range(3)]
    done = threading.Event()
    collected, mounted = [], []

    def collect(grace: timedelta) -> None:
        mine = Store(app, grace)
        while not done.is_set():
            collected.append(mine.garbage.collect())
        mine.database.close()

    def work(number: int) -> int:
        process = app if number % 2 else app.another_process()
        chance = random.Random(number)
        caller, client = process.oci(), process.ecr()
        name = f"race-{number}"
        client.create_repository(repositoryName=name)
        pulled = 0
        for turn in range(TURNS):
            config, some = chance.choice(configs), chance.sample(pool_of_layers, 3)
            for blob in (config, *some):
                # Some name where it may be, others let the registry look for it.
                source = chance.choice(["", f"&from=race-{chance.randrange(4)}"])
                path = f"/v2/{name}/blobs/uploads/?mount={blob.digest}{source}"
                if caller.request("POST", path).status_code == 201:
                    mounted.append(source)
                else:
                    caller.push_blob(name, blob.data)
                found = caller.expect(200, "GET", f"/v2/{name}/blobs/{blob.digest}")
                assert found.data == blob.data
            image = manifest_of(config, some)
            path = f"/v2/{name}/manifests/v{turn}"
            caller.expect(201, "PUT", path, image.data, {"Content-Type": image.media_type})
            for blob in (config, *some):
                found = caller.expect(200, "GET", f"/v2/{name}/blobs/{blob.digest}")
                assert found.data == blob.data
                pulled += 1
            fate = chance.randrange(3)
            if fate == 0:
                client.delete_repository(repositoryName=name, force=True)
                client.create_repository(repositoryName=name)
            elif fate == 1:
                caller.expect(202, "DELETE", f"/v2/{name}/manifests/{image.digest}")
                for blob in some:
                    caller.request("DELETE", f"/v2/{name}/blobs/{blob.digest}")
        client.delete_repository(repositoryName=name, force=True)
        return pulled

    with ThreadPoolExecutor(6) as pool:
        collectors = [pool.submit(collect, GRACE) for _ in range(2)]
        try:
            workers = [pool.submit(work, number) for number in range(4)]
            assert sum(worker.result() for worker in workers) == 4 * TURNS * 4
        finally:
            done.set()
        for collector in collectors:
            collector.result()

    assert sum(one.blobs for one in collected) > 0, "the collectors had nothing to do"
    assert "" in mounted, "nothing was mounted from where the registry found it"
    assert any(mounted), "nothing was mounted from where it was said to be"
    store.garbage.collect()
    assert store.blobs == store.uploads == set()
    assert store.rows(schema.blobs) == store.rows(schema.layers) == store.rows(schema.uploads) == 0
