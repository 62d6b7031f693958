"""Refusals in the AWS JSON protocol, and their form on the wire.

A service's own errors (``RepositoryNotFoundException``...) are :class:`AwsError` with the
code and text that the registry gave; the errors of the protocol itself are made here.
Their codes, texts and the case of the message's key are those seen from AWS JSON services:
modelled errors carry ``message``, what the framework says about a body or a permission
carries ``Message``, and some say nothing at all. ``__type`` is the bare name, which is
what those services send; no ``x-amzn-ErrorType`` header goes with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CONTENT_TYPE = "application/x-amz-json-1.1"

_HEADERS: Mapping[str, str] = {"Content-Type": CONTENT_TYPE}


class AwsError(Exception):
    """An answer that refuses a JSON request.

    :param code: the error's name, sent as ``__type``.
    :param message: the text for the caller; None to send none.
    :param status: the HTTP status. AWS JSON services answer 400 for every fault of the
        caller's (never 403 or 404) and 500 for their own.
    :param fields: further members of the modelled error; those that are None are left out.
    :param message_key: the text's key in the body.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int = 400,
        fields: Mapping[str, Any] | None = None,
        message_key: str = "message",
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
        self.fields: Mapping[str, Any] = fields or {}
        self.message_key = message_key


def render_error(error: AwsError) -> tuple[int, bytes, Mapping[str, str]]:
    """Return the HTTP status, body and headers that say *error*.

    :raises TypeError: a field of the error has no form in JSON.
    """
    body: dict[str, Any] = {"__type": error.code}
    if error.message is not None:
        body[error.message_key] = error.message
    body.update((name, value) for name, value in error.fields.items() if value is not None)
    # Escaped to ASCII, unlike answers: an error may echo whatever a client sent, and has to
    # have a form for all of it.
    return error.status, json.dumps(body, separators=(",", ":")).encode("ascii"), _HEADERS


def unknown_operation() -> AwsError:
    """The request names no operation of this service (observed: no text)."""
    return AwsError("UnknownOperationException")


def not_provided(service: str, operation: str) -> AwsError:
    """AWS has this operation, and this emulator does not.

    The code is that of an unknown operation: SDKs give up at once on it, while a 5xx would
    be retried. Unlike AWS it says why. ``UnsupportedCommandException``, which ECR Public
    models, would claim something else: that the region does not have the command.
    """
    return AwsError(
        "UnknownOperationException",
        f"The operation {operation} of {service} is not provided by this emulator.",
    )


def serialization(message: str | None = None) -> AwsError:
    """The body cannot be read as the operation's input."""
    return AwsError("SerializationException", message, message_key="Message")


def access_denied(message: str) -> AwsError:
    """The caller may not do this; *message* names caller, action, resource and reason."""
    return AwsError("AccessDeniedException", message, message_key="Message")


def throttling(message: str = "Rate exceeded") -> AwsError:
    """Too many requests."""
    return AwsError("ThrottlingException", message)


def request_entity_too_large(message: str | None = None) -> AwsError:
    """The body is larger than the operation can need."""
    return AwsError("RequestEntityTooLargeException", message, status=413)


def server_exception(message: str | None = None) -> AwsError:
    """A fault of the service's own: every operation of both services models it."""
    return AwsError("ServerException", message, status=500)


def from_authentication_failure(code: str, message: str) -> AwsError:
    """The caller could not be established; *code* and *message* are the verifier's.

    JSON services answer these with status 400 and ``message``.
    """
    return AwsError(code, message)
