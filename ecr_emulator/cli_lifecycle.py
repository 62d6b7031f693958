"""``ecr-emulator lifecycle …``: run the lifecycle policies of a running server now."""

from __future__ import annotations

import json

import click

from ecr_emulator.cli_support import Failure

_DEFAULT_URL = "http://127.0.0.1:4566"
#: Seconds a run may take: it ends with the last repository's last image.
_LONGEST_RUN = 600


@click.group()
def lifecycle() -> None:
    """Lifecycle policies."""


@lifecycle.command("run")
@click.option(
    "--endpoint-url",
    metavar="URL",
    envvar=["AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"],
    help=f"Where the server listens, on this machine.  [AWS_ENDPOINT_URL; default: {_DEFAULT_URL}]",
)
def run_lifecycle(endpoint_url: str | None) -> None:
    """Run every lifecycle policy now, and print what became of which image.

    A server runs them by itself every hour.
    """
    from urllib.error import URLError
    from urllib.request import Request, urlopen

    url = (endpoint_url or _DEFAULT_URL).rstrip("/") + "/_emulator/lifecycle/run"
    if not url.startswith(("http://", "https://")):
        raise Failure(f"no lifecycle run: {endpoint_url} is not an address of a server")
    try:
        request = Request(url, method="POST")  # noqa: S310 - checked above
        with urlopen(request, timeout=_LONGEST_RUN) as response:  # noqa: S310
            runs = json.load(response)["runs"]
    except (URLError, OSError, ValueError, KeyError) as error:
        raise Failure(f"no lifecycle run: {error}") from None
    for run in runs:
        where = f"{run['registryId']}/{run['region']}/{run['repositoryName']}"
        for outcome in ("expired", "archived"):
            for digest in run[outcome]:
                click.echo(f"{outcome}  {where}@{digest}")
