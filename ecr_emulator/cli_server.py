"""Asking a running server: what the commands share that work by its control endpoints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ecr_emulator.cli_support import Failure

_Command = TypeVar("_Command", bound=Callable[..., Any])

DEFAULT_URL = "http://127.0.0.1:4566"


def endpoint_option(command: _Command) -> _Command:
    """Give a command the flag for where the server is."""
    return click.option(
        "--endpoint-url",
        metavar="URL",
        envvar=["AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL"],
        help="Where the server listens, on this machine."
        f"  [AWS_ENDPOINT_URL; default: {DEFAULT_URL}]",
    )(command)


def ask_server(
    what: str,
    endpoint_url: str | None,
    method: str,
    path: str,
    document: dict[str, Any] | None = None,
    *,
    seconds: float = 60,
) -> Any:
    """Ask a control endpoint and return its answer.

    :param what: what is asked for, as the message says that it was not to be had.
    :param path: with the slash at its beginning.
    :raises Failure: there is no such server, or it refuses.
    """
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    url = (endpoint_url or DEFAULT_URL).rstrip("/") + path
    if not url.startswith(("http://", "https://")):
        raise Failure(f"no {what}: {endpoint_url} is not an address of a server")
    body = None if document is None else json.dumps(document).encode()
    try:
        request = Request(url, body, method=method)  # noqa: S310 - checked above
        with urlopen(request, timeout=seconds) as response:  # noqa: S310
            return json.load(response)
    except HTTPError as error:
        raise Failure(f"no {what}: {_message(error.read(10_000)) or error}") from None
    except (URLError, OSError, ValueError) as error:
        raise Failure(f"no {what}: {error}") from None


def _message(body: bytes) -> str:
    """Return the message in a refusal, or an empty string."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
