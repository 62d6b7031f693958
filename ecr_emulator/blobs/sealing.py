"""Sealed files: how a blob is encrypted, so that it can be written as it comes and read anywhere.

A file has a data key of its own (AES-256-GCM). Its bytes are cut into chunks, each encrypted with
a nonce of its own; the chunk's number is authenticated with it, and the length of the whole with
the data key. So a chunk that was changed, moved, or brought in from elsewhere does not open, and
a file that was cut short, lengthened, or put in another's place does not either.

Layout::

    magic            8 bytes
    two slots        64 bytes each: the data key, wrapped by a key that the store does not keep
    chunks           length (4 bytes), nonce (12), ciphertext (up to 64 KiB), tag (16)

A slot's wrapping is bound to what it opens: to an upload's id, or to a blob's digest and size. An
upload's chunks may each be short, as an append never rewrites what an earlier one has left; all
chunks of a blob but the last are full. The wrapping is replaced by writing the other slot.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from io import RawIOBase, UnsupportedOperation
from typing import BinaryIO, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ecr_emulator.blobs.store import BlobDamaged

#: Bytes of a blob in one chunk: the least that is decrypted to read anything of it.
CHUNK = 64 * 1024
KEY_SIZE = 32
#: The length of a wrapped data key.
SLOT_SIZE = 64
_MAGIC = b"ECRseal1"
HEADER_SIZE = len(_MAGIC) + 2 * SLOT_SIZE
_NONCE, _TAG = 12, 16
_FRAME = struct.Struct(">I12s")
_OVERHEAD = _FRAME.size + _TAG
_STRIDE = CHUNK + _OVERHEAD
_INDEX = struct.Struct(">Q")
#: Chunks that are read from the disk at once.
_AT_ONCE = 16
_NO_SLOT = bytes(SLOT_SIZE)


class SealingKey(Protocol):
    """A key that wraps data keys.

    :ivar name: what the files that it seals are called by: 16 hexadecimal digits.
    """

    name: str

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        """Return *data_key* encrypted, in :data:`SLOT_SIZE` bytes, bound to *context*."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes | None:
        """Return the data key, or ``None`` if *wrapped* is none of this key for *context*."""

    def is_current(self, wrapped: bytes) -> bool:
        """Say whether :meth:`wrap` would use the same version of the key today."""


def upload_context(upload_id: str) -> bytes:
    """Return what the data key of an upload is bound to."""
    return b"upload\0" + upload_id.encode()


def blob_context(digest: str, size: int) -> bytes:
    """Return what the data key of a blob of *size* bytes is bound to."""
    return b"blob\0" + digest.encode() + b"\0" + _INDEX.pack(size)


def file_size(size: int) -> int:
    """Return how long the sealed file of a blob of *size* bytes is."""
    return HEADER_SIZE + size + _OVERHEAD * -(-size // CHUNK)


def content_size(length: int) -> int:
    """Return how many bytes the blob has whose sealed file is *length* bytes long.

    :raises BlobDamaged: no sealed file is so long.
    """
    full, rest = divmod(length - HEADER_SIZE, _STRIDE)
    if length < HEADER_SIZE or 0 < rest <= _OVERHEAD:
        raise BlobDamaged("the file has been cut short")
    return full * CHUNK + max(0, rest - _OVERHEAD)


# -- the data key ---------------------------------------------------------------------------


def write_new_header(descriptor: int, key: SealingKey, context: bytes) -> AESGCM:
    """Begin a sealed file with a new data key, and return what encrypts with it."""
    data_key = os.urandom(KEY_SIZE)
    _write_at(descriptor, _MAGIC + key.wrap(data_key, context) + _NO_SLOT, 0)
    return AESGCM(data_key)


def open_header(descriptor: int, key: SealingKey, context: bytes) -> tuple[AESGCM, int] | None:
    """Return what decrypts a file, and the number of the slot that its data key is from.

    ``None`` when no slot is bound to *context* by *key*.
    """
    header = os.pread(descriptor, HEADER_SIZE, 0)
    if not header.startswith(_MAGIC) or len(header) < HEADER_SIZE:
        return None
    for number in range(2):
        slot = _slot(header, number)
        data_key = None if slot == _NO_SLOT else key.unwrap(slot, context)
        if data_key is not None:
            return AESGCM(data_key), number
    return None


def rewrap(descriptor: int, key: SealingKey, old: bytes, new: bytes) -> bool:
    """Bind a file's data key to *new* instead of *old*, in the slot that *old* is not in.

    Whoever reads meanwhile finds the one or the other. The data key does not change.

    :returns: whether the file was bound to *old*.
    """
    opened = open_header(descriptor, key, old)
    if opened is None:
        return False
    header = os.pread(descriptor, HEADER_SIZE, 0)
    data_key = key.unwrap(_slot(header, opened[1]), old)
    if data_key is None:
        return False
    _write_at(descriptor, key.wrap(data_key, new), len(_MAGIC) + (1 - opened[1]) * SLOT_SIZE)
    return True


def is_current(descriptor: int, key: SealingKey, context: bytes) -> bool:
    """Say whether a file's data key is wrapped by the version of *key* that is used today."""
    opened = open_header(descriptor, key, context)
    if opened is None:
        return False
    return key.is_current(_slot(os.pread(descriptor, HEADER_SIZE, 0), opened[1]))


def _slot(header: bytes, number: int) -> bytes:
    start = len(_MAGIC) + number * SLOT_SIZE
    return header[start : start + SLOT_SIZE]


# -- chunks ---------------------------------------------------------------------------------


class Position:
    """Where in a sealed file of an upload a number of bytes ends.

    :ivar offset: in the file.
    :ivar chunks: how many chunks come before.
    :ivar is_even: whether all of them but the last are full, as a blob's are.
    """

    __slots__ = ("chunks", "is_even", "offset")

    def __init__(self, offset: int, chunks: int, *, is_even: bool) -> None:
        self.offset = offset
        self.chunks = chunks
        self.is_even = is_even


#: Where the first chunk begins.
START = Position(HEADER_SIZE, 0, is_even=True)


class ChunkWriter:
    """Writes chunks behind those that are there.

    :param position: where those end.
    """

    def __init__(self, descriptor: int, cipher: AESGCM, position: Position) -> None:
        self._descriptor = descriptor
        self._cipher = cipher
        self._index = position.chunks
        self._offset = position.offset
        self._waiting = bytearray()

    def add(self, data: bytes) -> None:
        """Write as much of *data* as fills chunks; the rest waits for more."""
        self._waiting += data
        with memoryview(bytes(self._waiting)) as view:
            full = len(view) - len(view) % CHUNK
            for start in range(0, full, CHUNK):
                self._write(view[start : start + CHUNK])
        del self._waiting[:full]

    def finish(self) -> None:
        """Write what waits as a chunk that is not full."""
        if self._waiting:
            self._write(self._waiting)

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        frame = _FRAME.pack(len(data), os.urandom(_NONCE))
        context = _chunk_context(self._index, len(data))
        sealed = frame + self._cipher.encrypt(frame[4:], data, context)
        self._offset = _write_at(self._descriptor, sealed, self._offset)
        self._index += 1


def _open_chunk(cipher: AESGCM, index: int, sealed: bytes | memoryview, length: int) -> bytes:
    """Return the *length* bytes of the chunk number *index*.

    :raises BlobDamaged: it is not that chunk.
    """
    stated, nonce = _FRAME.unpack_from(sealed) if len(sealed) >= _FRAME.size else (-1, b"")
    if stated != length:
        raise BlobDamaged(f"chunk {index} is not as long as it was")
    try:
        return cipher.decrypt(nonce, sealed[_FRAME.size :], _chunk_context(index, length))
    except InvalidTag:
        raise BlobDamaged(f"chunk {index} is not what was stored") from None


def _chunk_context(index: int, length: int) -> bytes:
    return _INDEX.pack(index) + _INDEX.pack(length)


def find_position(descriptor: int, cipher: AESGCM, size: int) -> Position | None:
    """Return where the first *size* bytes of an upload end; ``None`` if they end nowhere."""
    if size == 0:
        return START
    last, rest = (size - 1) // CHUNK, (size - 1) % CHUNK + 1
    offset = HEADER_SIZE + last * _STRIDE
    with_last = os.pread(descriptor, rest + _OVERHEAD, offset)
    try:
        # No chunk is longer than a full one. So if the last is where it would be behind full
        # ones, all before it are full.
        _open_chunk(cipher, last, with_last, rest)
        return Position(offset + len(with_last), last + 1, is_even=True)
    except BlobDamaged:
        pass
    offset, chunks, is_even = HEADER_SIZE, 0, True
    for length in _lengths(descriptor):
        if size == 0:
            break
        is_even = is_even and length in (CHUNK, size)
        offset, chunks, size = offset + length + _OVERHEAD, chunks + 1, size - length
    return Position(offset, chunks, is_even=is_even) if size == 0 else None


def _lengths(descriptor: int) -> Iterator[int]:
    """Yield how long each chunk is that is there as a whole, as the file says."""
    end, offset = os.fstat(descriptor).st_size, HEADER_SIZE
    while offset + _OVERHEAD <= end:
        (length, _) = _FRAME.unpack(os.pread(descriptor, _FRAME.size, offset))
        offset += length + _OVERHEAD
        if not 0 < length <= CHUNK or offset > end:
            return
        yield length


def read_chunks(descriptor: int, cipher: AESGCM) -> Iterator[bytes]:
    """Yield the bytes of an upload, a chunk at a time, whatever the chunks' lengths are.

    :raises BlobDamaged: a chunk is not what was stored.
    """
    offset = HEADER_SIZE
    for index, length in enumerate(_lengths(descriptor)):
        sealed = os.pread(descriptor, length + _OVERHEAD, offset)
        yield _open_chunk(cipher, index, sealed, length)
        offset += len(sealed)


class SealedFile(RawIOBase):
    """The bytes behind a sealed file with full chunks, for reading.

    :param size: how many bytes there are; ``None`` for an upload that somebody adds to.
    """

    def __init__(self, file: BinaryIO, cipher: AESGCM, size: int | None) -> None:
        super().__init__()
        self._file = file
        self._cipher = cipher
        self._size = size
        self._position = 0
        self._buffer = bytearray()
        #: The last chunk that was opened, and its number: many read a few bytes at a time.
        self._last = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        """Return the descriptor of the sealed file itself."""
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._whole_size()
        elif whence != os.SEEK_SET:
            raise UnsupportedOperation(f"whence {whence}")
        if offset < 0:
            raise ValueError(f"negative seek position {offset}")
        self._position = offset
        return offset

    def readall(self) -> bytes:
        return b"".join(iter(lambda: self.read(_AT_ONCE * CHUNK), b""))

    def read(self, size: int | None = -1) -> bytes:
        """Return up to *size* bytes; fewer only at the end.

        :raises BlobDamaged: what is there is not what was stored.
        """
        if size is None or size < 0:
            return self.readall()
        parts: list[bytes] = []
        end = min(self._position + size, self._whole_size())
        while self._position < end:
            first = self._position // CHUNK
            last = min((end - 1) // CHUNK, first + _AT_ONCE - 1)
            chunks = self._open(first, last)
            # From behind: a blob of one chunk is cut at both its ends.
            chunks[-1] = chunks[-1][: end - last * CHUNK]
            chunks[0] = chunks[0][self._position - first * CHUNK :]
            parts += chunks
            self._position = min(end, (last + 1) * CHUNK)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _open(self, first: int, last: int) -> list[bytes]:
        """Return the chunks *first* to *last*."""
        if first == last == self._last[0]:
            return [self._last[1]]
        size = self._whole_size()
        if not self._buffer:
            most = _AT_ONCE * _STRIDE
            self._buffer = bytearray(most if self._size is None else min(most, file_size(size)))
        with memoryview(self._buffer) as view:
            wanted = view[: (last + 1 - first) * _STRIDE]
            received = os.preadv(self.fileno(), [wanted], HEADER_SIZE + first * _STRIDE)
            chunks = []
            for index in range(first, last + 1):
                length = min(CHUNK, size - index * CHUNK)
                start = (index - first) * _STRIDE
                end = min(start + length + _OVERHEAD, received)
                chunks.append(_open_chunk(self._cipher, index, view[start:end], length))
        self._last = last, chunks[-1]
        return chunks

    def _whole_size(self) -> int:
        if self._size is not None:
            return self._size
        # Full chunks only: the one behind them may be half written, or longer soon.
        length = os.fstat(self.fileno()).st_size
        return max(0, (length - HEADER_SIZE) // _STRIDE) * CHUNK


def _write_at(descriptor: int, data: bytes, offset: int) -> int:
    """Write the whole of *data* and return the offset behind it."""
    written = 0
    while written < len(data):
        written += os.pwrite(descriptor, data[written:], offset + written)
    return offset + len(data)
