"""``ecr-emulator clock …``: what time it is to a running server."""

from __future__ import annotations

from typing import Any

import click

from ecr_emulator.cli_server import ask_server, endpoint_option


@click.group()
def clock() -> None:
    """The time of a running server: let hours pass in an instant, stop it, put it back."""


@clock.command("show")
@endpoint_option
def show(endpoint_url: str | None) -> None:
    """Print what time it is to the server."""
    _ask(endpoint_url, "GET")


@clock.command("advance")
@click.argument("duration")
@endpoint_option
def advance(duration: str, endpoint_url: str | None) -> None:
    """Let DURATION pass: 30d, 12h, 90s, 1d12h."""
    _ask(endpoint_url, "POST", {"advance": duration})


@clock.command("set")
@click.argument("time")
@endpoint_option
def set_time(time: str, endpoint_url: str | None) -> None:
    """Make it TIME: 2030-01-01T00:00:00Z."""
    _ask(endpoint_url, "PUT", {"now": time})


@clock.command("freeze")
@endpoint_option
def freeze(endpoint_url: str | None) -> None:
    """Stop the clock."""
    _ask(endpoint_url, "PUT", {"frozen": True})


@clock.command("resume")
@endpoint_option
def resume(endpoint_url: str | None) -> None:
    """Let a stopped clock go on from what it shows."""
    _ask(endpoint_url, "PUT", {"frozen": False})


@clock.command("reset")
@endpoint_option
def reset(endpoint_url: str | None) -> None:
    """Show the machine's time again."""
    _ask(endpoint_url, "DELETE")


def _ask(endpoint_url: str | None, method: str, document: dict[str, Any] | None = None) -> None:
    answer = ask_server("clock", endpoint_url, method, "/_emulator/clock", document)
    how = " (stopped)" if answer["frozen"] else ""
    click.echo(f"{answer['now']}{how}, {answer['offsetSeconds']:+} s from the machine's")
