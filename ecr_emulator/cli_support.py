"""What the commands share: their settings' flags, and how they end when something is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from ecr_emulator.config import SettingError, Settings, default_text, setting_info
from ecr_emulator.setting_sources import (
    CONFIG_VARIABLE,
    DEFAULT_CONFIG_FILE,
    flag_name,
    load_settings,
    variable_name,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Failure(click.ClickException):
    """What went wrong at work, told in one line on standard error."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        line = " ".join(self.message.split())
        click.echo(f"ecr-emulator: {line}", file=file or sys.stderr)


class BadSetting(Failure):
    """A setting that cannot be used."""

    exit_code = 2


def setting_options(*names: str) -> Callable[[_Command], _Command]:
    """Give a command the flags of the settings *names* (all, when none is named)."""

    def decorate(command: _Command) -> _Command:
        for item in reversed(fields(Settings)):
            if names and item.name not in names:
                continue
            info, flag = setting_info(item), flag_name(item.name)
            declared = f"{flag}/--no-{flag[2:]}" if info.flag else flag
            click.option(
                declared,
                item.name,
                default=None,
                metavar=None if info.flag else info.metavar,
                help=f"{info.help}  [{variable_name(item.name)}; default: {default_text(item)}]",
            )(command)
        return click.option(
            "--config",
            "config_file",
            metavar="FILE",
            help="A TOML file of settings, by their names with underscores."
            f"  [{CONFIG_VARIABLE}; default: {DEFAULT_CONFIG_FILE}, if there is one]",
        )(command)

    return decorate


def settings_of(config_file: str | None, flags: dict[str, object]) -> Settings:
    """Load the settings and make the data folder, or end with the one line that says why not."""
    try:
        settings = load_settings(flags, config_file=config_file)
    except SettingError as error:
        raise BadSetting(str(error)) from None
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(f"setting data_dir: {settings.data_dir}: {error.strerror}") from None
    return settings


def check_files(settings: Settings) -> None:
    """Read the files that the settings name, or end with the one line that says why not."""
    from ecr_emulator.auth.identities_file import InvalidIdentities, read_identities
    from ecr_emulator.registry.master_key import MasterKey, MasterKeyUnusable
    from ecr_emulator.signatures.trust import InvalidTrust, read_trust
    from ecr_emulator.upstreams.secrets import InvalidSecrets, read_secrets

    try:
        if settings.identities:
            read_identities(Path(settings.identities))
        if settings.secrets:
            read_secrets(Path(settings.secrets))
        if settings.trusted_keys:
            read_trust(Path(settings.trusted_keys))
        if settings.master_key:
            MasterKey(Path(settings.master_key), make=False).check()
    except (InvalidIdentities, InvalidSecrets, InvalidTrust, MasterKeyUnusable) as error:
        raise BadSetting(str(error)) from None


def check_companions(settings: Settings) -> None:
    """See that what the companions need is installed, or end with the one line that says it."""
    from ecr_emulator.companions.moto_host import is_installed

    if settings.companions == "on" and not is_installed():
        raise BadSetting(
            "setting companions: on needs moto, which is not installed: pip install"
            " 'ecr-emulator[aws]'"
        )


def reachable(settings: Settings) -> str:
    """Return the host and port by which this machine's programs reach the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{host}:{settings.port}"


def upgrade_database(settings: Settings) -> None:
    """Take the migration step, or end with the one line that says why not.

    What is done with a database is done with its own data folder, or not at all.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from ecr_emulator.blobs.owner import FolderOfAnother, claim_folder
    from ecr_emulator.db.migrate import SchemaTooNew, upgrade
    from ecr_emulator.storage_failure import StorageFailure

    try:
        claim_folder(settings.data_dir, upgrade(settings.database_url))
    except FolderOfAnother as error:
        raise Failure(str(error)) from None
    except SchemaTooNew as error:
        raise Failure(f"the database is newer than this version: {error}") from None
    except (
        StorageFailure,
        SQLAlchemyError,
        OSError,
        ImportError,  # no driver for it
    ) as error:
        # The driver's own words: SQLAlchemy adds the statement and a link to its manual.
        reason = getattr(error.__cause__ or error, "orig", None) or error
        if isinstance(error, ImportError) and "psycopg" in str(error):
            reason = (
                "PostgreSQL needs psycopg, which is not installed: pip install"
                " 'ecr-emulator[postgresql]'"
            )
        raise Failure(f"cannot use the database: {reason}") from None
