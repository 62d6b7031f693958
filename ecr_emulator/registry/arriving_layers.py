"""Layers on their way from an upstream: fetched once, read by many while they come.

A thread of its own takes a layer to the store, so that it does not matter to anybody when a
client goes away or is slow. Clients read the file that grows. Its last byte they get when the
whole was found to have its digest and is a layer of the repository: none ever takes for whole
what is not.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from sqlalchemy.exc import SQLAlchemyError

from ecr_emulator import home_processor
from ecr_emulator.blobs.store import (
    BlobDamaged,
    BlobMissing,
    BlobStore,
    BlobStoreError,
    Progress,
    UploadBusy,
)
from ecr_emulator.digests import digest_bytes
from ecr_emulator.registry.errors import RegistryError, ServerFailure
from ecr_emulator.registry.layer_links import Layer
from ecr_emulator.registry.pull_through_errors import (
    UNAVAILABLE,
    UpstreamLayerFailure,
    upstream_failure_code,
)
from ecr_emulator.registry.upstream_turns import held_turn
from ecr_emulator.upstreams.client import (
    LAYER_SECONDS,
    SILENCE_SECONDS,
    UpstreamError,
    UpstreamUnavailable,
)

#: Layers that one process fetches at the same time; more wait.
_AT_ONCE = 16
_CHUNK = 256 * 1024
_PAUSE = 0.02
#: How long nothing may come before a reader gives up, in seconds.
_PATIENCE = SILENCE_SECONDS * 2
_EMPTY = Progress(0, digest_bytes(b""))


@dataclass(frozen=True, slots=True)
class Order:
    """A layer to fetch.

    :ivar turn: the id of the upload that it is written to.
    :ivar blobs: what it is to be stored in.
    :ivar open: opens it at the upstream.
    :ivar is_stored: says whether the repository has it.
    :ivar open_stored: opens it, once the repository has it.
    :ivar store: records it, while the blob cannot be collected.
    """

    layer: Layer
    turn: str
    blobs: BlobStore
    open: Callable[[], AbstractContextManager[Iterator[bytes]]]
    is_stored: Callable[[], bool]
    open_stored: Callable[[], BinaryIO]
    store: Callable[[], None]


class ArrivingLayer:
    """A layer that is being fetched, here or in another process, for one reader."""

    def __init__(self, order: Order, fetch: _Fetch | None) -> None:
        self.layer = order.layer
        self._order = order
        self._fetch = fetch

    def wait(self) -> Layer:
        """Wait until it is stored, and return it.

        :raises UpstreamLayerFailure, ServerFailure: it never is.
        """
        for _ in self.chunks():
            pass
        return self.layer

    def chunks(self) -> LayerChunks:
        """Return the bytes as they come."""
        return LayerChunks(self._order, self._fetch)


class LayerChunks:
    """Iterates over the bytes of a layer as they come. Close it in any case.

    :raises UpstreamLayerFailure, ServerFailure: from the iteration: the rest does not come.
    """

    def __init__(self, order: Order, fetch: _Fetch | None) -> None:
        self._order, self._fetch = order, fetch
        self._left = order.layer.size
        self._file: BinaryIO | None = None
        self._is_stored = False
        self._last_byte_at = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while True:
            chunk = self._read()
            if chunk:
                self._left -= len(chunk)
                self._last_byte_at = time.monotonic()
                return chunk
            if self._is_stored:
                self.close()
                if self._left:
                    raise ServerFailure(
                        f"The bytes of the layer with digest '{self._order.layer.digest}' are "
                        "missing from the registry's storage"
                    )
                raise StopIteration
            self._wait()

    def close(self) -> None:
        """Close the file; the fetch goes on."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> bytes:
        # All but the last byte, until all has come.
        wanted = min(_CHUNK, self._left if self._is_stored else self._left - 1)
        if wanted <= 0:
            return b""
        try:
            if self._file is None:
                self._file = (
                    self._order.open_stored()
                    if self._is_stored
                    else self._order.blobs.open_upload(self._order.turn)
                )
                self._file.seek(self._order.layer.size - self._left)
            return self._file.read(wanted)
        except BlobMissing:
            return b""
        except BlobDamaged:
            # What was open may be what a crash left behind, being written anew.
            self.close()
            return b""

    def _wait(self) -> None:
        """Wait for more to come, or to know that it does not."""
        fetch = self._fetch
        over = fetch is not None and fetch.finished.wait(_PAUSE)
        if self._order.is_stored():
            self._is_stored = True
            # What was open may be an earlier attempt's.
            self.close()
            return
        if fetch is not None and over:
            raise fetch.error or UpstreamLayerFailure(UNAVAILABLE)
        if fetch is None:
            time.sleep(_PAUSE)
            if self._is_abandoned() and not self._order.is_stored():
                self.close()
                raise UpstreamLayerFailure(UNAVAILABLE)
        if time.monotonic() - self._last_byte_at > _PATIENCE:
            self.close()
            raise UpstreamLayerFailure(UNAVAILABLE)

    def _is_abandoned(self) -> bool:
        """Say whether the file that is read has lost its name: its fetch is over."""
        return self._file is not None and os.fstat(self._file.fileno()).st_nlink == 0


class _Fetch:
    """One fetch of this process."""

    def __init__(self) -> None:
        #: It is known whether the layer comes.
        self.begun = threading.Event()
        self.finished = threading.Event()
        self.error: RegistryError | None = None
        #: Somebody else fetches it.
        self.is_elsewhere = False


class ArrivingLayers:
    """All layers on their way."""

    def __init__(self) -> None:
        self._fetches: dict[str, _Fetch] = {}
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_AT_ONCE)

    def fetch(self, order: Order) -> ArrivingLayer:
        """Fetch a layer, unless that is being done; return it for reading when it comes.

        :raises UpstreamLayerFailure: the upstream does not give it.
        :raises ServerFailure: it cannot be stored.
        """
        # A new thread may run where the one may that starts it.
        home_processor.roam()
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            with self._lock:
                fetch = self._fetches.get(order.turn)
                if fetch is None:
                    fetch = self._fetches[order.turn] = _Fetch()
                    threading.Thread(target=self._run, args=(order, fetch), daemon=True).start()
            fetch.begun.wait(_PATIENCE)
            if fetch.error is not None:
                raise fetch.error
            if not fetch.is_elsewhere:
                return ArrivingLayer(order, fetch)
            if order.is_stored() or _is_coming(order):
                return ArrivingLayer(order, None)
            time.sleep(_PAUSE)
        raise UpstreamLayerFailure(UNAVAILABLE)

    def _run(self, order: Order, fetch: _Fetch) -> None:
        try:
            with self._slots, held_turn(order.blobs, order.turn) as writer:
                if not order.is_stored():
                    with order.open() as chunks:
                        fetch.begun.set()
                        progress = writer.append(_EMPTY, _no_more_than(order.layer.size, chunks))
                    if progress.size != order.layer.size:
                        raise UpstreamUnavailable("a layer is shorter than its manifest says")
                    with writer.commit(progress, order.layer.digest):
                        order.store()
        except UploadBusy:
            fetch.is_elsewhere = True
        except UpstreamError as error:
            fetch.error = UpstreamLayerFailure(upstream_failure_code(error))
        except RegistryError as error:
            fetch.error = error
        except (BlobStoreError, SQLAlchemyError, OSError) as error:
            fetch.error = _not_stored(error)
        finally:
            with self._lock:
                del self._fetches[order.turn]
            fetch.begun.set()
            fetch.finished.set()


def _is_coming(order: Order) -> bool:
    """Say whether another process has begun to write the layer."""
    try:
        with order.blobs.open_upload(order.turn) as file:
            return file.seek(0, os.SEEK_END) > 0
    except BlobMissing:
        return False


def _not_stored(error: Exception) -> RegistryError:
    if isinstance(error, BlobStoreError) and type(error).__name__ == "DigestMismatch":
        return UpstreamLayerFailure(UNAVAILABLE)
    return ServerFailure(f"A layer could not be stored: {type(error).__name__}")


def _no_more_than(size: int, chunks: Iterator[bytes]) -> Iterator[bytes]:
    until = time.monotonic() + LAYER_SECONDS
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > size or time.monotonic() > until:
            raise UpstreamUnavailable("a layer is longer than its manifest says, or too slow")
        yield chunk
