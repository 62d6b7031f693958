"""``ecr-emulator keys``: the keys of encryption at rest.

It works on the store itself, beside a running server or without one; what it changes counts for
the server at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ecr_emulator.cli_blobs import STORE_SETTINGS, count_of, opened_store
from ecr_emulator.cli_support import Failure, setting_options, settings_of

if TYPE_CHECKING:
    from ecr_emulator.registry.blob_copies import BlobCopies
    from ecr_emulator.registry.repository_blobs import RepositoryBlobs


@click.group()
def keys() -> None:
    """Keys that blobs are encrypted by: stand-ins for KMS keys, and the store's own (AES256)."""


@keys.command("list")
@setting_options(*STORE_SETTINGS)
def list_keys(config_file: str | None, **flags: object) -> None:
    """List the keys: id, state, version (0 before the first use), how many repositories name it."""
    with _opened(config_file, flags) as (blobs, _):
        for key in blobs.keys.list():
            state = "disabled" if key.is_disabled else "enabled"
            click.echo(f"{key.id}\t{state}\tversion {key.version}\tused by {key.repositories}")


@keys.command()
@click.argument("key_ids", metavar="[KEY]...", nargs=-1)
@setting_options(*STORE_SETTINGS)
def rotate(key_ids: tuple[str, ...], config_file: str | None, **flags: object) -> None:
    """Give keys (all, when none is named) a new version, and wrap the data keys of blobs by it.

    Blobs are not written anew. A new master key, put before the old one in its file, takes over:
    the old one may go then.
    """
    with _opened(config_file, flags) as (blobs, copies):
        known = {key.id: key for key in blobs.keys.list()}
        for key_id in key_ids or [key.id for key in known.values() if key.version]:
            if key_id not in known or not known[key_id].version:
                raise Failure(f"nothing is encrypted by a key {key_id}")
            version = blobs.keys.rotate(key_id)
            wrapped = copies.rewrap(key_id)
            click.echo(f"{key_id}: version {version}, {count_of(wrapped, 'blob')} wrapped anew")


@keys.command()
@click.argument("key_id", metavar="KEY")
@setting_options(*STORE_SETTINGS)
def disable(key_id: str, config_file: str | None, **flags: object) -> None:
    """Disable a KMS key: pushes to and pulls from its repositories fail, until it is enabled."""
    _set_disabled(key_id, config_file, flags, disabled=True)


@keys.command()
@click.argument("key_id", metavar="KEY")
@setting_options(*STORE_SETTINGS)
def enable(key_id: str, config_file: str | None, **flags: object) -> None:
    """Enable a key that was disabled."""
    _set_disabled(key_id, config_file, flags, disabled=False)


@keys.command()
@setting_options(*STORE_SETTINGS)
def apply(config_file: str | None, **flags: object) -> None:
    """Encrypt what was stored before the setting encryption was on; decrypt it once it is off."""
    with _opened(config_file, flags) as (_, copies):
        made = copies.make_missing()
        removed, _ = copies.collect(settle=True)
    click.echo(f"{count_of(made, 'blob')} written anew, {removed} old removed")


def _set_disabled(
    key_id: str, config_file: str | None, flags: dict[str, object], *, disabled: bool
) -> None:
    from ecr_emulator.registry.encryption_keys import OWN_KEY

    if key_id == OWN_KEY:
        raise Failure("the store's own key cannot be disabled")
    with _opened(config_file, flags) as (blobs, _):
        if not blobs.keys.set_disabled(key_id, disabled=disabled):
            raise Failure(f"there is no key {key_id}: no repository names it")


@contextmanager
def _opened(
    config_file: str | None, flags: dict[str, object]
) -> Iterator[tuple[RepositoryBlobs, BlobCopies]]:
    from ecr_emulator.registry.blob_copies import BlobCopies
    from ecr_emulator.registry.errors import KmsFailure, ServerFailure

    with opened_store(settings_of(config_file, flags)) as (database, blobs):
        try:
            yield blobs, BlobCopies(database, blobs)
        except (KmsFailure, ServerFailure) as error:
            raise Failure(error.message) from None
