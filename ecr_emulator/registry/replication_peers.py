"""Registries of other emulators as destinations of replication."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection

from ecr_emulator.blobs.store import BlobStore, UploadBusy
from ecr_emulator.db.engine import Database
from ecr_emulator.registry.images import ImageId
from ecr_emulator.registry.layers import Layers
from ecr_emulator.registry.replication_copy import DestinationUnavailable
from ecr_emulator.registry.replication_errors import ReplicationRefused
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.replication_source import Original
from ecr_emulator.registry.upstream_turns import TurnNeverCame, held_turn, my_turn, turn_id
from ecr_emulator.upstreams.client import UpstreamUnavailable
from ecr_emulator.upstreams.peer_repositories import PeerRefused, PeerRepository
from ecr_emulator.upstreams.peers import Peers
from ecr_emulator.upstreams.pools import ConnectionPools

#: How long to wait for another worker that gives or takes the same tag, in seconds.
_TAG_SECONDS = 30.0


class PeerDestination:
    """Sends to the registries that the emulator at *url* holds.

    It is the other emulator that decides what is allowed, makes repositories, keeps tags that
    are immutable, and tells of what arrived, all as :class:`.ImageArrivals` does here.
    """

    announces = True

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        layers: Layers,
        peers: Peers,
        pools: ConnectionPools,
        url: str,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._layers = layers
        self._peers = peers
        self._pools = pools
        self._url = url

    def has_image(self, route: Route, digest: str) -> bool:
        """Say whether an image is there; errors as :class:`.Destination` says."""
        with self._repository(route) as repository:
            return repository.has_manifest(digest)

    def receive(
        self,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool],
        conclude: Callable[[Connection], None],
    ) -> None:
        """Send an image; errors as :class:`.Destination` says."""
        self._send(route, original, tag, is_wanted, is_told=True)
        with self._database.write() as connection:
            conclude(connection)

    def receive_part(self, route: Route, original: Original) -> None:
        """Send an image of an index that is yet to come."""
        self._send(route, original, None, lambda: False, is_told=False)

    def delete(
        self, route: Route, gone: Sequence[ImageId], is_back: Callable[[ImageId], bool]
    ) -> list[ImageId]:
        """Delete images and tags, each as long as it is not at the source again."""
        with self._repository(route) as repository:
            pending = list(gone)
            while pending:
                held_up = [
                    item for item in pending if not self._delete(repository, route, item, is_back)
                ]
                if len(held_up) == len(pending):
                    return held_up
                pending = held_up
        return []

    def _delete(
        self,
        repository: PeerRepository,
        route: Route,
        item: ImageId,
        is_back: Callable[[ImageId], bool],
    ) -> bool:
        """Delete one image or tag; say whether that is settled."""
        digest = str(item.digest)
        turn = self._turn(route, digest) if item.tag is None else self._tag_turn(route, item.tag)
        with turn:
            return is_back(item) or repository.delete(digest, item.tag)

    def _send(
        self,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool],
        *,
        is_told: bool,
    ) -> None:
        """Send the layers that are not there, from their files, and then the manifest."""
        key, name = route.source, route.repository_name
        with self._repository(route) as repository, self._turn(route, original.digest):
            for digest in dict.fromkeys(layer.digest for layer in original.manifest.layers):
                if repository.has_blob(digest):
                    continue
                layer = self._layers.get(key, name, digest)
                with self._layers.open(key, name, layer) as file:
                    repository.push_blob(digest, layer.size, file)
            with self._tag_turn(route, tag):
                repository.push_manifest(
                    original.body,
                    original.manifest.media_type,
                    original.digest,
                    tag if tag is not None and is_wanted() else None,
                    (tag or "") if is_told else None,
                )

    @contextmanager
    def _tag_turn(self, route: Route, tag: str | None) -> Iterator[None]:
        """Let no other worker say meanwhile whose tag it is there: the later word would lose.

        :raises DestinationUnavailable: one does all the time.
        """
        if tag is None:
            yield
            return
        what = turn_id("replicated-tag", *route.to_json().values(), tag)
        try:
            with my_turn(self._blobs, what, _TAG_SECONDS):
                yield
        except TurnNeverCame:
            raise DestinationUnavailable("its tag is being replicated") from None

    @contextmanager
    def _turn(self, route: Route, digest: str) -> Iterator[None]:
        """Let no other worker send the same: a large layer may outlast the claim to a job.

        :raises DestinationUnavailable: one does.
        """
        what = turn_id("replication", *route.to_json().values(), digest)
        try:
            with held_turn(self._blobs, what):
                yield
        except UploadBusy:
            raise DestinationUnavailable("it is being sent already") from None

    @contextmanager
    def _repository(self, route: Route) -> Iterator[PeerRepository]:
        try:
            yield PeerRepository(
                self._peers,
                self._pools,
                self._url,
                route.source,
                route.destination,
                route.repository_name,
            )
        except PeerRefused as refusal:
            raise ReplicationRefused(refusal.code) from None
        except UpstreamUnavailable as error:
            raise DestinationUnavailable(f"{self._url}: {error}") from None
