"""How much a scan may read, and what ends it when that is not enough."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1024**2
_GIB = 1024**3


class LayerError(Exception):
    """A layer that cannot be read; the text says why, in a sentence for the scan's status."""


class TooLarge(LayerError):
    """An image that holds more than a scan reads."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a scan of one image may cost. Sizes are in bytes.

    :ivar unpacked: of all layers together, once decompressed.
    :ivar ratio: decompressed bytes for each compressed one, beyond the first *free* bytes:
        what no layer of real files comes to.
    :ivar entries: of all layers' archives together.
    :ivar file: the largest file that is read as a whole; larger ones are passed over.
    :ivar packages: that are kept, of all layers together.
    """

    unpacked: int = 64 * _GIB
    ratio: int = 200
    free: int = 256 * _MIB
    entries: int = 3_000_000
    file: int = 64 * _MIB
    packages: int = 200_000
