"""The AWS door: the life of an API call, from the wire to the operation and back.

Read the body (bounded), find the operation, verify the signature, dispatch, render. The
JSON protocol carries ECR's operations in ``X-Amz-Target``; the Query protocol STS's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any

from ecr_emulator.auth.canonical import SignedRequest
from ecr_emulator.auth.failures import AuthenticationFailure
from ecr_emulator.auth.origins import Origins
from ecr_emulator.auth.sigv4 import SignatureVerifier
from ecr_emulator.auth.user_identity import user_identity
from ecr_emulator.aws import errors, sts
from ecr_emulator.aws.ecr import operations as ecr_operations
from ecr_emulator.aws.ecr.context import EcrContext
from ecr_emulator.aws.ecr_public import operations as ecr_public_operations
from ecr_emulator.aws.ecr_public.context import EcrPublicContext
from ecr_emulator.aws.errors import AwsError
from ecr_emulator.aws.operation_calls import ApiServices, CallContext
from ecr_emulator.aws.operations import Operations
from ecr_emulator.aws.sts import StsServices
from ecr_emulator.endpoints import Endpoint, is_host
from ecr_emulator.metrics import OPERATION
from ecr_emulator.policy.context import Origin
from ecr_emulator.registry.api_calls import INTERNAL_FAILURE, ApiCall
from ecr_emulator.storage_failure import StorageFailure
from ecr_emulator.uuids import random_uuid
from ecr_emulator.wsgi_body import BodyError, BodyReader, BodyTooLarge

#: Status, headers and body of an answer.
Answer = tuple[int, list[tuple[str, str]], bytes]

logger = logging.getLogger(__name__)

#: The APIs by what stands before the operation in X-Amz-Target: the operations of each, and
#: what they are handed.
_APIS: dict[str, tuple[Operations[Any], type[CallContext]]] = {
    ecr_operations.service.target_prefix: (ecr_operations, EcrContext),
    ecr_public_operations.service.target_prefix: (ecr_public_operations, EcrPublicContext),
}
_METHODS = {"GET", "HEAD", "POST"}
_FORM = "application/x-www-form-urlencoded"
_STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class AwsDoor:
    """What the door is built from.

    :ivar max_body: the largest body of a call, in bytes.
    """

    services: ApiServices
    verifier: SignatureVerifier
    sts_services: StsServices
    origins: Origins
    max_body: int

    def handles(self, environ: Mapping[str, Any]) -> bool:
        """Say whether a request is this door's."""
        return environ.get("PATH_INFO") == "/" and environ["REQUEST_METHOD"] in _METHODS

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request (WSGI): Flask's routing would cost as much as a small operation."""
        status, headers, body = self._answer(environ)
        headers.append(("Content-Length", str(len(body))))
        start_response(_STATUS_LINES[status], headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        request_id = random_uuid()
        is_query = False
        try:
            signed = _signed_request(environ, self.max_body)
            origin = self.origins.of_request(environ)
            environ[OPERATION] = _operation(signed)
            is_query = _is_query(signed)
            if is_query:
                status, text, headers = sts.handle_query(
                    signed, self.verifier, self.sts_services, request_id, origin
                )
                return status, list(headers.items()), text.encode("utf-8")
            body = self._call_json(signed, _endpoint(environ), origin, request_id)
            return _json_response(200, body, request_id)
        except AwsError as error:
            status, body, _ = errors.render_error(error)
            return _json_response(status, body, request_id)
        except StorageFailure as failure:
            logger.error("an API call failed (request id %s): %s", request_id, failure)
            return _fault(is_query, str(failure), request_id)
        except Exception:
            # The last resort: the client gets no stack trace, the log does.
            logger.exception("an API call failed (request id %s)", request_id)
            return _fault(is_query, None, request_id)

    def _call_json(
        self, signed: SignedRequest, endpoint: Endpoint, origin: Origin, request_id: str
    ) -> bytes:
        prefix, _, name = signed.headers.get("x-amz-target", "").partition(".")
        if prefix not in _APIS:
            raise errors.unknown_operation()
        operations, context_of_api = _APIS[prefix]
        if name not in operations.service.operations:
            raise errors.unknown_operation()
        try:
            caller = self.verifier.verify(signed, (operations.service.name,))
        except AuthenticationFailure as failure:
            raise errors.from_authentication_failure(failure.code, failure.message) from None
        context = context_of_api(self.services, caller.principal, caller.region, endpoint, origin)
        if not self.services.registry.api_calls.enabled:
            return operations.dispatch(name, context, signed.body)
        return _dispatch_and_record(operations, name, context, signed.body, request_id)


def _dispatch_and_record(
    operations: Operations[Any], name: str, context: CallContext, body: bytes, request_id: str
) -> bytes:
    """Serve a call and record it.

    :raises AwsError: the operation refuses.
    """
    answer: bytes | None = None
    error: tuple[str, str | None] | None = INTERNAL_FAILURE
    try:
        answer = operations.dispatch(name, context, body)
        error = None
        return answer
    except AwsError as refusal:
        # CloudTrail's name of it has no ending.
        is_denied = refusal.code == "AccessDeniedException"
        error = "AccessDenied" if is_denied else refusal.code, refusal.message
        raise
    finally:
        context.registry.api_calls.record(
            ApiCall(
                key=context.home,
                name=name,
                identity=user_identity(context.principal),
                source_ip=context.origin.source_ip,
                user_agent=context.origin.user_agent,
                parameters=_members(body),
                answer=None if answer is None else _members(answer),
                error=error,
                request_id=request_id,
            )
        )


def _members(body: bytes) -> dict[str, Any] | None:
    """Return the members of a JSON body, or ``None`` if it is no object."""
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


# Of a client's headers the same few names come again and again.
@lru_cache(maxsize=1024)
def _header_name(variable: str) -> str:
    return variable.removeprefix("HTTP_").replace("_", "-").lower()


def _signed_request(environ: Mapping[str, Any], max_body: int) -> SignedRequest:
    try:
        body = BodyReader(environ, max_body).read()
    except BodyTooLarge:
        raise errors.request_entity_too_large() from None
    except BodyError:
        # A body cut short: what came is not what was signed.
        raise errors.serialization() from None
    headers = {
        _header_name(name): value for name, value in environ.items() if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[_header_name(name)] = environ[name]
    return SignedRequest(
        method=environ["REQUEST_METHOD"],
        path=environ.get("PATH_INFO") or "/",
        query_string=environ.get("QUERY_STRING") or "",
        headers=headers,
        body=body,
    )


def _operation(signed: SignedRequest) -> str:
    """Return what is called, as it is counted: names that there are not are all one."""
    if _is_query(signed):
        return "sts"
    prefix, _, name = signed.headers.get("x-amz-target", "").partition(".")
    api = _APIS.get(prefix)
    return name if api is not None and name in api[0].service.operations else "unknown"


def _is_query(signed: SignedRequest) -> bool:
    if "x-amz-target" in signed.headers:
        return False
    is_form = signed.headers.get("content-type", "").partition(";")[0].strip() == _FORM
    return is_form or "Action=" in signed.query_string


def _endpoint(environ: Mapping[str, Any]) -> Endpoint:
    host = environ.get("HTTP_HOST") or ""
    if not is_host(host):
        # It would stand in repositoryUri and proxyEndpoint.
        raise AwsError("BadRequestException", "The Host header is not valid.")
    return Endpoint(environ.get("wsgi.url_scheme") or "http", host)


def _fault(is_query: bool, text: str | None, request_id: str) -> Answer:
    """Return the answer to a request that we failed at, in the form of its protocol."""
    if is_query:
        status, xml, headers = sts.internal_failure(request_id)
        return status, list(headers.items()), xml.encode("utf-8")
    status, body, _ = errors.render_error(errors.server_exception(text))
    return _json_response(status, body, request_id)


def _json_response(status: int, body: bytes, request_id: str) -> Answer:
    headers = [("Content-Type", errors.CONTENT_TYPE), ("x-amzn-RequestId", request_id)]
    return status, headers, body
