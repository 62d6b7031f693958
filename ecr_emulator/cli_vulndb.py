"""``ecr-emulator vulndb``: the vulnerability database that image scans look packages up in."""

from __future__ import annotations

from pathlib import Path

import click

from ecr_emulator.cli_support import Failure, setting_options, settings_of, upgrade_database


@click.group()
def vulndb() -> None:
    """Load vulnerabilities for image scans to find."""


@vulndb.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@setting_options("data_dir", "database_url")
def import_records(path: Path, config_file: str | None, **flags: object) -> None:
    """Load OSV records from PATH: a folder or a zip archive of JSON files.

    Records replace older ones of the same ids; withdrawn ones go. Give the settings as to
    serve; a server that runs on the same data uses the records from then on.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from ecr_emulator.db.engine import Database
    from ecr_emulator.jobs.queue import JobQueue
    from ecr_emulator.movable_clock import MovableClock
    from ecr_emulator.registry.vulnerability_database import VulnerabilityDatabase
    from ecr_emulator.scanning.osv_files import CannotRead, read_records
    from ecr_emulator.storage_failure import StorageFailure

    settings = settings_of(config_file, flags)
    upgrade_database(settings)
    clock = MovableClock(settings.data_dir)
    database = Database(settings.database_url, durability=settings.durability)
    try:
        known = VulnerabilityDatabase(database, JobQueue(database, clock), clock)
        report = known.load(read_records(path))
    except CannotRead as error:
        raise Failure(str(error)) from None
    except StorageFailure as error:
        raise Failure(str(error)) from None
    except SQLAlchemyError as error:
        raise Failure(f"cannot use the database: {getattr(error, 'orig', None) or error}") from None
    finally:
        database.close()
    for ecosystem, count in sorted(report.records.items()):
        click.echo(f"{ecosystem}: {count} new or changed")
    click.echo(
        f"{report.changed} new or changed in all, "
        f"{report.unchanged} unchanged, {report.removed} removed, "
        f"{report.unknown} of no use here, {report.bad} unreadable"
    )
    for reason in report.reasons:
        click.echo(f"unreadable: {reason}", err=True)
    if not (report.changed or report.unchanged or report.removed):
        raise Failure(f"{path} holds no record that scans could use")
