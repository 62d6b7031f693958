"""The command line: ``ecr-emulator`` and ``python -m ecr_emulator``.

Exit statuses: 0 as asked, 1 for what went wrong while at work, 2 for a command or setting that
cannot be meant. Heavy imports wait until a command needs them, so that ``--help`` is quick.
"""

from __future__ import annotations

import base64
import contextlib
import shlex
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from ecr_emulator import __version__
from ecr_emulator.cli_blobs import fsck, gc
from ecr_emulator.cli_clock import clock
from ecr_emulator.cli_iam import explain, iam
from ecr_emulator.cli_keys import keys
from ecr_emulator.cli_lifecycle import lifecycle
from ecr_emulator.cli_support import (
    Failure,
    check_companions,
    check_files,
    reachable,
    setting_options,
    settings_of,
    upgrade_database,
)
from ecr_emulator.cli_tls import make_certificate, tls
from ecr_emulator.cli_verify import verify
from ecr_emulator.cli_vulndb import vulndb
from ecr_emulator.companions.moto_host import are_wanted
from ecr_emulator.config import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """A local Amazon Elastic Container Registry."""


@main.command()
@setting_options()
def serve(config_file: str | None, **flags: object) -> None:
    """Serve in the foreground until SIGTERM or SIGINT.

    Each setting may be given by flag, by variable or in a settings file; a flag wins over a
    variable, a variable over the file.
    """
    from ecr_emulator import server

    settings = settings_of(config_file, flags)
    check_files(settings)
    check_companions(settings)
    if settings.tls:
        make_certificate(settings)  # here, so that what stands against it is one line
    try:
        listener = server.listen(settings.host, settings.port)
    except server.CannotListen as error:
        raise Failure(str(error)) from None
    settings = replace(settings, port=listener.getsockname()[1])
    upgrade_database(settings)

    with contextlib.ExitStack() as stack:
        counts = stack.enter_context(tempfile.TemporaryDirectory(prefix="ecr-emulator-counts-"))
        # In the master, so that the workers share what is loaded, and start at once.
        from ecr_emulator.app import create_server_app
        from ecr_emulator.companions.moto_host import are_wanted
        from ecr_emulator.companions.process import CompanionProcess

        address, helper = None, None
        if are_wanted(settings.companions):
            companions = stack.enter_context(contextlib.closing(CompanionProcess()))
            address, helper = companions.address, companions.run
        status = server.run(
            settings,
            lambda settings: create_server_app(settings, address, Path(counts)),
            listener,
            lambda: _announce(settings),
            helper=helper,
        )
    sys.exit(status)


@main.command()
@setting_options("data_dir", "database_url")
def migrate(config_file: str | None, **flags: object) -> None:
    """Bring the database's schema up to date and exit."""
    upgrade_database(settings_of(config_file, flags))


main.add_command(fsck)
main.add_command(gc)
main.add_command(iam)
main.add_command(explain)
main.add_command(tls)
main.add_command(clock)
main.add_command(keys)
main.add_command(lifecycle)
main.add_command(vulndb)
main.add_command(verify)


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
        raise Failure(f"no password: {error}") from None
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    click.echo(token.partition(":")[2])


def _announce(settings: Settings) -> None:
    """Print where the server listens and how to log in. All workers are ready by now."""
    registry = reachable(settings)
    scheme, command = "http", _own_command()
    if settings.tls:
        authority = settings.data_dir / "tls" / "ca.crt"
        scheme, command = "https", f"AWS_CA_BUNDLE={shlex.quote(str(authority))} {command}"
    click.echo(
        f"ecr-emulator {__version__} listens on {scheme}://{registry}"
        f" with {settings.workers} workers\n"
        f"data folder: {settings.data_dir}\n"
        f"{_OTHER_SERVICES if are_wanted(settings.companions) else ''}"
        f"log docker in: {command} get-login-password --endpoint-url {scheme}://{registry}"
        f" | docker login --username AWS --password-stdin {registry}"
    )
    sys.stdout.flush()


_OTHER_SERVICES = "other AWS services: by moto, at the same address\n"


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
