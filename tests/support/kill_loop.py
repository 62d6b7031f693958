"""Clients that keep account of what a server acknowledged, while it is killed again and again.

Each client has repositories of its own, so it knows all that may be in them: what was answered
with success is there, whole; what was answered with nothing is there whole or not at all; an
upload goes on from at least where its last answer said that it was.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import urllib3
from botocore.exceptions import EndpointConnectionError, HTTPClientError

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.fsck import STRAY, StoreCheck
from ecr_emulator.registry.repository_blobs import open_blobs
from tests.clients.caller import Caller
from tests.support.images import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Blob, manifest_of, sha256
from tests.support.oci_client import OciClient
from tests.support.server import ServerProcess

CLIENTS = 8
TAGS = 4
#: Seconds that a server lives, at least and at most: long enough to start over and to work.
LIFE = (0.1, 1.2)
PATIENCE = 60.0

#: What a client sees of a server that is killed.
GONE = (urllib3.exceptions.HTTPError, HTTPClientError, EndpointConnectionError, OSError)


class Broken(AssertionError):
    """The server broke its word; the text says how."""


@dataclass
class Pending:
    """An upload under way: what it is to become, and how far the server said it has come."""

    blob: Blob
    location: str
    acknowledged: int = 0
    ending: bool = False


@dataclass
class Account:
    """What a client knows of its repository.

    :ivar blobs: the layers that were acknowledged, by digest.
    :ivar images: the manifests that were acknowledged and not deleted, by digest.
    :ivar tags: the digests of the images that they name.
    :ivar unsure: what a request without an answer may have done: the state before and after.
    """

    blobs: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, bytes] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    repositories: set[str] = field(default_factory=set)
    unsure: tuple[dict[str, str], dict[str, bytes]] | None = None
    unsure_blobs: dict[str, bytes] = field(default_factory=dict)
    pending: Pending | None = None


class Client:
    """Pushes, deletes and resumes, and holds the server to its answers.

    :param shared: layers that all clients push.
    """

    def __init__(self, caller: Caller, number: int, seed: int, shared: list[Blob]) -> None:
        self._caller = caller
        self._oci: OciClient = caller.oci()
        self._chance = random.Random(f"{seed}-{number}")
        self._shared = shared
        self.name = f"kill/{number}"
        self.account = Account()
        self.acknowledged = self.resumed = 0
        caller.create_repository(self.name)

    # -- one thing at a time ----------------------------------------------------------------

    def step(self) -> None:
        """Do one thing, and write down what was acknowledged."""
        kind = self._chance.choices(["image", "delete", "repository"], [8, 2, 1])[0]
        if kind == "image":
            self._push_image()
        elif kind == "delete" and self.account.tags:
            self._delete()
        else:
            self._create_repository()

    def recover(self) -> None:
        """Find out what became of the request that was never answered, and go on from there."""
        self._settle_images()
        self._settle_blobs()
        if self.account.pending is not None:
            self._resume(self.account.pending)

    def verify(self) -> None:
        """Compare all that was acknowledged with what the server has."""
        account = self.account
        for digest, data in account.blobs.items():
            self._expect_blob(digest, data)
        for digest, data in account.images.items():
            if self._manifest(digest) != data:
                raise Broken(f"{self.name}: the image {digest} is lost")
        tags = {tag: sha256(self._manifest(tag) or b"") for tag in self._oci.tags(self.name)}
        if tags != account.tags:
            raise Broken(f"{self.name}: tags are {tags}, acknowledged were {account.tags}")
        for name in account.repositories:
            self._caller.ecr.describe_repositories(repositoryNames=[name])

    # -- images -----------------------------------------------------------------------------

    def _push_image(self) -> None:
        layers = [self._layer() for _ in range(self._chance.randint(1, 3))]
        config = Blob(OCI_CONFIG, json.dumps({"unique": self._chance.random()}).encode())
        for blob in (*layers, config):
            if blob.digest not in self.account.blobs:
                self._push_blob(blob)
        manifest = manifest_of(config, layers)
        tag = f"v{self._chance.randrange(TAGS)}"
        account = self.account
        tags = {**account.tags, tag: manifest.digest}
        images = {**account.images, manifest.digest: manifest.data}
        self._change(tags, images, lambda: self._oci.put_manifest(self.name, tag, manifest))

    def _delete(self) -> None:
        """Delete an image with its tags."""
        account = self.account
        digest = account.tags[self._chance.choice(sorted(account.tags))]
        tags = {tag: named for tag, named in account.tags.items() if named != digest}
        images = {known: data for known, data in account.images.items() if known != digest}
        path = f"/v2/{self.name}/manifests/{digest}"
        self._change(tags, images, lambda: self._oci.expect(202, "DELETE", path))

    def _change(
        self, tags: dict[str, str], images: dict[str, bytes], request: Callable[[], object]
    ) -> None:
        self.account.unsure = (tags, images)
        request()
        self._settle(tags, images)

    def _settle(self, tags: dict[str, str], images: dict[str, bytes]) -> None:
        self.account.tags, self.account.images, self.account.unsure = tags, images, None
        self.acknowledged += 1

    def _settle_images(self) -> None:
        """The change without an answer was made whole or not at all."""
        account = self.account
        if account.unsure is None:
            return
        tags, images = account.unsure
        (changed,) = set(images) ^ set(account.images)
        made = (self._manifest(changed) is not None) is (changed in images)
        wanted = (tags, images) if made else (account.tags, account.images)
        found = {tag: sha256(self._manifest(tag) or b"") for tag in self._oci.tags(self.name)}
        if found != wanted[0]:
            raise Broken(f"{self.name}: of a change a part was made: {found} for {wanted[0]}")
        self._settle(*wanted)

    def _manifest(self, reference: str) -> bytes | None:
        path = f"/v2/{self.name}/manifests/{reference}"
        answer = self._oci.request("GET", path, headers={"Accept": OCI_MANIFEST})
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise Broken(f"GET {path}: {answer.status} {answer.data!r}")
        return bytes(answer.data)

    # -- blobs ------------------------------------------------------------------------------

    def _layer(self) -> Blob:
        if self._chance.random() < 0.4:
            return self._chance.choice(self._shared)
        size = self._chance.choice([100, 5_000, 200_000, 2_000_000])
        return Blob(OCI_LAYER, self._chance.randbytes(size))

    def _push_blob(self, blob: Blob) -> None:
        if self._chance.random() < 0.3:
            self.account.unsure_blobs[blob.digest] = blob.data
            path = f"/v2/{self.name}/blobs/uploads/?digest={blob.digest}"
            self._oci.expect(201, "POST", path, blob.data)
            self._has(blob)
            return
        self.account.pending = Pending(blob, self._oci.start_upload(self.name))
        self._go_on(self.account.pending)

    def _go_on(self, pending: Pending) -> None:
        """Send the rest of an upload in a few chunks, the last one perhaps with its end."""
        data = pending.blob.data
        while pending.acknowledged < len(data) and self._chance.random() < 0.9:
            size = max(1, len(data) // self._chance.randint(1, 4))
            chunk = data[pending.acknowledged : pending.acknowledged + size]
            self._oci.upload_chunk(pending.location, chunk, pending.acknowledged)
            pending.acknowledged += len(chunk)
        pending.ending = True
        rest = data[pending.acknowledged :]
        self._oci.finish_upload(pending.location, pending.blob.digest, rest)
        self._has(pending.blob)

    def _has(self, blob: Blob) -> None:
        self.account.blobs[blob.digest] = blob.data
        self.account.unsure_blobs.pop(blob.digest, None)
        self.account.pending = None
        self.acknowledged += 1

    def _resume(self, pending: Pending) -> None:
        answer = self._oci.request("GET", pending.location)
        if answer.status == 404 and pending.ending:
            # It ended, and only the answer was lost.
            self._expect_blob(pending.blob.digest, pending.blob.data)
            self._has(pending.blob)
            return
        if answer.status != 204:
            raise Broken(f"{self.name}: an upload is gone: {answer.status} {answer.data!r}")
        offset = int(answer.headers["Range"].partition("-")[2])
        offset += 1 if offset else 0
        if not pending.acknowledged <= offset <= len(pending.blob.data):
            raise Broken(f"{self.name}: an upload lost bytes: {offset} of {pending.acknowledged}")
        pending.acknowledged = offset
        self.resumed += 1
        self._go_on(pending)

    def _settle_blobs(self) -> None:
        """A blob whose push was not answered is there whole or not at all."""
        for digest, data in list(self.account.unsure_blobs.items()):
            if self._oci.has_blob(self.name, digest):
                self._expect_blob(digest, data)
                self.account.blobs[digest] = data
            del self.account.unsure_blobs[digest]

    def _expect_blob(self, digest: str, data: bytes) -> None:
        answer = self._oci.request("GET", f"/v2/{self.name}/blobs/{digest}")
        if answer.status != 200 or answer.data != data:
            held = f"{len(answer.data)} bytes of {len(data)}"
            raise Broken(f"{self.name}: the blob {digest} is lost: {answer.status}, {held}")

    # -- the other door ---------------------------------------------------------------------

    def _create_repository(self) -> None:
        name = f"{self.name}/more-{len(self.account.repositories)}"
        answer = self._caller.ecr.describe_repositories()
        if "repositories" not in answer:
            headers = answer["ResponseMetadata"]["HTTPHeaders"]
            if "content-length" in headers:
                raise Broken(f"{self.name}: DescribeRepositories answered nothing: {headers}")
            # Cut off within its head, which Python's client takes for an empty answer.
            raise ConnectionError("an answer broke off")
        if all(one["repositoryName"] != name for one in answer["repositories"]):
            with contextlib.suppress(self._caller.ecr.exceptions.RepositoryAlreadyExistsException):
                self._caller.create_repository(name)
        self.account.repositories.add(name)
        self.acknowledged += 1


class KillLoop:
    """A server under load that is killed at random moments, as often as it takes.

    :param folder: its data and what clients need.
    :param seed: what the clients do and when the server dies.
    :param settings: of the server.
    """

    def __init__(self, folder: Path, seed: int, **settings: object) -> None:
        self.folder = folder
        self._settings = settings
        self._chance = random.Random(seed)
        self._server = ServerProcess(folder / "data", **settings)
        self._up = threading.Event()
        self._done = threading.Event()
        self._failures: list[BaseException] = []
        self.kills = 0
        shared = [Blob(OCI_LAYER, self._chance.randbytes(150_000)) for _ in range(6)]
        callers = [Caller(self._server.url, folder) for _ in range(CLIENTS)]
        self.clients = [
            Client(caller, number, seed, shared) for number, caller in enumerate(callers)
        ]

    def run(self, kills: int) -> None:
        """Kill the server *kills* times, then compare all that was acknowledged.

        :raises Broken: something was lost, or partial, or stuck.
        """
        threads = [threading.Thread(target=self._work, args=(one,)) for one in self.clients]
        self._up.set()
        try:
            for thread in threads:
                thread.start()
            while self.kills < kills and not self._failures:
                self._kill_and_restart()
        finally:
            self._done.set()
            self._up.set()
            for thread in threads:
                thread.join(PATIENCE)
                if thread.is_alive():
                    self._failures.append(Broken("a client waits for ever"))
        if self._failures:
            raise self._failures[0]
        for client in self.clients:
            client.verify()
        self._server.stop()
        self._expect_sound_store()

    def stop(self) -> None:
        """End the server, however it went."""
        self._server.stop()

    @property
    def acknowledged(self) -> int:
        """How many changes were acknowledged."""
        return sum(client.acknowledged for client in self.clients)

    @property
    def resumed(self) -> int:
        """How many uploads went on after a kill."""
        return sum(client.resumed for client in self.clients)

    def _kill_and_restart(self) -> None:
        self._done.wait(self._chance.uniform(*LIFE))
        self._up.clear()
        port, log = self._server.port, self._server.log
        os.killpg(self._server.pid, signal.SIGKILL)
        self._server.kill()
        self.kills += 1
        if "Traceback" in log:
            self._failures.append(Broken(log))
        self._server = ServerProcess(self.folder / "data", port, **self._settings)
        self._up.set()

    def _work(self, client: Client) -> None:
        """Be a client until the loop is over; the last word is a recovery that succeeds."""
        try:
            recovering = False
            while not (self._done.is_set() and not recovering):
                self._up.wait()
                try:
                    if recovering:
                        client.recover()
                        recovering = False
                    else:
                        client.step()
                except GONE:
                    recovering = True
        except BaseException as error:  # noqa: BLE001 - told by run()
            self._failures.append(error)

    def _expect_sound_store(self) -> None:
        """Nothing but garbage may be left of what was cut short, each blob stored once."""
        database = Database(f"sqlite:///{self.folder / 'data' / 'registry.sqlite3'}")
        blobs = open_blobs(self.folder / "data", database, Clock())
        try:
            faults = [one for one in StoreCheck(database, blobs).run() if one.kind != STRAY]
        finally:
            database.close()
        if faults:
            raise Broken(f"the store is not sound: {faults}")
