"""Errors that are not moto's own, in the form that the service's clients read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4
from xml.sax.saxutils import escape

_FORM = "application/x-www-form-urlencoded"


def failure(
    environ: Mapping[str, Any], start_response: Any, status: int, code: str, message: str
) -> Iterable[bytes]:
    """Answer the request of a WSGI environ with an error (WSGI)."""
    content_type = str(environ.get("CONTENT_TYPE") or "")
    query = str(environ.get("QUERY_STRING") or "")
    signature = str(environ.get("HTTP_AUTHORIZATION") or "") + query
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if "HTTP_X_AMZ_TARGET" not in environ and (_FORM in content_type or "Action=" in query):
        answer_type = "text/xml"
        body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
    elif "/s3/aws4_request" in signature or "%2Fs3%2Faws4_request" in signature:
        answer_type, body = "application/xml", f"<Error>{error}</Error>"
    else:
        answer_type = "application/x-amz-json-1.1"
        body = json.dumps({"__type": code, "code": code, "message": message})
    data = body.encode()
    headers = [
        ("Content-Type", answer_type),
        ("Content-Length", str(len(data))),
        ("x-amzn-RequestId", str(uuid4())),
        ("x-amzn-ErrorType", code),
    ]
    start_response(f"{status} {code}", headers)
    return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else data]
