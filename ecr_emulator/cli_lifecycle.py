"""``ecr-emulator lifecycle …``: run the lifecycle policies of a running server now."""

from __future__ import annotations

import click

from ecr_emulator.cli_server import ask_server, endpoint_option

#: Seconds a run may take: it ends with the last repository's last image.
_LONGEST_RUN = 600


@click.group()
def lifecycle() -> None:
    """Lifecycle policies."""


@lifecycle.command("run")
@endpoint_option
def run_lifecycle(endpoint_url: str | None) -> None:
    """Run every lifecycle policy now, and print what became of which image.

    A server runs them by itself every hour.
    """
    path = "/_emulator/lifecycle/run"
    runs = ask_server("lifecycle run", endpoint_url, "POST", path, seconds=_LONGEST_RUN)["runs"]
    for run in runs:
        where = f"{run['registryId']}/{run['region']}/{run['repositoryName']}"
        for outcome in ("expired", "archived"):
            for digest in run[outcome]:
                click.echo(f"{outcome}  {where}@{digest}")
