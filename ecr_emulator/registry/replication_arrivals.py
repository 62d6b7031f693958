"""What replication brings to the registries of this installation.

It comes from a registry of the same installation, or from another emulator's by the OCI door;
what is allowed, which repository is made, and what becomes of tags is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from sqlalchemy import Connection, delete

from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.schema import image_tags, images, layers
from ecr_emulator.db.upsert import insert_once, put_row
from ecr_emulator.digests import algorithm_of, digest_bytes
from ecr_emulator.quotas import ServiceQuotas
from ecr_emulator.registry.creation_templates import REPLICATION, create_from_template
from ecr_emulator.registry.errors import ImageDigestDoesNotMatch, RepositoryNotFound
from ecr_emulator.registry.image_deletes import indexes_listing, remove_tag
from ecr_emulator.registry.images import ImageId, find_image
from ecr_emulator.registry.manifests import parse_manifest
from ecr_emulator.registry.new_images import store_image
from ecr_emulator.registry.pushes import Push
from ecr_emulator.registry.registry_rules import registry_rules
from ecr_emulator.registry.replication_access import (
    CREATE_REPOSITORY,
    REPLICATE_IMAGE,
    decide_replication,
)
from ecr_emulator.registry.replication_errors import ReplicationDenied
from ecr_emulator.registry.replication_log import ReplicationHook
from ecr_emulator.registry.replication_outcomes import Outcome
from ecr_emulator.registry.replication_queue import Route
from ecr_emulator.registry.replication_source import Original, source_layers
from ecr_emulator.registry.repository import Repository, find_repository
from ecr_emulator.registry.repository_blobs import OtherKey, RepositoryBlobs
from ecr_emulator.registry.resource_tags import tags_of
from ecr_emulator.registry.scan_queue import ScanQueue


class ImageArrivals:
    """Stores, tags and deletes what another registry replicates.

    :param on_arrival: told of what comes from another emulator.
    """

    #: Whether the destination itself writes the event of what arrived.
    announces = False

    def __init__(
        self,
        database: Database,
        blobs: RepositoryBlobs,
        scans: ScanQueue,
        quotas: ServiceQuotas,
        clock: Clock,
        on_arrival: ReplicationHook,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._on_arrival = on_arrival
        self._scans = scans
        self._quotas = quotas
        self._clock = clock

    def has_image(self, route: Route, digest: str) -> bool:
        """Say whether an image is at the destination."""
        connection = self._database.reader()
        try:
            repository = find_repository(connection, route.destination, route.repository_name)
        except RepositoryNotFound:
            return False
        return find_image(connection, repository, ImageId(digest=digest)) is not None

    def receive(
        self,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool],
        conclude: Callable[[Connection], None],
    ) -> None:
        """Copy an image that this installation has: blobs are kept once for all registries.

        Only where another key seals the destination's blobs, they are copied too, before the
        transaction, so that nobody is kept from writing meanwhile.

        :param conclude: called in the transaction.
        :raises RegistryError: it cannot arrive.
        """
        with ExitStack() as copies:
            try:
                self._receive(route, original, tag, is_wanted, conclude)
                return
            except OtherKey as other:
                lacking = other
            for layer in lacking.layers:
                copies.enter_context(self._blobs.copied_layer(layer, lacking))
            self._receive(route, original, tag, is_wanted, conclude)

    def _receive(
        self,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool],
        conclude: Callable[[Connection], None],
    ) -> None:
        with self._database.write() as connection:
            # Looked up in here: the source may have lost it since, and its blobs with it.
            linked = source_layers(connection, route, original.digest)
            source = find_repository(connection, route.source, route.repository_name)
            destination = self.destination(connection, route)
            self._blobs.check_copies(linked, source.kms_key, destination.kms_key)
            self.arrive(connection, route, original, tag, is_wanted, linked=linked)
            conclude(connection)

    def receive_part(self, route: Route, original: Original) -> None:
        """Copy an image of an index that is yet to come.

        :raises RegistryError: it cannot arrive.
        """
        self.receive(route, original, None, lambda: False, lambda _connection: None)

    def put(
        self,
        route: Route,
        body: bytes,
        media_type: str | None,
        digest: str,
        tag: str | None,
        announced: str | None,
    ) -> None:
        """Take a manifest that another emulator sends, and give it *tag*.

        :param announced: the tag it was pushed with, maybe empty, by which it is told of; ``None``
            for an image of an index that is yet to come, of which nobody is told.
        :raises ImageDigestDoesNotMatch: the manifest does not have the digest.
        :raises InvalidParameter: it is none.

        Other errors are those of :meth:`arrive`.
        """
        actual = digest_bytes(body, algorithm_of(digest))
        if actual != digest:
            raise ImageDigestDoesNotMatch(digest, actual)
        original = Original(digest, body, parse_manifest(body, media_type))
        with self._database.write() as connection:
            self.arrive(connection, route, original, tag)
            if announced is not None:
                self._on_arrival(connection, route, digest, announced or None, Outcome())

    def arrive(
        self,
        connection: Connection,
        route: Route,
        original: Original,
        tag: str | None,
        is_wanted: Callable[[], bool] = lambda: True,
        *,
        linked: Iterable[str] = (),
    ) -> None:
        """Store an image, and give it *tag*.

        A tag that names another image there moves, unless it is immutable: then the image
        arrives without it (user guide, "Private image replication").

        :param is_wanted: says whether it is to have the tag, once the repository is locked.
        :param linked: layers of the image that the repository is to have, which are in the store.
        :raises ReplicationDenied: the destination does not let the source.
        :raises LayersNotFound, ReferencedImagesNotFound: it lacks what the manifest names.
        """
        now = self._clock.now()
        repository = self.destination(connection, route)
        image = find_image(connection, repository, ImageId(digest=original.digest))
        if image is None:
            for layer in linked:
                insert_once(
                    connection, layers, repository_id=repository.id, digest=layer, linked_at=now
                )
            image = store_image(
                connection, repository, original.manifest, original.digest, original.body, now
            )
            # Likeliest: what arrives is scanned as what is pushed.
            rules = registry_rules(connection, repository.key)
            self._scans.image_pushed(connection, Push(repository, image, None, rules))
        if tag is None or not is_wanted():
            return
        tagged = find_image(connection, repository, ImageId(tag=tag))
        if tagged is not None and (
            tagged.id == image.id or repository.tag_mutability.is_immutable(tag)
        ):
            return
        put_row(
            connection,
            image_tags,
            repository_id=repository.id,
            tag=tag,
            image_id=image.id,
            tagged_at=now,
        )

    def destination(self, connection: Connection, route: Route) -> Repository:
        """Return the repository at the destination, made if need be and allowed.

        :raises ReplicationDenied: the destination does not let the source.
        """
        key, name = route.destination, route.repository_name
        try:
            repository = find_repository(connection, key, name, for_update=True)
        except RepositoryNotFound:
            self._check(connection, route, REPLICATE_IMAGE, None)
            self._check(connection, route, CREATE_REPOSITORY, None)
            return create_from_template(
                connection, key, name, REPLICATION, self._clock.now(), self._quotas
            )
        self._check(connection, route, REPLICATE_IMAGE, repository)
        return repository

    def make_destination(self, route: Route) -> None:
        """See to it that the repository at the destination is there.

        :raises ReplicationDenied: the destination does not let the source.
        """
        with self._database.write() as connection:
            self.destination(connection, route)

    def check(self, route: Route) -> None:
        """Check that the destination lets the source replicate to the repository.

        :raises ReplicationDenied: it does not.
        :raises RepositoryNotFound: it does, but the repository is not there yet.
        """
        connection = self._database.reader()
        try:
            repository = find_repository(connection, route.destination, route.repository_name)
        except RepositoryNotFound:
            self._check(connection, route, REPLICATE_IMAGE, None)
            raise
        self._check(connection, route, REPLICATE_IMAGE, repository)

    def delete(
        self, route: Route, gone: Sequence[ImageId], is_back: Callable[[ImageId], bool]
    ) -> list[ImageId]:
        """Delete at the destination; return what indexes hold up that are not deleted with it.

        :param gone: a digest for an image, digest and tag for a tag of it.
        :param is_back: says whether what was deleted is at the source again, and so stays.
        :raises ReplicationDenied: the destination does not let the source.
        """
        with self._database.write() as connection:
            try:
                there = find_repository(
                    connection, route.destination, route.repository_name, for_update=True
                )
            except RepositoryNotFound:
                return []
            self._check(connection, route, REPLICATE_IMAGE, there)
            pending = list(gone)
            while pending:
                held_up = [
                    item
                    for item in pending
                    if not is_back(item) and not _delete(connection, there, item)
                ]
                if len(held_up) == len(pending):
                    return held_up
                pending = held_up
        return []

    def _check(
        self, connection: Connection, route: Route, action: str, repository: Repository | None
    ) -> None:
        decision = decide_replication(
            connection,
            route.source,
            route.destination,
            route.repository_name,
            action,
            repository_tags={} if repository is None else tags_of(connection, repository.id),
            now=self._clock.now(),
        )
        if not decision.allowed:
            raise ReplicationDenied(decision.reason)


def _delete(connection: Connection, there: Repository, item: ImageId) -> bool:
    """Delete one image or tag; say whether that is settled, and not held up by an index."""
    image = find_image(connection, there, item)
    if image is None:
        return True
    if item.tag is not None:
        remove_tag(connection, there, item.tag)
        return True
    if indexes_listing(connection, there, image):
        return False
    connection.execute(delete(images).where(images.c.id == image.id))
    return True
