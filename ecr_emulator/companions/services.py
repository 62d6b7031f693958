"""Which requests are for another AWS service, and for which.

What tells: the service in the scope of the credential, in the ``Authorization`` header or in the
query string; the older signatures that S3 alone still takes; and, where nothing is signed,
Cognito's ``X-Amz-Target`` and the host names of S3. Nobody has signed a request with any of
these for the OCI door or the control endpoints.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

#: The services that are served here.
_OWN_SERVICES = frozenset({"ecr", "ecr-public", "sts"})
_OWN_TARGETS = ("AmazonEC2ContainerRegistry_", "SpencerFrontendService.")
_OWN_PATH = "/_emulator/"
_ALGORITHM = "AWS4-HMAC-SHA256"
#: Cognito's operations that take no signature, by what begins their target.
_UNSIGNED_TARGETS = {
    "AWSCognitoIdentityProviderService": "cognito-idp",
    "AWSCognitoIdentityService": "cognito-identity",
}
_CREDENTIAL = re.compile(r"Credential=([^,\s]{1,512})")
_QUERY_CREDENTIAL = re.compile(r"(?:^|&)X-Amz-Credential=([^&]{1,512})")
#: S3 still takes Signature Version 2, which boto3 uses for presigned URLs by default.
_V2_HEADER = re.compile(r"AWS ([A-Za-z0-9]{1,128}):")
_V2_QUERY = re.compile(r"(?:^|&)AWSAccessKeyId=([A-Za-z0-9]{1,128})(?:&|$)")
_SESSION_TOKEN = re.compile(r"(?:^|&)[Xx]-[Aa]mz-[Ss]ecurity-[Tt]oken=([^&]{1,8192})")
_SERVICE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_REGION = re.compile(r"[a-z][a-z0-9-]{0,24}")
#: ``bucket.s3.localhost``, ``s3.eu-west-1.amazonaws.com``, ``bucket.s3-eu-west-1.amazonaws.com``.
_S3_HOST = re.compile(r"(?:[a-z0-9.-]{1,200}\.)?s3(?:[.-][a-z0-9-]{1,40}){1,3}(?::[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """What a request says of whom it is for and from.

    :ivar service: the name that signatures have for it.
    :ivar access_key_id: whose signature it bears; empty for none.
    :ivar credential: the credential with its scope; empty for older signatures and for none.
    """

    service: str
    region: str = ""
    access_key_id: str = ""
    session_token: str | None = None
    credential: str = ""


def service_request(environ: Mapping[str, Any]) -> ServiceRequest | None:
    """Say which other service the request of a WSGI environ is for; ``None`` if for none."""
    path = str(environ.get("PATH_INFO") or "/")
    if path.startswith(_OWN_PATH):
        return None
    target = str(environ.get("HTTP_X_AMZ_TARGET") or "")
    if target.startswith(_OWN_TARGETS):
        return None
    header = str(environ.get("HTTP_AUTHORIZATION") or "")
    query = str(environ.get("QUERY_STRING") or "")
    if header:
        token = str(environ.get("HTTP_X_AMZ_SECURITY_TOKEN") or "") or None
        if header.startswith(_ALGORITHM):
            found = _CREDENTIAL.search(header)
            return None if found is None else _scoped(found[1], token)
        found = _V2_HEADER.match(header)
        return None if found is None else ServiceRequest("s3", "", found[1], token)
    if query:
        found = _SESSION_TOKEN.search(query)
        token = unquote(found[1]) if found else None
        found = _QUERY_CREDENTIAL.search(query)
        if found is not None:
            return _scoped(unquote(found[1]), token)
        found = _V2_QUERY.search(query)
        if found is not None and "Signature=" in query:
            return ServiceRequest("s3", "", found[1], token)
    return _unsigned(target, str(environ.get("HTTP_HOST") or "").lower())


def _scoped(credential: str, token: str | None) -> ServiceRequest | None:
    parts = credential.split("/")
    if len(parts) != 5:
        return None
    key_id, _, region, service, _ = parts
    service = service.lower()
    if service in _OWN_SERVICES or not _SERVICE.fullmatch(service) or not _REGION.fullmatch(region):
        return None
    return ServiceRequest(service, region, key_id, token, credential)


def _unsigned(target: str, host: str) -> ServiceRequest | None:
    service = _UNSIGNED_TARGETS.get(target.partition(".")[0])
    if service is not None:
        return ServiceRequest(service)
    return ServiceRequest("s3") if _S3_HOST.fullmatch(host) else None
