"""The command line: ``ecr-emulator`` and ``python -m ecr_emulator``.

Exit statuses: 0 as asked, 1 for what went wrong while at work, 2 for a command or setting that
cannot be meant. Heavy imports wait until a command needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import base64
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import IO, Any, TypeVar

import click

from ecr_emulator import __version__
from ecr_emulator.config import (
    CONFIG_VARIABLE,
    DEFAULT_CONFIG_FILE,
    SettingError,
    Settings,
    default_text,
    flag_name,
    load_settings,
    setting_info,
    variable_name,
)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Failure(click.ClickException):
    """What went wrong at work, told in one line on standard error."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        line = " ".join(self.message.split())
        click.echo(f"ecr-emulator: {line}", file=file or sys.stderr)


class _BadSetting(_Failure):
    """A setting that cannot be used."""

    exit_code = 2


def _setting_options(*names: str) -> Callable[[_Command], _Command]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """A local Amazon Elastic Container Registry."""


@main.command()
@_setting_options()
def serve(config_file: str | None, **flags: object) -> None:
    """Serve in the foreground until SIGTERM or SIGINT.

    Each setting may be given by flag, by variable or in a settings file; a flag wins over a
    variable, a variable over the file.
    """
    from ecr_emulator import server

    settings = _settings(config_file, flags)
    try:
        listener = server.listen(settings.host, settings.port)
    except server.CannotListen as error:
        raise _Failure(str(error)) from None
    settings = replace(settings, port=listener.getsockname()[1])
    _upgrade(settings)

    # In the master, so that the workers share what is loaded, and start at once.
    from ecr_emulator.app import create_server_app

    sys.exit(server.run(settings, create_server_app, listener, lambda: _announce(settings)))


@main.command()
@_setting_options("data_dir", "database_url")
def migrate(config_file: str | None, **flags: object) -> None:
    """Bring the database's schema up to date and exit."""
    _upgrade(_settings(config_file, flags))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"ecr-emulator {__version__}")


@main.command("get-login-password")
@click.option(
    "--endpoint-url",
    metavar="URL",
    envvar=["AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"],
    help="Where the server listens.  [AWS_ENDPOINT_URL; default: http://127.0.0.1:4566]",
)
@click.option("--region", metavar="REGION", help="The registry's region, if not the configured.")
@click.option("--profile", metavar="NAME", help="The profile of the AWS configuration to use.")
def get_login_password(endpoint_url: str | None, region: str | None, profile: str | None) -> None:
    """Print a password for docker login, good for 12 hours, by the user name AWS.

    Credentials come from where the AWS tools look for them; where there are none, the server's
    own test/test are used.
    """
    import botocore.session
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        session = botocore.session.Session(profile=profile)
        if session.get_credentials() is None:
            session.set_credentials("test", "test")
        client = session.create_client(
            "ecr",
            region_name=region or session.get_config_variable("region") or "us-east-1",
            endpoint_url=endpoint_url or "http://127.0.0.1:4566",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30),
        )
        answer = client.get_authorization_token()
    except (BotoCoreError, ClientError, ValueError) as error:  # ValueError: not a URL
        raise _Failure(f"no password: {error}") from None
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    click.echo(token.partition(":")[2])


def _settings(config_file: str | None, flags: dict[str, object]) -> Settings:
    """Load the settings and make the data folder, or end with the one line that says why not."""
    try:
        settings = load_settings(flags, config_file=config_file)
    except SettingError as error:
        raise _BadSetting(str(error)) from None
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _BadSetting(f"setting data_dir: {settings.data_dir}: {error.strerror}") from None
    return settings


def _upgrade(settings: Settings) -> None:
    """Take the migration step, or end with the one line that says why not."""
    from sqlalchemy.exc import SQLAlchemyError

    from ecr_emulator.db.migrate import SchemaTooNew, upgrade

    try:
        upgrade(settings.database_url)
    except SchemaTooNew as error:
        raise _Failure(f"the database is newer than this version: {error}") from None
    except (SQLAlchemyError, OSError, ImportError) as error:  # ImportError: no driver for it
        # The driver's own words: SQLAlchemy adds the statement and a link to its manual.
        reason = getattr(error, "orig", None) or error
        raise _Failure(f"cannot use the database: {reason}") from None


def _announce(settings: Settings) -> None:
    """Print where the server listens and how to log in. All workers are ready by now."""
    host = settings.host
    reach = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104
    if ":" in reach and not reach.startswith("["):
        reach = f"[{reach}]"
    registry = f"{reach}:{settings.port}"
    click.echo(
        f"ecr-emulator {__version__} listens on http://{registry}"
        f" with {settings.workers} workers\n"
        f"data folder: {settings.data_dir}\n"
        f"log docker in: {_own_command()} get-login-password --endpoint-url http://{registry}"
        f" | docker login --username AWS --password-stdin {registry}"
    )
    sys.stdout.flush()


def _own_command() -> str:
    """Return how a shell in this folder calls this very command."""
    script = Path(sys.executable).with_name("ecr-emulator")
    if not script.exists():
        return f"{shlex.quote(sys.executable)} -m ecr_emulator"
    found = shutil.which("ecr-emulator")
    if found is not None and Path(found).resolve() == script.resolve():
        return "ecr-emulator"
    here = Path.cwd()
    return shlex.quote(str(script.relative_to(here) if script.is_relative_to(here) else script))
