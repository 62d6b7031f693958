"""``ecr-emulator gc`` and ``ecr-emulator fsck``: the store's upkeep.

It works on the store itself, beside a running server or without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ecr_emulator.cli_support import setting_options, settings_of, upgrade_database

if TYPE_CHECKING:
    from ecr_emulator.config import Settings
    from ecr_emulator.db.engine import Database
    from ecr_emulator.registry.repository_blobs import RepositoryBlobs

#: The settings that it takes to open a store.
STORE_SETTINGS = ("data_dir", "database_url", "encryption", "master_key")

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say how much garbage there is, and leave it.")
@setting_options(*STORE_SETTINGS, "garbage_grace")
def gc(dry_run: bool, config_file: str | None, **flags: object) -> None:
    """Collect garbage: stale uploads, layers that no image names, blobs that nobody has."""
    from ecr_emulator.movable_clock import MovableClock
    from ecr_emulator.registry.garbage import Garbage

    settings = settings_of(config_file, flags)
    with opened_store(settings) as (database, blobs):
        grace = timedelta(hours=settings.garbage_grace)
        garbage = Garbage(database, blobs, MovableClock(settings.data_dir), grace)
        found = garbage.find() if dry_run else garbage.collect()
    click.echo(
        f"{'would remove' if dry_run else 'removed'} {count_of(found.uploads, 'upload')},"
        f" {count_of(found.layers, 'layer')}, {count_of(found.blobs, 'blob')}:"
        f" {_amount(found.freed)}"
    )


@click.command()
@click.option("--repair", is_flag=True, help="Take what is lost or damaged off the records.")
@setting_options(*STORE_SETTINGS)
def fsck(repair: bool, config_file: str | None, **flags: object) -> None:
    """Check that all blobs, manifests and uploads are there, and are what they were.

    Every blob is read. Exits with 0 when the store is sound, or is so after the repair, with 1
    otherwise. Images that lost a layer are whole again when they are pushed again.
    """
    from ecr_emulator.registry.fsck import StoreCheck

    sound = True
    with opened_store(settings_of(config_file, flags)) as (database, blobs):
        check = StoreCheck(database, blobs)
        for fault in check.run(repair=repair):
            sound = sound and fault.repaired
            repaired = " (repaired)" if fault.repaired else ""
            click.echo(f"{fault.kind}: {fault.what}: {fault.reason}{repaired}")
    click.echo(f"checked {count_of(check.blobs, 'blob')}: {_amount(check.bytes)}")
    if not sound:
        raise click.exceptions.Exit(1)


@contextmanager
def opened_store(settings: Settings) -> Iterator[tuple[Database, RepositoryBlobs]]:
    """Open the database and the blobs that the settings name."""
    from ecr_emulator.db.engine import Database
    from ecr_emulator.movable_clock import MovableClock
    from ecr_emulator.registry.repository_blobs import open_blobs

    upgrade_database(settings)
    database = Database(settings.database_url)
    try:
        yield (
            database,
            open_blobs(
                settings.data_dir,
                database,
                MovableClock(settings.data_dir),
                sealed_by_default=settings.encryption == "on",
                master_key=settings.master_key,
            ),
        )
    finally:
        database.close()


def count_of(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _amount(size: int) -> str:
    """Say a number of bytes as people do."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{size} bytes" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"
