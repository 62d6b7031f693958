"""Layers decompressed as streams, within limits.

What a layer is packed with is seen from its first bytes, as container runtimes do it: the media
type in the manifest is only what somebody said.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from ecr_emulator.scanning.limits import LayerError, Limits, TooLarge

_READ_SIZE = 1 << 18
#: The most that is unpacked at once.
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
#: A frame that decompressors skip may come first (RFC 8878, section 3.1.2).
_ZSTD_SKIPPABLE = (b"\x2a\x4d\x18",)
#: The largest window that is allocated for a zstd frame, as a power of two; the format's own
#: recommendation for decoders is 8 MiB, what its tools write at most by default 128 MiB.
_ZSTD_WINDOW_LOG = 27


class Budget:
    """What is left of a scan's limits while the layers of one image are read."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._unpacked = 0
        self._entries = 0

    def unpack(self, size: int) -> None:
        """Count decompressed bytes.

        :raises TooLarge: there are too many.
        """
        self._unpacked += size
        if self._unpacked > self.limits.unpacked:
            raise TooLarge("The image's layers hold more than a scan reads.")

    def entry(self) -> None:
        """Count an entry of an archive.

        :raises TooLarge: there are too many.
        """
        self._entries += 1
        if self._entries > self.limits.entries:
            raise TooLarge("The image's layers hold more files than a scan reads.")


class _Decompressor(Protocol):
    """One compressed stream: what zlib's and zstd's decompressors have in common here."""

    @property
    def ended(self) -> bool:
        """Whether the end of the compressed stream was reached."""

    def feed(self, data: bytes) -> bytes:
        """Return what *data* unpacks to, up to a bound; less waits for the next call."""

    @property
    def waits(self) -> bool:
        """Whether there is more to come without further data."""

    @property
    def rest(self) -> bytes:
        """What was fed behind the end of the compressed stream."""


def unpacked_chunks(layer: BinaryIO, budget: Budget) -> Iterator[bytes]:
    """Yield the bytes of a layer's archive, decompressed, in chunks of bounded size.

    :raises LayerError: the layer is damaged, of a ratio no real one has, or packed with what
        cannot be unpacked here.
    :raises TooLarge: it holds more than the scan may read.
    """
    head = _read(layer, 4)
    if head.startswith(_GZIP):
        chunks = _decompressed(layer, head, _Gzip, budget.limits)
    elif head == _ZSTD or head[1:] in _ZSTD_SKIPPABLE:
        chunks = _decompressed(layer, head, _start_zstd, budget.limits)
    else:
        chunks = _plain(layer, head)
    for chunk in chunks:
        budget.unpack(len(chunk))
        yield chunk


def _plain(layer: BinaryIO, head: bytes) -> Iterator[bytes]:
    yield head
    while chunk := layer.read(_READ_SIZE):
        yield chunk


def _decompressed(
    layer: BinaryIO, head: bytes, start: Callable[[], _Decompressor], limits: Limits
) -> Iterator[bytes]:
    """Yield what the compressed streams in *layer*, one behind the other, unpack to."""
    packed, unpacked = len(head), 0
    data, stream, damage = head, start(), _damage()
    while True:
        try:
            chunk = stream.feed(data)
        except damage as error:
            raise LayerError("A layer of the image is damaged: it cannot be unpacked.") from error
        data = b""
        if chunk:
            unpacked += len(chunk)
            if unpacked > limits.free + limits.ratio * packed:
                raise LayerError("A layer of the image unpacks to more than any real one does.")
            yield chunk
        if stream.ended:
            # More streams may follow. What is there but zeros is left alone, as gzip does.
            data = stream.rest or layer.read(_READ_SIZE)
            packed += len(data)
            while data and not data.strip(b"\0"):
                data = layer.read(_READ_SIZE)
                packed += len(data)
            if not data:
                return
            stream = start()
        elif not stream.waits:
            data = layer.read(_READ_SIZE)
            packed += len(data)
            if not data:
                raise LayerError("A layer of the image is damaged: it ends too early.")


def _read(layer: BinaryIO, size: int) -> bytes:
    """Read *size* bytes; fewer only at the end."""
    data = b""
    while len(data) < size:
        chunk = layer.read(size - len(data))
        if not chunk:
            break
        data += chunk
    return data


class _Gzip:
    """One member of a gzip file."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self._is_full = False

    def feed(self, data: bytes) -> bytes:
        chunk = self._stream.decompress(self._stream.unconsumed_tail + data, _CHUNK)
        # Output may be held back inside even though all input was taken.
        self._is_full = len(chunk) == _CHUNK
        return chunk

    @property
    def ended(self) -> bool:
        return self._stream.eof

    @property
    def waits(self) -> bool:
        return self._is_full or bool(self._stream.unconsumed_tail)

    @property
    def rest(self) -> bytes:
        return self._stream.unused_data


class _Zstd:
    """One frame of a zstd file."""

    def __init__(self, module: Any) -> None:
        self._stream = module.ZstdDecompressor(
            options={module.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        )

    def feed(self, data: bytes) -> bytes:
        chunk: bytes = self._stream.decompress(data, max_length=_CHUNK)
        return chunk

    @property
    def ended(self) -> bool:
        return bool(self._stream.eof)

    @property
    def waits(self) -> bool:
        return not self._stream.needs_input

    @property
    def rest(self) -> bytes:
        rest: bytes = self._stream.unused_data
        return rest


def _zstd_module() -> Any:
    """Return the standard library's zstd of Python 3.14, or its backport, or nothing."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _start_zstd() -> _Decompressor:
    module = _zstd_module()
    if module is None:
        raise LayerError(
            "A layer of the image is packed with zstd: to unpack it, install ecr-emulator[scan]."
        )
    return _Zstd(module)


def _damage() -> tuple[type[Exception], ...]:
    """Return what decompressors raise for bytes that are not theirs."""
    module = _zstd_module()
    return (zlib.error, EOFError) if module is None else (zlib.error, EOFError, module.ZstdError)
