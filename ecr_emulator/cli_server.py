"""Asking a running server: what the commands share that work by its control endpoints.

Where the server has a token for them, it is taken from the variable of that setting; the authority
of a server with a certificate of its own from ``AWS_CA_BUNDLE``, as the AWS tools do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

from ecr_emulator.cli_support import Failure
from ecr_emulator.setting_sources import variable_name

_Command = TypeVar("_Command", bound=Callable[..., Any])

_TOKEN_VARIABLE = variable_name("admin_token")
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
    document: dict[str, Any] | bytes | None = None,
    *,
    seconds: float = 60,
) -> Any:
    """Ask a control endpoint and return its answer.

    :param what: what is asked for, as the message says that it was not to be had.
    :param path: with the slash at its beginning.
    :param document: what is sent as JSON, or as it is.
    :raises Failure: there is no such server, or it refuses.
    """
    import ssl
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    url = (endpoint_url or DEFAULT_URL).rstrip("/") + path
    if not url.startswith(("http://", "https://")):
        raise Failure(f"no {what}: {endpoint_url} is not an address of a server")
    body = json.dumps(document).encode() if isinstance(document, dict) else document
    token = os.environ.get(_TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = Request(url, body, headers, method=method)  # noqa: S310 - checked above
        context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
        with urlopen(request, timeout=seconds, context=context) as response:  # noqa: S310
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
