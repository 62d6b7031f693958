"""Pulls of layers through the cache: of those that a cached image names and nobody has yet."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from ecr_emulator.arns import RegistryKey
from ecr_emulator.clock import Clock
from ecr_emulator.db.engine import Database
from ecr_emulator.db.hot_queries import HotQuery
from ecr_emulator.db.schema import image_layers, images, manifests, repositories
from ecr_emulator.registry.arriving_layers import ArrivingLayer, ArrivingLayers, Order
from ecr_emulator.registry.errors import LayersNotFound, RepositoryNotFound
from ecr_emulator.registry.image_imports import ImageImports
from ecr_emulator.registry.images import ACTIVE
from ecr_emulator.registry.layer_links import Layer, link_blob
from ecr_emulator.registry.layers import Layers
from ecr_emulator.registry.manifests import parse_manifest
from ecr_emulator.registry.permits import Permit
from ecr_emulator.registry.pull_through_errors import UpstreamLayerFailure
from ecr_emulator.registry.repository import find_repository
from ecr_emulator.registry.repository_blobs import RepositoryBlobs
from ecr_emulator.registry.upstream_sources import SecretMissing, UpstreamSources
from ecr_emulator.registry.upstream_turns import turn_id

#: The manifest of an image that names a layer, and its media type.
_NAMING = HotQuery(
    select(manifests.c.body, images.c.media_type, repositories.c.kms_key)
    .select_from(repositories)
    .join(images, images.c.repository_id == repositories.c.id)
    .join(image_layers, image_layers.c.image_id == images.c.id)
    .join(manifests, manifests.c.image_id == images.c.id)
    .where(
        repositories.c.account == bindparam("account"),
        repositories.c.region == bindparam("region"),
        repositories.c.name == bindparam("name"),
        image_layers.c.digest == bindparam("digest"),
        images.c.status == ACTIVE,
    )
    .limit(1)
)


class PullThroughLayers:
    """Pulls of layers through the cache."""

    def __init__(
        self,
        database: Database,
        blobs: RepositoryBlobs,
        layers: Layers,
        imports: ImageImports,
        sources: UpstreamSources,
        clock: Clock,
    ) -> None:
        self._database = database
        self._layers = layers
        self._imports = imports
        self._sources = sources
        self._clock = clock
        self._blobs = blobs
        self._arriving = ArrivingLayers()

    def get(
        self, key: RegistryKey, name: str, digest: str, permit: Permit | None
    ) -> Layer | ArrivingLayer:
        """Return a layer of the repository *name*; one that is on its way if it is yet to come.

        :param permit: asked before anything is fetched; ``None`` where that was done before.
        :raises RepositoryNotFound, LayersNotFound: there is none, nor does an image of the
            repository name it.
        :raises UpstreamLayerFailure: the upstream does not give it.
        :raises ServerFailure: it cannot be stored.
        :raises KmsFailure: the key that is to seal it cannot be used.
        """
        try:
            return self._layers.get(key, name, digest)
        except LayersNotFound:
            order = self._order(key, name, digest)
            if order is None:
                raise
        if permit is not None:
            permit("BatchImportUpstreamImage")
        return self._arriving.fetch(order)

    def check_downloadable(self, key: RegistryKey, name: str, digest: str, permit: Permit) -> None:
        """See to it that a layer is there, or comes (GetDownloadUrlForLayer).

        :raises LayerInaccessible: no image names it that is not archived.

        Other errors are those of :meth:`get`.
        """
        if isinstance(self.get(key, name, digest, permit), Layer):
            self._layers.check_downloadable(key, name, digest)

    def fetch_whole(self, key: RegistryKey, name: str, digest: str, permit: Permit) -> None:
        """See to it that a layer is there.

        Errors are those of :meth:`get`.
        """
        found = self.get(key, name, digest, permit)
        if isinstance(found, ArrivingLayer):
            found.wait()

    def _order(self, key: RegistryKey, name: str, digest: str) -> Order | None:
        """Return what to fetch; ``None`` when nothing says that the upstream has it."""
        parameters = {
            "account": key.account,
            "region": key.region,
            "name": name,
            "digest": digest,
        }
        row = _NAMING.first(self._database.reader(), parameters)
        source = None if row is None else self._sources.covering(key, name)
        if row is None or source is None:
            return None
        body, media_type, kms_key = row
        named = parse_manifest(body, media_type).layers
        size = next(item.size for item in named if item.digest == digest)
        layer = Layer(digest, size)
        try:
            upstream = self._sources.repository(key, source)
        except SecretMissing:
            raise UpstreamLayerFailure(None) from None
        key_id = self._blobs.key_id(kms_key)
        if key_id is not None:
            self._blobs.keys.prepare_alone(key_id)
        return Order(
            layer,
            turn_id("layer", key.account, key.region, name, digest),
            self._blobs.store(key_id),
            open=lambda: upstream.blob(digest, size),
            is_stored=lambda: self._is_stored(key, name, digest),
            open_stored=lambda: self._blobs.open(key_id, digest),
            store=lambda: self._store(key, name, layer),
        )

    def _is_stored(self, key: RegistryKey, name: str, digest: str) -> bool:
        try:
            self._layers.get(key, name, digest)
        except (RepositoryNotFound, LayersNotFound):
            return False
        return True

    def _store(self, key: RegistryKey, name: str, layer: Layer) -> None:
        with self._database.write() as connection:
            repository = find_repository(connection, key, name, for_update=True)
            link_blob(connection, repository.id, layer, self._clock.now())
            self._imports.announce_whole(connection, repository, layer.digest)
