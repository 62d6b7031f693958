"""One at a time, in whichever process: who asks another registry, and who waits for the answer.

The lock is an upload of the blob store that belongs to no repository. It goes with the process
that holds it, and what a crash leaves of it is collected as any upload's remains.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from ecr_emulator.blobs.store import BlobMissing, BlobStore, UploadBusy, UploadWriter

_NAMESPACE = uuid.UUID("5f0c3a0e-7d0b-4f9c-9f0a-1f4f3f0f6f21")
_PAUSE = 0.02


class TurnNeverCame(Exception):
    """Somebody else held it for too long."""


def turn_id(*what: object) -> str:
    """Return the id of the upload that stands for *what*."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(map(str, what))))


@contextmanager
def held_turn(blobs: BlobStore, upload_id: str) -> Iterator[UploadWriter]:
    """Hold the upload for the length of the block; it is gone afterwards.

    :raises UploadBusy: somebody else holds it.
    :raises StorageFull: there is no room for it.
    """
    with suppress(FileExistsError):
        blobs.start_upload(upload_id)
    with ExitStack() as stack:
        try:
            writer = stack.enter_context(blobs.upload(upload_id))
        except BlobMissing:
            # Its holder ended between these two lines.
            raise UploadBusy(upload_id) from None
        # While it is held still, so that nobody else's is dropped.
        stack.callback(blobs.discard_upload, upload_id)
        yield writer


@contextmanager
def my_turn(blobs: BlobStore, upload_id: str, seconds: float) -> Iterator[None]:
    """Wait for the upload and hold it for the length of the block.

    :raises TurnNeverCame: somebody else held it all the time.
    :raises StorageFull: there is no room for it.
    """
    until = time.monotonic() + seconds
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held_turn(blobs, upload_id))
                break
            except UploadBusy:
                if time.monotonic() > until:
                    raise TurnNeverCame(upload_id) from None
                time.sleep(_PAUSE)
        yield
