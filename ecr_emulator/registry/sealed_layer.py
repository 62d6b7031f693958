"""A sealed layer as it is read: what is wrong with its bytes, in the registry's terms."""

from __future__ import annotations

from io import RawIOBase

from ecr_emulator.blobs.sealing import SealedFile
from ecr_emulator.blobs.store import BlobDamaged
from ecr_emulator.registry.errors import ServerFailure


class SealedLayer(RawIOBase):
    """The bytes of a sealed layer: what is damaged is found as it is read.

    :raises ServerFailure: from reading: the bytes are not what was stored.
    """

    def __init__(self, file: SealedFile, digest: str) -> None:
        super().__init__()
        self._file = file
        self._digest = digest
        self.seek = file.seek  # type: ignore[method-assign]
        self.tell = file.tell  # type: ignore[method-assign]

    def read(self, size: int | None = -1) -> bytes:
        try:
            return self._file.read(size)
        except BlobDamaged as error:
            raise damaged(self._digest, error) from None

    def close(self) -> None:
        self._file.close()
        super().close()


def damaged(digest: str, error: BlobDamaged) -> ServerFailure:
    """Return what is answered when the bytes of a layer are not what was stored."""
    return ServerFailure(f"The bytes of the layer with digest '{digest}' are damaged: {error}")
