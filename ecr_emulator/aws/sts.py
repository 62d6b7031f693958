"""The Security Token Service: who am I, and temporary credentials for me."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from ecr_emulator.auth import failures
from ecr_emulator.auth.sigv4 import (
    Authenticated,
    AuthenticationFailure,
    SignatureVerifier,
    SignedRequest,
)
from ecr_emulator.policy.context import Origin

from .query import (
    CONTENT_TYPE,
    QueryError,
    find_operation,
    parse_parameters,
    read_input,
    render_error,
    render_result,
    service_model,
)
from .sts_assume_role import assume_role
from .sts_records import CallRecord
from .sts_services import StsServices

__all__ = ["OPERATIONS", "StsServices", "handle_query", "internal_failure"]

_SERVICE = "sts"

# API reference, GetSessionToken.
_DEFAULT_DURATION = 43200
_LONGEST_ROOT_DURATION = 3600
_LARGEST_TOKEN = 4096  # bytes; the model's maximum of MinimumSessionTokenSize

# The Query protocol's names of the JSON protocol's codes, and the status of each.
_QUERY_ERRORS = {
    failures.MISSING_TOKEN: (403, "MissingAuthenticationToken"),
    failures.UNRECOGNIZED_CLIENT: (403, "InvalidClientTokenId"),
    failures.EXPIRED_TOKEN: (403, "ExpiredToken"),
    failures.INVALID_SIGNATURE: (403, "SignatureDoesNotMatch"),
    failures.INCOMPLETE_SIGNATURE: (400, "IncompleteSignature"),
}
# STS has a sentence of its own for this one.
_MISSING_TOKEN_TEXT = "Request is missing Authentication Token"

Operation = Callable[[Mapping[str, Any], Authenticated, StsServices, Origin], dict[str, Any]]


def get_caller_identity(
    values: Mapping[str, Any], caller: Authenticated, services: StsServices, origin: Origin
) -> dict[str, Any]:
    """``GetCallerIdentity``: whose credentials these are. Needs no permission."""
    principal = caller.principal
    return {"UserId": principal.user_id, "Account": principal.account, "Arn": principal.arn}


def get_session_token(
    values: Mapping[str, Any], caller: Authenticated, services: StsServices, origin: Origin
) -> dict[str, Any]:
    """``GetSessionToken``: temporary credentials for the caller, who must hold long-term ones.

    There are no MFA devices here: a serial number and a code are taken together, unchecked.

    :raises QueryError: called with temporary credentials, or with half of an MFA answer.
    """
    if caller.session_token is not None:
        raise QueryError(
            403, "AccessDenied", "Cannot call GetSessionToken with session credentials"
        )
    if ("SerialNumber" in values) != ("TokenCode" in values):
        raise QueryError(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed, must provide both MFA serial number and "
            "one time pass code.",
        )
    duration = values.get("DurationSeconds", _DEFAULT_DURATION)
    if caller.principal.kind == "root":
        duration = min(duration, _LONGEST_ROOT_DURATION)
    minted = services.temporary_credentials.mint(
        caller.principal, timedelta(seconds=duration), values.get("MinimumSessionTokenSize", 0)
    )
    size = len(minted.session_token)
    return {
        "Credentials": {
            "AccessKeyId": minted.access_key_id,
            "SecretAccessKey": minted.secret,
            "SessionToken": minted.session_token,
            "Expiration": minted.expires_at,
        },
        "SessionTokenUtilization": size * 100 // _LARGEST_TOKEN,
        "SessionTokenSize": size,
    }


OPERATIONS: dict[str, Operation] = {
    "GetCallerIdentity": get_caller_identity,
    "GetSessionToken": get_session_token,
    "AssumeRole": assume_role,
}


def handle_query(
    request: SignedRequest,
    verifier: SignatureVerifier,
    services: StsServices,
    request_id: str,
    origin: Origin,
) -> tuple[int, str, dict[str, str]]:
    """Answer one request to STS.

    :param request_id: the id of this request, for the answer's body and header.
    :returns: HTTP status, XML body and headers; refusals are answers too.
    """
    model = service_model(_SERVICE)
    try:
        parameters = parse_parameters(request)
        operation = find_operation(model, parameters)
        run = OPERATIONS.get(operation.name)
        if run is None:
            raise QueryError(
                501, "NotImplemented", f"The emulator does not have {operation.name} yet"
            )
        caller = _authenticate(request, verifier)
        record = CallRecord(operation, caller, origin, request_id)
        with record.written_to(services.api_calls):
            values = record.values = read_input(operation, parameters)
            output = record.output = run(values, caller, services, origin)
    except QueryError as error:
        return _refusal(error, request_id)
    return 200, render_result(model, operation, output, request_id), _headers(request_id)


def internal_failure(request_id: str) -> tuple[int, str, dict[str, str]]:
    """Return the answer to a request that we failed at; the code and text of Common Errors."""
    text = "The request processing has failed because of an unknown error, exception or failure."
    return _refusal(QueryError(500, "InternalFailure", text), request_id)


def _refusal(error: QueryError, request_id: str) -> tuple[int, str, dict[str, str]]:
    text = render_error(service_model(_SERVICE), error, request_id)
    return error.status, text, _headers(request_id)


def _headers(request_id: str) -> dict[str, str]:
    return {"Content-Type": CONTENT_TYPE, "x-amzn-RequestId": request_id}


def _authenticate(request: SignedRequest, verifier: SignatureVerifier) -> Authenticated:
    try:
        return verifier.verify(request, (_SERVICE,))
    except AuthenticationFailure as failure:
        status, code = _QUERY_ERRORS[failure.code]
        message = _MISSING_TOKEN_TEXT if failure.code == failures.MISSING_TOKEN else failure.message
        raise QueryError(status, code, message) from None
